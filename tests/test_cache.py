"""What is kept, in memory and on disk, stays within its bounds and is what was written."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.cache import Directory, Held, Memory, Reader, length_of, used_last, write
from iiifserver.sources import Place


def test_the_least_recently_used_goes_first() -> None:
    memory: Memory[str, str] = Memory(2)
    memory.put("a", "1")
    memory.put("b", "2")
    assert memory.get("a") == "1"
    memory.put("c", "3")
    assert (memory.get("a"), memory.get("b"), memory.get("c")) == ("1", None, "3")


def test_a_value_replaces_the_one_before_it() -> None:
    memory: Memory[str, bytes] = Memory(10, len)
    memory.put("a", b"123456")
    memory.put("a", b"12345678")
    memory.put("b", b"12")
    assert (memory.get("a"), memory.get("b")) == (b"12345678", b"12")


def test_what_alone_is_too_much_is_not_kept_and_drives_nothing_out() -> None:
    memory: Memory[str, bytes] = Memory(4, len)
    memory.put("a", b"1234")
    memory.put("b", b"12345")
    assert (memory.get("a"), memory.get("b")) == (b"1234", None)


@settings(derandomize=True, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=12))))
def test_no_more_is_held_than_the_bound(puts: list[tuple[int, bytes]]) -> None:
    memory: Memory[int, bytes] = Memory(20, len)
    for key, value in puts:
        memory.put(key, value)
        assert sum(len(memory.get(each) or b"") for each in range(10)) <= 20
        assert memory.get(key) == value or value == b""


ROOMY = (1 << 30, 1000)
BODY = bytes(range(256)) * 3


def keep(
    directory: Directory, identifier: str, key: str, body: bytes = BODY, age_s: int = 0
) -> Path:
    path = directory.path(identifier, key)
    assert path is not None
    write(body, path)
    os.utime(path, (time.time() - age_s,) * 2)
    return Path(path)


def kept(directory: Directory, identifier: str, key: str) -> bytes | None:
    found = directory.get(identifier, key)
    return found and found.read()


def test_how_long_an_entry_is_can_be_told_without_reading_it(tmp_path: Path) -> None:
    path = f"{tmp_path}/folder/entry"
    assert length_of(path) is None
    write(b"12345", path)
    assert length_of(path) == 5


def test_an_entry_is_what_was_written(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "derived", *ROOMY)
    assert directory.get("a", "1") is None
    path = directory.path("a", "1")
    assert path is not None
    assert write(BODY, path).read() == BODY
    assert kept(directory, "a", "1") == BODY
    assert directory.get("a", "2") is None
    assert directory.get("b", "1") is None


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.text(), st.text(), st.binary(max_size=2000))
def test_any_identifier_and_key_find_their_own(identifier: str, key: str, body: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        directory = Directory(Path(folder), *ROOMY)
        keep(directory, identifier, key, body)
        assert kept(directory, identifier, key) == body
        assert directory.get(identifier + "a", key) is None
        assert directory.get(identifier, key + "a") is None
        assert [len(path.parents) for path in Path(folder).rglob("*")] == sorted(
            len(Path(folder).parents) + depth for depth in (1, 2)
        )


@pytest.mark.parametrize("size", [0, 5, 70])
def test_an_entry_with_any_byte_changed_is_gone(tmp_path: Path, size: int) -> None:
    directory = Directory(tmp_path, *ROOMY)
    path = keep(directory, "a", "1", BODY[:size])
    whole = path.read_bytes()
    for place in range(len(whole)):
        for flipped in (1, 0x80, 0xFF):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ flipped]) + whole[place + 1 :])
            assert directory.get("a", "1") is None
            assert not path.exists()


def test_an_entry_cut_short_or_drawn_out_is_gone(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    path = keep(directory, "a", "1")
    whole = path.read_bytes()
    for other in [*(whole[:length] for length in range(len(whole))), whole + b"x", whole * 2]:
        path.write_bytes(other)
        assert directory.get("a", "1") is None
        assert not path.exists()
    keep(directory, "a", "1")
    assert kept(directory, "a", "1") == BODY


def test_a_large_entry_is_checked_to_its_end(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    large = os.urandom(1_000_003)
    path = keep(directory, "a", "1", large)
    assert kept(directory, "a", "1") == large
    with path.open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(bytes([large[-1] ^ 1]))
    assert directory.get("a", "1") is None


def test_threads_share_what_is_in_memory() -> None:
    memory: Memory[tuple[str, int], tuple[int, bytes]] = Memory(40, lambda value: len(value[1]))
    until, faults = time.monotonic() + 30, list[str]()
    begin = threading.Barrier(6)

    def get() -> None:
        begin.wait()
        for number in range(30_000):
            key = number * 7 % 64
            found = memory.get(("a", key))
            if found is not None and found[0] != key:
                faults.append(f"{key}: {found}")
            if time.monotonic() > until:
                return

    def change() -> None:
        begin.wait()
        for number in range(30_000):
            key = number * 5 % 64
            if number % 3:
                memory.put(("a", key), (key, bytes(1 + number % 4)))
            else:
                memory.drop(("a", key))
            if time.monotonic() > until:
                return

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            for done in [pool.submit(each) for each in (get, change) * 3]:
                done.result()
    finally:
        sys.setswitchinterval(before)
    assert not faults
    left = [found for key in range(64) if (found := memory.get(("a", key)))]
    assert sum(len(body) for _, body in left) == memory._held <= 40
    for key in range(64):
        memory.drop(("a", key))
    assert memory._held == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def read(reader: Reader, most_bytes: int = 1 << 20) -> bytes | None:
    """Return what is read, when the disk need not be waited for any more."""
    try:
        reader.find("a", "1", most_bytes)
        found = reader.find("a", "1", most_bytes)
    except FileNotFoundError:
        return None
    return found.read() if found else None


def test_a_reader_gives_what_was_written_unless_it_is_too_large(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    reader = Reader(directory)
    assert read(reader) is None
    keep(directory, "a", "1")
    assert read(reader) == BODY
    assert read(reader, len(BODY) - 1) is None
    assert read(Reader(Directory(tmp_path, 0, 0))) is None


def test_what_was_purged_is_told_from_what_is_not_at_hand(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    reader = Reader(directory)
    with pytest.raises(FileNotFoundError):
        reader.find("a", "1", 1 << 20)
    path = keep(directory, "a", "1")
    assert reader.find("a", "1", 1 << 20)
    Path(path).unlink()
    with pytest.raises(FileNotFoundError):
        reader.find("a", "1", 1 << 20)
    keep(directory, "a", "1")
    assert reader.find("a", "1", 1 << 20)
    assert reader.find("a", "1", len(BODY) - 1) is None
    with pytest.raises(FileNotFoundError):
        Reader(Directory(tmp_path, 0, 0)).find("a", "1", 1 << 20)


def test_a_reader_does_not_read_what_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = Directory(tmp_path, *ROOMY)
    keep(directory, "a", "1", bytes(1 << 20))
    came: list[int] = []
    really = os.read

    def counted(handle: int, length: int) -> bytes:
        came.append(len(piece := really(handle, length)))
        return piece

    monkeypatch.setattr(os, "read", counted)
    reader = Reader(directory)
    assert reader.find("a", "1", (1 << 20) - 1) is None
    assert not came
    assert read(reader) == bytes(1 << 20)
    assert sum(came) > 1 << 20


def test_what_is_recent_is_let_go_also_where_nothing_is_open(tmp_path: Path) -> None:
    clock = Clock()
    reader = Reader(Directory(tmp_path, *ROOMY), clock)
    assert read(reader) is None
    reader.recent["a"] = "answer"  # of before, put there by another thread
    reader.let_go()
    assert reader.recent
    clock.now += 11
    reader.let_go()
    assert not reader.recent


def held() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counts, as they are


@pytest.mark.skipif("sys.platform != 'linux'", reason="counts open files in /proc")
def test_what_is_recent_holds_no_file_that_is_not_counted(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    reader, before = Reader(directory, Clock()), held()
    for number in range(20):  # as where memory is short, or pictures are purged and made again
        path = keep(directory, "a", "1")
        os.utime(path, ns=(number, number))
        reader.find("a", "1", 1 << 20)
        reader.recent[number] = reader.find("a", "1", 1 << 20)
    assert held() <= before + 2


@pytest.mark.skipif("sys.platform != 'linux'", reason="counts open files in /proc")
def test_a_reader_closes_what_nobody_asks_for_any_more(tmp_path: Path) -> None:
    directory, clock = Directory(tmp_path, *ROOMY), Clock()
    reader, before = Reader(directory, clock), held()
    keep(directory, "a", "1")
    assert read(reader) == BODY
    reader.let_go()
    assert held() == before + 1
    clock.now += 11
    reader.let_go()
    assert held() == before
    assert read(reader) == BODY


def test_a_reader_does_not_give_what_was_damaged_or_purged(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    reader = Reader(directory)
    path = keep(directory, "a", "1")
    assert read(reader) == BODY
    whole = path.read_bytes()
    for damaged in (whole[:-1], whole[:-1] + b"x", whole + b"x", b"", whole[:10]):
        path.write_bytes(damaged)
        os.utime(path, ns=(1, 1))  # the time of writing is another one, however coarse clocks are
        assert read(reader) is None
    path.write_bytes(whole)
    assert read(reader) == BODY
    directory.purge("a")
    assert read(reader) is None


def test_a_reader_checks_again_after_some_seconds_what_the_system_calls_unchanged(
    tmp_path: Path,
) -> None:
    directory, clock = Directory(tmp_path, *ROOMY), Clock()
    reader = Reader(directory, clock)
    path = keep(directory, "a", "1")
    assert read(reader) == BODY
    status = path.stat()
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")  # as a disk may do, of which the system knows nothing
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(reader) == BODY[:-1] + b"x"
    clock.now += 11
    assert read(reader) is None


@pytest.mark.parametrize("bounds", [(0, 100), (100, 0)])
def test_a_bound_of_nothing_keeps_nothing(tmp_path: Path, bounds: tuple[int, int]) -> None:
    keep(Directory(tmp_path, *ROOMY), "a", "1")
    directory = Directory(tmp_path, *bounds)
    assert directory.path("a", "1") is None
    assert directory.get("a", "1") is None
    assert directory.sweep() == (0, 0)  # nor what was kept before


def test_those_used_longest_ago_go_first(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 1 << 30, 10)
    for number in range(11):
        keep(directory, f"image {number % 3}", f"key {number}", age_s=1000 * (20 - number))
    assert kept(directory, "image 0", "key 0") == BODY  # and is the newest now
    assert directory.sweep().entries == 9
    gone = [n for n in range(11) if not kept(directory, f"image {n % 3}", f"key {n}")]
    assert gone == [1, 2]


def test_what_nobody_wants_any_more_goes_before_all_others(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 1 << 30, 10)
    for number in range(10):
        keep(directory, "a", str(number), age_s=1000 * (20 - number))
    for number in (9, 12):
        used_last(directory.path("a", str(number)) or "")
    assert directory.sweep().entries == 9
    assert [n for n in range(10) if not kept(directory, "a", str(n))] == [9]


def test_bytes_are_bounded_as_the_disk_gives_them(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 10 * 4096, 1000)
    for number in range(12):
        keep(directory, "a", str(number), b"small", age_s=100 * (20 - number))
    assert directory.sweep() == Held(9, 9 * 4096)
    keep(directory, "b", "large", bytes(5 * 4096))
    assert directory.sweep().size_bytes <= 9 * 4096
    assert kept(directory, "b", "large") == bytes(5 * 4096)


def test_within_its_bounds_nothing_is_swept(tmp_path: Path) -> None:
    directory = Directory(tmp_path, 1 << 30, 10)
    for number in range(9):
        keep(directory, "a", str(number))
    held = directory.sweep()
    assert (held.entries, directory.is_filling(held), directory.is_full(held)) == (9, False, False)
    held = held.more(1)
    assert (held.entries, directory.is_filling(held), directory.is_full(held)) == (10, True, True)


def test_use_is_noted_once_a_minute_at_most(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    path = keep(directory, "a", "1", age_s=50)
    before = path.stat().st_mtime_ns
    directory.get("a", "1")
    assert path.stat().st_mtime_ns == before
    os.utime(path, (time.time() - 70,) * 2)
    directory.get("a", "1")
    assert path.stat().st_mtime_ns > before


def test_what_is_kept_of_an_identifier_can_be_forgotten(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    for identifier in ("a", "b", "c"):
        for key in ("1", "2"):
            keep(directory, identifier, key)
    assert directory.purge("a") == 2
    assert directory.purge("a") == 0
    assert directory.purge("../..") == 0
    assert (directory.get("a", "1"), kept(directory, "b", "1")) == (None, BODY)
    assert directory.purge_all() == 4
    assert list(tmp_path.iterdir()) == []


def test_what_the_killed_left_is_swept(tmp_path: Path) -> None:
    directory = Directory(tmp_path, *ROOMY)
    folder = keep(directory, "a", "1").parent
    old, new, gone = folder / ".aside-1", folder / ".aside-2", tmp_path / ".gone-1"
    old.touch()
    new.touch()
    os.utime(old, (time.time() - 7200,) * 2)
    gone.mkdir()
    (gone / "entry").touch()
    assert directory.sweep() == Held(1, 4096)
    assert (old.exists(), new.exists(), gone.exists()) == (False, True, False)


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    directory = Directory(tmp_path / "file" / "derived", *ROOMY)
    (tmp_path / "file").touch()
    path = directory.path("a", "1")
    assert path is not None
    with pytest.raises(OSError, match="Not a directory"):
        write(BODY, path)
    assert directory.get("a", "1") is None
    entry = Directory(tmp_path, *ROOMY).path("a", "1")
    assert entry is not None
    there = Path(entry)
    there.mkdir(parents=True)  # what was written aside cannot get its name
    with pytest.raises(OSError, match="directory"):
        write(BODY, there)
    assert [path.name for path in there.parent.iterdir()] == [there.name]


def _use(folder: Path, seed: int) -> list[int]:
    """Write, read, purge and sweep; return the sizes of entries that were not as written."""
    directory = Directory(folder, 40 * 4096, 60)
    wrong = []
    for turn in range(120):
        number = (turn * 7 + seed * 13) % 50
        body = bytes([number]) * (number * 97)
        path = directory.path(str(number % 5), str(number))
        assert path is not None
        with contextlib.suppress(FileNotFoundError):  # swept or purged by another, at any time
            write(body, path)
            found = directory.get(str(number % 5), str(number))
            wrong += [len(body)] if found and found.read() != body else []
        if turn % 20 == seed:
            directory.purge(str(seed))
        if turn % 30 == seed:
            directory.sweep()
    return wrong


def test_many_processes_may_use_one_directory(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(3, mp_context=context) as pool:
        assert list(pool.map(_use, [tmp_path] * 3, range(3))) == [[], [], []]
    assert Directory(tmp_path, 40 * 4096, 60).sweep().entries <= 60


def test_a_place_may_have_a_prefix(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert Place(str(tmp_path / "file"), 2, 3, b"ab").read() == b"ab234"
