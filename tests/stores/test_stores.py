"""Stores: a folder, a bucket of a real S3 server, a web server; all keep the same promises."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from store_servers import S3, Files, Server, web_server

from iiifserver.errors import (
    Away,
    BrokenSource,
    ConfigurationError,
    NotFound,
    Replaced,
    SourceTooLarge,
)
from iiifserver.homes import home_of, shown
from iiifserver.stores import Store, download, opened
from iiifserver.stores import buckets as bucket_stores
from iiifserver.stores import web as web_stores
from iiifserver.stores.web import Web

BODY = bytes(range(256)) * 40
_count = iter(range(1_000_000))


@pytest.fixture
def bucket(s3: S3) -> Store:
    """A store in a new bucket, below a path."""
    return opened(f"{s3.bucket(f'bucket{next(_count)}')}/some/path")


@pytest.fixture(params=["folder", "bucket"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Each kind of store that can be written."""
    return opened(tmp_path) if request.param == "folder" else request.getfixturevalue("bucket")


@pytest.fixture
def site() -> Iterator[tuple[Server, Files]]:
    """A web server that has one file."""
    with web_server() as (server, files):
        files.bodies["/scans/a b.jpg"] = BODY
        yield server, files


@pytest.fixture
def web(site: tuple[Server, Files]) -> Iterator[Web]:
    """A store of that server, whose address is allowed."""
    with contextlib.closing(Web(f"{site[0].url}/scans", ["127.0.0.1"])) as web:
        yield web


# -- what all that can be written have in common


def test_a_range_comes_with_the_size_of_the_whole_and_one_identity(store: Store) -> None:
    store.create("objects/aa/x", BODY)
    first, last = store.read("objects/aa/x", 3, 10), store.read("objects/aa/x", 10_000, 9_999)
    assert (first.body, first.size_bytes) == (BODY[3:13], len(BODY))
    assert last.body == BODY[10_000:]
    assert first.identity == last.identity != ""


def test_what_is_created_is_never_overwritten(store: Store) -> None:
    store.create("editions/000001.json", b"first")
    with pytest.raises(FileExistsError):
        store.create("editions/000001.json", b"second")
    assert store.read("editions/000001.json", 0, 99).body == b"first"


def test_of_many_who_create_one_object_one_succeeds(store: Store) -> None:
    made = []

    def create(number: int) -> None:
        try:
            store.create("editions/000009.json", f"{number}".encode())
            made.append(f"{number}".encode())
        except FileExistsError:
            pass

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [store.read("editions/000009.json", 0, 99).body]


