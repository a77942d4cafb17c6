"""Reading what stands ready: without waiting, whole or not at all, and never from another file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from iiifserver.opened import OpenFile
from iiifserver.sources import Place, Source, identity_of
from iiifserver.web.bodies import LARGE_BYTES, Bodies


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Image(NamedTuple):
    source: Source
    tag: str
    stored: None = None


class Planned(NamedTuple):
    """What Bodies looks at of a plan."""

    image: Image
    place: Place


def planned(path: Path, offset: int, length: int, prefix: bytes = b"", tag: str = "t") -> Any:
    source = Source("x", path, 0, identity_of(path.stat()))
    return Planned(Image(source, tag), Place(str(path), offset, length, prefix))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 8_192)
    return path


def read(bodies: Bodies, asked: Any) -> bytes:
    return b"".join(bodies.of(asked.place, asked))


@pytest.mark.parametrize("prefix", [b"", b"before"])
@pytest.mark.parametrize("length", [1, 1000, LARGE_BYTES])
def test_a_place_is_its_prefix_and_its_part_of_the_file(
    file: Path, prefix: bytes, length: int
) -> None:
    bodies, asked = Bodies(), planned(file, 3, length, prefix)
    expected = prefix + file.read_bytes()[3 : 3 + length]
    assert read(bodies, asked) == expected
    ready: Any = bodies.at_once(asked.place, asked)
    assert (ready.read(), ready.size_bytes) == (expected, len(expected))


def test_a_large_place_comes_in_pieces(file: Path) -> None:
    length = LARGE_BYTES + 1
    asked = planned(file, 5, length, b"before")
    pieces = list(Bodies().of(asked.place, asked))
    assert b"".join(pieces) == b"before" + file.read_bytes()[5 : 5 + length]
    assert len(pieces) > 3
    given_up: Any = Bodies().of(asked.place, asked)
    next(given_up), next(given_up)
    given_up.close()
    assert list(given_up) == []


def test_a_place_beyond_the_end_is_an_error(file: Path) -> None:
    asked = planned(file, 256 * 8_192 - 10, 11)
    with pytest.raises(OSError, match="ends early"):
        read(Bodies(), asked)
    assert Bodies().at_once(asked.place, asked) is None
    gone = planned(file, 0, 10)
    file.unlink()
    with pytest.raises(FileNotFoundError):
        Bodies().at_once(gone.place, gone)


def test_places_of_a_replaced_file_are_not_read_from_the_new_one(file: Path) -> None:
    bodies, before = Bodies(), planned(file, 0, 4)
    assert read(bodies, before) == bytes(range(4))
    (file.parent / "new").write_bytes(b"new!" * 1000)
    (file.parent / "new").replace(file)
    # what is open is still the file that was described; nobody opens another in its place
    assert read(bodies, before) == bytes(range(4))
    with pytest.raises(OSError, match="replaced"):
        read(Bodies(), before)
    assert read(bodies, planned(file, 0, 4, tag="another")) == b"new!"


@pytest.mark.skipif("sys.platform != 'linux'", reason="counts open files in /proc")
def test_files_stay_open_for_ten_seconds_and_are_bounded(tmp_path: Path) -> None:
    def held() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, as they are

    paths = [tmp_path / f"{number}" for number in range(300)]
    for path in paths:
        path.write_bytes(b"tile")
    clock = Clock()
    before, bodies = held(), Bodies(clock)
    for path in paths:
        assert read(bodies, planned(path, 0, 4)) == b"tile"
    assert before < held() <= before + 260
    clock.now += 11
    assert read(bodies, planned(paths[0], 0, 4)) == b"tile"
    assert held() <= before + 2
    bodies.let_go()
    assert held() == before + 1
    clock.now += 11
    bodies.let_go()  # nobody asks any more
    assert held() == before


def test_where_a_disk_would_be_waited_for_somebody_else_waits(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: Any) -> int:
        raise BlockingIOError

    asked = planned(file, 0, 4)
    monkeypatch.setattr(os, "preadv", busy)
    assert Bodies().at_once(asked.place, asked) is None
    assert read(Bodies(), asked) == bytes(range(4))


def test_reading_from_what_was_made_keeps_it_from_making_room(file: Path) -> None:
    hours_ago = 5 * 3600 * 10**9
    status = file.stat()
    os.utime(file, ns=(status.st_atime_ns - hours_ago, status.st_mtime_ns))
    old = file.stat().st_atime_ns
    asked = planned(file, 3, 10)
    lasting = asked.image._replace(source=replace(asked.image.source, lasting=True))
    read(Bodies(), asked._replace(image=lasting))
    assert file.stat().st_atime_ns - old > hours_ago // 2
    assert file.stat().st_mtime_ns == status.st_mtime_ns


def test_what_is_recent_is_let_go_with_the_files(file: Path) -> None:
    clock, asked = Clock(), planned(file, 0, 10)
    bodies = Bodies(clock)
    bodies.at_once(asked.place, asked)
    bodies.recent["a"] = "answer"  # type: ignore[assignment]
    bodies.let_go()
    assert list(bodies.recent) == ["a"]
    clock.now += 10
    bodies.let_go()
    assert not bodies.recent
    bodies.at_once(asked.place, asked)
    bodies.recent["b"] = "answer"  # type: ignore[assignment]
    clock.now += 10
    bodies.at_once(asked.place, asked)
    assert not bodies.recent


def test_a_file_that_was_deleted_or_whose_disk_is_gone_has_no_name(file: Path) -> None:
    opened = OpenFile(os.open(file, os.O_RDONLY))
    assert opened.is_named
    os.close(opened.number)  # as an answer that the system gives for a disk that is gone
    assert not opened.is_named
    opened.number = os.open(file, os.O_RDONLY)
    file.unlink()
    assert not opened.is_named
