"""Writing editions: numbers, rollback, prune, relink."""

import fcntl
import os
import time
from pathlib import Path

import orjson
import pytest
from small_exhibition import RECORDS, Small

from iiifserver.edition import current, index_path, numbers, object_path
from iiifserver.errors import ConfigurationError
from iiifserver.publish.edition import (
    Store,
    create,
    prune,
    relink,
    rollback,
    writing,
)


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    made.publish()
    return made


def change(small: Small, title: str) -> None:
    small.titles["a1"] = title
    small.write()
    small.publish()


def label(data: Path, identifier: str = "a1") -> str:
    return current(data).unit(identifier).label["en"][0]


def age(data: Path) -> None:
    """Make all editions an hour old."""
    for path in (data / "editions").iterdir():
        os.utime(path, (time.time() - 3600,) * 2)


def test_a_file_is_made_once_and_leaves_nothing_aside(tmp_path):
    create(tmp_path / "a" / "b", b"first")
    with pytest.raises(FileExistsError):
        create(tmp_path / "a" / "b", b"second")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert (tmp_path / "a" / "b").read_bytes() == b"first"


def test_whoever_takes_a_number_first_has_it(tmp_path):
    mine, theirs = {"units": {}, "title": "mine"}, {"units": {}, "title": "theirs"}

    def overtaken(path: Path, body: bytes) -> None:
        if path == index_path(tmp_path, 1) and not path.exists():
            create(path, orjson.dumps(theirs))  # another publisher, at the worst moment
        create(path, body)

    done = Store(tmp_path, overtaken).switch(mine)
    assert done.number == 2
    held = [orjson.loads(index_path(tmp_path, number).read_bytes()) for number in (1, 2)]
    assert held == [theirs, mine]


def test_rollback_gives_the_old_state_a_new_number(small):
    change(small, "Changed")
    assert rollback(small.data) == (3, True)
    assert label(small.data) == "Record a1"
    assert index_path(small.data, 3).read_bytes() == index_path(small.data, 1).read_bytes()
    assert rollback(small.data, 2) == (4, True)
    assert label(small.data) == "Changed"
    assert rollback(small.data, 2) == (4, False)


def test_rollback_names_what_there_is(small):
    with pytest.raises(ConfigurationError, match=r"no edition .* before"):
        rollback(small.data)
    change(small, "Changed")
    with pytest.raises(ConfigurationError, match=r"no edition 7 .*: 1, 2"):
        rollback(small.data, 7)


def test_rollback_refuses_an_edition_with_holes(small):
    entry = current(small.data).units["b1"]
    change(small, "Changed")
    object_path(small.data, entry["object"]).unlink()
    with pytest.raises(ConfigurationError, match="edition 1 is not whole: 'b1'"):
        rollback(small.data, 1)
    assert numbers(small.data) == [1, 2]


def test_prune_leaves_what_kept_editions_need(small):
    for title in ("Second", "Third", "Fourth"):
        change(small, title)
    age(small.data)
    before = small.objects()
    done = prune(small.data, keep=2)
    assert numbers(small.data) == [3, 4]
    assert done == (2, len(before - small.objects()), 0)
    assert done.objects >= 2
    rollback(small.data, 3)
    assert label(small.data) == "Third"
    whole(small.data)


def whole(data: Path) -> None:
    edition = current(data)
    for identifier in edition.units:
        for document in edition.unit(identifier).documents.values():
            assert all(len(each.read()) == each.length for each in document.codings.values())


def test_prune_keeps_what_a_server_may_still_answer_from(small):
    change(small, "Second")
    assert prune(small.data, keep=1) == (0, 0, 0)
    age(small.data)
    assert prune(small.data, keep=1).editions == 1


def test_prune_takes_what_a_killed_publisher_left(small):
    for folder in ("editions", "objects", "objects/aa"):
        (small.data / folder).mkdir(exist_ok=True)
        (small.data / folder / ".aside-x1").write_bytes(b"half")
    prune(small.data)
    assert not list(small.data.rglob(".aside-*"))
    whole(small.data)


def test_prune_deletes_nothing_where_a_kept_edition_cannot_be_read(small):
    index_path(small.data, 2).write_bytes(b'{"format":99}')
    before = small.objects()
    with pytest.raises(ConfigurationError, match="format 99"):
        prune(small.data)
    assert small.objects() == before


def test_prune_does_not_run_beside_a_publisher(small):
    with writing(small.data), writing(small.data), (small.data / "editions.lock").open() as lock:
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # what prune asks for
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # what publishers ask for


def test_relinking_equals_publishing_for_the_new_address(small, tmp_path):
    assert relink(small.data, "https://x.org/iiif", follows_server=False)
    assert not relink(small.data, "https://x.org/iiif", follows_server=False)
    assert "edition 2 unchanged" in small.publish(base_url="https://x.org/iiif")
    fresh = tmp_path / "fresh"
    small.publish(data=fresh, base_url="https://x.org/iiif")
    assert index_path(fresh, 1).read_bytes() == index_path(small.data, 2).read_bytes()


def test_relinking_touches_no_text_that_looks_like_an_address(small):
    before = current(small.data).base_url
    change(small, f"{before}/presentation/3/a1/manifest")
    relink(small.data, "https://x.org", follows_server=False)
    document = current(small.data).document("a1", "3/manifest").codings["identity"].read()
    manifest = orjson.loads(document)
    assert manifest["id"] == "https://x.org/presentation/3/a1/manifest"
    assert manifest["label"] == {"en": [f"{before}/presentation/3/a1/manifest"]}
    assert document.count(before.encode()) == 1


def test_relinking_starts_again_when_it_is_overtaken(small):
    overtaken = []

    def late(path: Path, body: bytes) -> None:
        if path == index_path(small.data, 2) and not overtaken:
            overtaken.append(path)
            change(small, "Meanwhile")
        create(path, body)

    assert relink(small.data, "https://x.org", follows_server=False, write=late)
    assert numbers(small.data) == [1, 2, 3]
    assert label(small.data) == "Meanwhile"
    assert current(small.data).base_url == "https://x.org"
    assert set(RECORDS) < set(current(small.data).units)
