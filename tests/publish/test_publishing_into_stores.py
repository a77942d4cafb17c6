"""Publishing into a store: an S3 server, and a folder that other machines read."""

from __future__ import annotations

import hashlib
import threading
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from image_sources import picture
from small_exhibition import RECORDS, Small, look
from store_servers import S3

from iiifserver.config import Config
from iiifserver.edition import OBJECTS, PYRAMIDS, current, numbers, read_index
from iiifserver.errors import Away, ConfigurationError
from iiifserver.homes import Home, home_of
from iiifserver.publish import edition as writing_editions
from iiifserver.publish import pyramids
from iiifserver.publish.edition import prune, relink, rollback
from iiifserver.publish.jobs import Workers
from iiifserver.publish.publication import linked, preview
from iiifserver.stores import opened

_count = iter(range(1_000_000))
SLOW = (1_300, 1_200)  # more than four tiles of 512


def threads(count: int) -> Executor:
    return ThreadPoolExecutor(count)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pyramids in a thread: starting processes takes longer than these scans."""
    made = pyramids.workers_of
    monkeypatch.setattr(pyramids, "workers_of", lambda *_, **__: _staff())
    assert made


class _staff:  # noqa: N801 - a context manager
    def __enter__(self) -> Workers:
        return Workers(1, threads)

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(params=["bucket", "folder"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A setting `store` of each kind."""
    if request.param == "folder":
        return str(tmp_path / "store")
    return request.getfixturevalue("bucket")


@pytest.fixture
def bucket(s3: S3) -> str:
    return f"{s3.bucket(f'published{next(_count)}')}/archive"


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    picture(*SLOW).save(made.scans / "b1" / "1.png")
    return made


def change(small: Small, title: str) -> None:
    small.titles = {name: f"{title} {name}" for name in RECORDS}
    small.write()


def titles(home: Home) -> set[str]:
    """Return how the titles of all records begin, after reading every byte of every document."""
    edition, found = current(home), set()
    for identifier, entry in edition.units.items():
        unit = edition.unit(identifier)
        assert unit
        if entry["kind"] == "record":
            found.add(unit.label["en"][0].split()[0])
        for document in unit.documents.values():
            for each in document.codings.values():
                assert hashlib.sha256(each.read()).hexdigest().startswith(each.etag)
    return found


def names(home: Home, folder: str) -> list[str]:
    return [key.key for key in opened(home).list(folder)]


def test_all_that_servers_need_is_in_the_store(small: Small, home: str) -> None:
    assert "edition 1 published" in small.publish(store=home)
    where = home_of(home)
    assert titles(where) == {"Record"}
    index = read_index(where, 1)
    there = {name.rpartition("/")[2] for name in names(where, PYRAMIDS)}
    for image in index["images"].values():
        assert {image["pyramid"], image["tiles"]} <= there
    assert any(name.endswith(".png") for name in there), "scans that are served as they are"
    assert not list((small.data / "pyramids").glob("*.tif")), (
        "nothing stays on the publisher's disk"
    )


def test_what_is_there_is_not_sent_again(small: Small, bucket: str, s3: S3) -> None:
    small.publish(store=bucket)
    s3.asked.clear()
    assert "edition 1 unchanged" in small.publish(store=bucket)
    assert {each.method for each in s3.asked} == {"GET"}
    s3.asked.clear()
    small.titles["a2"] = "Other a2"
    small.write()
    assert "edition 2 published" in small.publish(store=bucket)
    written = [each.path.split("/")[3] for each in s3.asked if each.method != "GET"]
    assert written.count("editions") == 1
    assert set(written) == {"objects", "editions"}
    assert written[-1] == "editions"


def test_a_publisher_on_another_machine_sends_only_what_is_new(
    small: Small, bucket: str, s3: S3
) -> None:
    small.publish(store=bucket)
    s3.asked.clear()
    said = small.publish(store=bucket, data=small.data.with_name("elsewhere"))
    assert "edition 1 unchanged" in said
    assert {each.method for each in s3.asked} == {"GET"}