@pytest.mark.parametrize("size_bytes", [0, 1_000, 17 << 20])
def test_a_file_is_put_whole(store: Store, tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "made.tif"
    path.write_bytes(os.urandom(size_bytes))
    store.put_file("pyramids/made.tif", path)
    target = tmp_path / "fetched.tif"
    if size_bytes:
        download(store, "pyramids/made.tif", target, 1 << 30)
        assert target.read_bytes() == path.read_bytes()
    assert [key.size_bytes for key in store.list("pyramids")] == [size_bytes]


def test_what_is_larger_than_allowed_is_not_fetched(store: Store, tmp_path: Path) -> None:
    store.create("scans/large", BODY)
    with pytest.raises(SourceTooLarge, match="scans/large"):
        download(store, "scans/large", tmp_path / "large", len(BODY) - 1)
    assert not (tmp_path / "large").exists()


def test_a_list_is_of_one_folder_in_order_and_may_begin_later(store: Store) -> None:
    for name in ("editions/000002.json", "editions/000001.json", "editionsx/1", "other/1"):
        store.create(name, b"x")
    found = [key.key for key in store.list("editions")]
    assert found == ["editions/000001.json", "editions/000002.json"]
    later = [key.key for key in store.list("editions", after="editions/000001.json")]
    assert later == ["editions/000002.json"]
    assert list(store.list("nothing")) == []


def test_deleting_what_is_not_there_is_no_error(store: Store) -> None:
    store.create("a/1", b"x")
    store.delete(["a/1", "a/2"])
    store.delete([])
    assert list(store.list("a")) == []


def test_what_is_not_there_is_not_found_by_name(store: Store) -> None:
    store.create("a/1", b"x")
    with pytest.raises(NotFound, match="a/2"):
        store.read("a/2", 0, 1)


def test_another_version_is_never_read_for_the_one_that_was_asked_for(
    store: Store, tmp_path: Path
) -> None:
    store.create("a/1", BODY)
    old = store.read("a/1", 0, 10).identity
    (tmp_path / "new").write_bytes(BODY[::-1])
    store.put_file("a/1", tmp_path / "new")
    with pytest.raises(Replaced):
        store.read("a/1", 0, 10, old)
    assert store.read("a/1", 0, 10).body == BODY[::-1][:10]


# -- buckets


def test_a_range_is_one_get_and_nothing_else(bucket: Store, s3: S3) -> None:
    bucket.create("a/1", BODY)
    s3.asked.clear()
    bucket.read("a/1", 100, 50)
    assert [(each.method, each.range) for each in s3.asked] == [("GET", "bytes=100-149")]


@pytest.mark.parametrize(
    ("listed", "read"),
    [
        ('"5d41"', '"5d41"'),  # S3, Google
        ("0x8DC0FFEE", '"0x8DC0FFEE"'),  # Azure
        (None, None),  # neither: size and time, of which a list tells fractions
    ],
)
def test_a_list_and_an_answer_name_a_version_alike(listed: str | None, read: str | None) -> None:
    when = datetime(2026, 11, 30, 12, tzinfo=UTC)
    a_list = {"e_tag": listed, "size": 9, "last_modified": when.replace(microsecond=321_000)}
    an_answer = {"e_tag": read, "size": 9, "last_modified": when}
    assert bucket_stores._identity(a_list) == bucket_stores._identity(an_answer) != ""


def test_equal_reads_at_the_same_time_are_one(bucket: Store, s3: S3) -> None:
    bucket.create("a/1", BODY)
    s3.asked.clear()
    started = threading.Barrier(9)
    found: list[bytes] = []

    def read() -> None:
        started.wait(20)
        found.append(bucket.read("a/1", 0, 5_000).body)

    threads = [threading.Thread(target=read) for _ in range(8)]
    s3.faults.append("500")  # the pause before it is asked again keeps it under way
    for thread in threads:
        thread.start()
    started.wait(20)
    for thread in threads:
        thread.join()
    assert set(found) == {BODY[:5_000]}
    assert len(s3.asked) < 8


@pytest.mark.parametrize("fault", ["500", "503", "cut"])
def test_a_bucket_is_asked_again_where_it_failed_once(bucket: Store, s3: S3, fault: str) -> None:
    bucket.create("a/1", BODY)
    s3.faults.append(fault)
    assert bucket.read("a/1", 0, 9_999).body == BODY[:9_999]


@pytest.mark.parametrize("fault", ["500", "cut"])
def test_a_bucket_that_goes_on_failing_is_away(bucket: Store, s3: S3, fault: str) -> None:
    bucket.create("a/1", BODY)
    s3.faults.extend([fault] * 20)
    with pytest.raises(Away, match="some/path"):
        bucket.read("a/1", 0, 9_999)
    assert len(s3.faults) > 0, "it was asked too often"


def test_a_bucket_that_says_nothing_is_away(
    bucket: Store, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.create("a/1", BODY)
    for name, value in (("_READ_S", 1), ("_WHOLE_S", 1), ("_RETRIES", 1), ("_RETRY_S", 1)):
        monkeypatch.setattr(bucket_stores, name, value)
    impatient = bucket_stores.Bucket(bucket.name)
    s3.faults.extend(["slow"] * 4)
    with pytest.raises(Away):
        impatient.read("a/1", 0, 10)
    assert Away.status == 503
    assert Away.retry_after_s > 0


def test_a_bucket_that_refuses_is_named_and_asked_once(bucket: Store, s3: S3) -> None:
    bucket.create("a/1", BODY)
    s3.asked.clear()
    s3.faults.append("403")
    with pytest.raises(BrokenSource, match=r"refuses a/1: 403"):
        bucket.read("a/1", 0, 10)
    assert len(s3.asked) == 1


@pytest.mark.parametrize("fault", ["other range", "truncated", "longer"])
def test_other_bytes_than_were_asked_for_are_no_answer(bucket: Store, s3: S3, fault: str) -> None:
    bucket.create("a/1", BODY)
    s3.faults.extend([fault] * 20)
    with pytest.raises((BrokenSource, Away)):
        bucket.read("a/1", 7, 100)


def test_a_bucket_that_does_not_exist_is_named(s3: S3) -> None:
    with pytest.raises(BrokenSource, match="s3://nowhere: there is no such bucket"):
        opened("s3://nowhere").read("a", 0, 1)


def test_no_message_holds_credentials(bucket: Store, s3: S3) -> None:
    s3.faults.extend(["403", "500", "500", "500", "500", "500"])
    for _ in range(2):
        with pytest.raises((BrokenSource, Away)) as raised:
            bucket.read("a/1", 0, 10)
        text = f"{raised.value!r} {raised.value.__cause__!r}"
        assert "not-to-be-shown" not in text
        assert "archive" not in text
        assert s3.url not in text


def test_what_answers_tells_so_and_what_does_not_is_away(bucket: Store, s3: S3) -> None:
    bucket.reachable()
    with s3.away(), pytest.raises(Away):
        bucket.reachable()


def test_a_store_is_opened_once_in_each_process(s3: S3, tmp_path: Path) -> None:
    url = s3.bucket(f"bucket{next(_count)}")
    assert opened(url) is opened(url)
    opened(url).create("a", b"x")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(_read_there, (url,)) == b"x"


def _read_there(url: str) -> bytes:
    return opened(url).read("a", 0, 1).body


def test_after_a_fork_a_used_store_says_what_is_wrong(bucket: Store, tmp_path: Path) -> None:
    bucket.create("a", b"x")
    child = os.fork()
    if not child:
        try:
            bucket.read("a", 0, 1)
        except ConfigurationError as error:
            (tmp_path / "said").write_text(str(error))
        os._exit(0)
    os.waitpid(child, 0)
    assert "fork" in (tmp_path / "said").read_text()


# -- web servers


def test_a_file_of_a_web_server_is_read_by_ranges_over_one_connection(
    web: Web, site: tuple[Server, Files]
) -> None:
    piece = web.read("a b.jpg", 5, 10)
    assert (piece.body, piece.size_bytes) == (BODY[5:15], len(BODY))
    web.read("a b.jpg", 15, 10, piece.identity)
    assert [(each.method, each.range) for each in site[0].asked] == [
        ("GET", "bytes=5-14"),
        ("GET", "bytes=15-24"),
    ]
    assert site[0].asked[1].headers["if_match"] == piece.identity


def test_of_a_server_without_etags_a_changed_file_is_still_noticed(
    web: Web, site: tuple[Server, Files]
) -> None:
    site[1].etags = False
    old = web.read("a b.jpg", 0, 10).identity
    site[1].bodies["/scans/a b.jpg"] = BODY + b"!"
    with pytest.raises(Replaced):
        web.read("a b.jpg", 0, 10, old)


@pytest.mark.parametrize("fault", ["500", "503", "429", "cut"])
def test_a_web_server_is_asked_again_where_it_failed_once(
    web: Web, site: tuple[Server, Files], fault: str
) -> None:
    site[0].faults.append(fault)
    assert web.read("a b.jpg", 0, 10_000).body == BODY[:10_000]
    assert len(site[0].asked) == 2


@pytest.mark.parametrize(
    ("fault", "error", "asked"),
    [
        ("500", Away, 3),
        ("cut", Away, 3),
        ("404", NotFound, 1),
        ("410", NotFound, 1),
        ("403", BrokenSource, 1),
        ("401", BrokenSource, 1),
        ("truncated", BrokenSource, 1),
        ("longer", BrokenSource, 1),
        ("other range", BrokenSource, 1),
        ("412", Replaced, 1),
    ],
)
def test_what_a_web_server_may_do_wrong_has_its_error(
    web: Web, site: tuple[Server, Files], fault: str, error: type[Exception], asked: int
) -> None:
    site[0].faults.extend([fault] * 9)
    with pytest.raises(error, match=r"a b\.jpg"):
        web.read("a b.jpg", 7, 100)
    assert len(site[0].asked) == asked


@pytest.mark.parametrize("fault", ["slow", "drip"])
def test_who_sends_nothing_or_drop_by_drop_is_not_waited_for(
    web: Web, site: tuple[Server, Files], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_stores, "_READ_S", 0.3)
    monkeypatch.setattr(web_stores, "_WHOLE_S", 1.0)
    site[0].faults.extend([fault] * 9)
    with pytest.raises(Away, match="too long"):
        web.read("a b.jpg", 0, 10_000)


def test_a_file_that_disappears_is_not_found(web: Web, site: tuple[Server, Files]) -> None:
    piece = web.read("a b.jpg", 0, 10)
    site[1].bodies.clear()
    with pytest.raises(NotFound):
        web.read("a b.jpg", 10, 10, piece.identity)


def test_of_a_server_without_ranges_only_small_files_are_read(
    web: Web, site: tuple[Server, Files], monkeypatch: pytest.MonkeyPatch
) -> None:
    site[1].ranges = False
    assert web.read("a b.jpg", 5, 10).body == BODY[5:15]
    monkeypatch.setattr(web_stores, "_MOST_WHOLE_BYTES", 1_000)
    with pytest.raises(BrokenSource, match="no byte ranges"):
        web.read("a b.jpg", 5, 10)


def test_a_web_server_is_only_read(web: Web, tmp_path: Path) -> None:
    for write in (
        lambda: web.create("a", b""),
        lambda: web.put_file("a", tmp_path),
        lambda: web.list("a"),
        lambda: web.delete(["a"]),
    ):
        with pytest.raises(BrokenSource, match="only read"):
            write()


# -- the names of places


@pytest.mark.parametrize(
    ("text", "home"),
    [
        ("/srv/a", Path("/srv/a")),
        ("file:///srv/a%20b", Path("/srv/a b")),
        ("s3://bucket/path/", "s3://bucket/path"),
        ("https://host/path", "https://host/path"),
    ],
)
def test_a_place_is_a_folder_or_a_url(text: str, home: Path | str) -> None:
    assert home_of(text) == home


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("ftp://host/a", "one of"),
        ("s3:///a", "bucket"),
        ("https:///a", "host"),
        ("https://user:secret@host/a", "environment"),
        ("s3://key:secret@bucket/a", "environment"),
        ("https://host/a?token=secret", "without"),
        ("file://host/a", "file:///"),
    ],
)
def test_what_names_no_place_is_refused_without_showing_secrets(text: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        home_of(text)
    assert "secret" not in str(raised.value)
    assert "secret" not in shown(text)


def test_opened_makes_what_a_place_needs(tmp_path: Path) -> None:
    make: Callable[[], Store] = lambda: opened("https://host/a", ["host"])  # noqa: E731
    assert isinstance(make(), Web)
    assert opened(tmp_path).folder == tmp_path
    assert opened(f"file://{tmp_path}").folder == tmp_path