def test_a_publication_that_loses_the_store_leaves_the_old_edition(
    small: Small, bucket: str, s3: S3
) -> None:
    small.publish(store=bucket)
    change(small, "Second")
    puts = 0

    def fail_from(number: int) -> Any:
        made = writing_editions.opened

        class Failing:
            def __init__(self, home: Home) -> None:
                self._store = made(home)

            def __getattr__(self, name: str) -> Any:
                return getattr(self._store, name)

            def create(self, key: str, body: bytes) -> None:
                nonlocal puts
                puts += 1
                if puts > number:
                    raise Away("the store is gone")
                self._store.create(key, body)

        return Failing

    failures = []
    while len(failures) < 20:
        puts = 0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(writing_editions, "opened", fail_from(1))
            try:
                said = small.publish(store=bucket)
            except Away as error:
                failures.append(error)
                assert numbers(bucket) == [1]
                assert titles(bucket) == {"Record"}
            else:
                break
    assert len(failures) == 5  # three records and two chapters, one at a time; then the index
    assert "edition 2 published" in said
    assert titles(bucket) == {"Second"}


def test_of_two_publishers_each_gets_a_number_of_its_own(
    small: Small, tmp_path: Path, bucket: str
) -> None:
    other = Small(tmp_path / "other")
    change(other, "Other")
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda each=each: said.append(each.publish(store=bucket)))
        for each in (small, other)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 2
    assert numbers(bucket) == [1, 2]
    assert titles(bucket) in ({"Record"}, {"Other"})


def test_an_answer_that_is_lost_when_the_number_is_taken_is_no_second_edition(
    small: Small, bucket: str, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that has written the index but not said so is asked again, and then refuses."""
    made = writing_editions.opened

    class Forgetful:
        def __init__(self, home: Home) -> None:
            self._store = made(home)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._store, name)

        def create(self, key: str, body: bytes) -> None:
            self._store.create(key, body)
            if key.startswith("editions/"):
                raise FileExistsError(key)

    monkeypatch.setattr(writing_editions, "opened", Forgetful)
    assert "edition 1 published" in small.publish(store=bucket)
    assert numbers(bucket) == [1]


def test_rollback_relink_and_diff_work_in_a_store(small: Small, home: str) -> None:
    small.publish(store=home)
    change(small, "Second")
    config = small.config(store=home)
    changed = preview(small.sheets, small.scans, config, look)[0]
    assert "3 records changed" in changed
    small.publish(store=home)
    where = home_of(home)
    assert rollback(where) == (3, True)
    assert titles(where) == {"Record"}
    assert relink(where, "https://archive.example", follows_server=False)
    assert current(where).number == 4
    assert titles(where) == {"Record"}
    document = current(where).document("a1", "3/manifest")
    assert document
    assert b'"https://archive.example/' in document.codings["identity"].read()


def test_prune_takes_what_no_edition_needs_and_spares_what_is_new(
    small: Small, home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.publish(store=home)
    picture(1_200, 1_300).save(small.scans / "b1" / "1.png")
    change(small, "Second")
    small.publish(store=home)
    where = home_of(home)
    monkeypatch.setattr(writing_editions, "_STILL_SERVED_S", -60.0)
    if isinstance(where, str):
        assert prune(where, keep=1) == (1, 0, 0)  # others may be publishing
        monkeypatch.setattr(writing_editions, "_UNDER_WAY_S", -60.0)
        assert prune(where, keep=1)[1:] == (6, 1)
    else:
        assert prune(where, keep=1) == (1, 6, 1)
    assert numbers(where) == [2]
    assert titles(where) == {"Second"}
    named = {unit["object"] for unit in read_index(where, 2)["units"].values()}
    assert {name.rpartition("/")[2] for name in names(where, OBJECTS)} == named


def test_a_server_moves_nothing_in_a_store(small: Small, bucket: str) -> None:
    small.publish(store=bucket, base_url="https://archive.example")
    config, said = linked(small.config(store=bucket), "http://127.0.0.1:9")
    assert (config.base_url, said) == ("https://archive.example", None)
    with pytest.raises(ConfigurationError, match="iiifserver relink"):
        linked(small.config(store=bucket, base_url="https://other.example"), "http://127.0.0.1:9")
    assert numbers(bucket) == [1]


def test_nothing_published_in_a_store_is_said_with_its_name(bucket: str) -> None:
    with pytest.raises(ConfigurationError, match=bucket):
        current(bucket)


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("https://archive.example/x", "only read"),
        ("s3://", "store = s3://"),
        ("s3://key:secret@bucket", "environment"),
        ("nfs://host/x", "one of"),
    ],
)
def test_a_store_that_cannot_be_one_stops_the_start(store: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as raised:
        Config(store=store)
    assert "secret" not in str(raised.value)
