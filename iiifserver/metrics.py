"""Counters that all processes of a server share; each writes its own, and all are summed when read.

A process has a file below one private folder, mapped into its memory: counting is adding to a
number there, without a lock and without a call to the system. A file outlives its process, and the
next one of its kind goes on counting in it; so nothing is lost when a worker is replaced, and there
are never more files than there were processes at one time. Who is alive holds its file locked.

What can be counted is fixed: the names and the values of labels below, never what a request says.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import mmap
import os
import shutil
import tempfile
import threading
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

FOLDER = "IIIF_METRICS"
"""Environment variable: the folder that the processes of a server share."""

Kind = Literal["picture", "info", "document", "page", "other"]
"""What was asked: a picture or an info.json, a Manifest or the like, a page, something else."""
Door = Literal["tiles", "made", "flask"]
"""Who answered, as in the log: what stands ready, what took some work, all else."""
Member = Literal["web", "broker"]
"""The kinds of processes that count; render processes are counted by the broker."""
Event = Literal["kept", "stored", "made", "unchanged", "known", "looked"]
"""How a picture was found: kept of before, stored as a tile, made now, or unchanged for who asks;
and whether an image was known in memory, or its file was looked at."""

KINDS: tuple[Kind, ...] = get_args(Kind)
DOORS: tuple[Door, ...] = get_args(Door)
EVENTS: tuple[Event, ...] = get_args(Event)
CLASSES = ("2xx", "3xx", "4xx", "5xx")
BOUNDS_S = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0, 60.0)
"""Of the histogram of times; what the door for tiles answers is not timed."""

STARTS, ENDS = 0, 1
_REQUESTS = 2
_BYTES = _REQUESTS + len(DOORS) * len(CLASSES) * len(KINDS)
_AT_ONCE = _BYTES + len(DOORS)
_EVENTS = _AT_ONCE + len(EVENTS)
_TIMES = _EVENTS + len(EVENTS)
_TIMES_OF_ONE = len(BOUNDS_S) + 2  # one more bucket, and the sum in microseconds
_CELLS = _TIMES + len(DOORS) * _TIMES_OF_ONE
_WIDTH = 8
_LAYOUT = hashlib.blake2b(
    repr((KINDS, DOORS, CLASSES, EVENTS, BOUNDS_S, _CELLS)).encode(), digest_size=4
).hexdigest()
_MOST_FILES = 1_000
_STARTED = "started"


def request_cell(kind: Kind, door: Door, status: int) -> int:
    """Return the place of the requests of this kind, door and class of status."""
    column = min(max(status // 100, 2), 5) - 2
    row = DOORS.index(door) * len(CLASSES) + column
    return _REQUESTS + row * len(KINDS) + KINDS.index(kind)


def bytes_cell(door: Door) -> int:
    """Return the place of the bytes that *door* has answered with."""
    return _BYTES + DOORS.index(door)


def at_once_cell(event: Event) -> int:
    """Return the place of what the thread counts that answers at once, and no other."""
    return _AT_ONCE + EVENTS.index(event)


class Counters:
    """The counts of this process; without a *folder* nobody else sees them.

    `cells` may be added to directly by one thread only for each place; `add` is for all others.
    """

    def __init__(self, folder: Path | None = None, member: Member = "web") -> None:
        self._lock = threading.Lock()
        self._handle = _claimed(folder, member) if folder else None
        self.cells: Any
        """Numbers by place: plain item access is all that counting costs."""
        if self._handle is None:
            self.cells = memoryview(array("Q", bytes(_CELLS * _WIDTH)))
        else:
            self.cells = memoryview(mmap.mmap(self._handle, _CELLS * _WIDTH)).cast("Q")
            # not atexit: the children of multiprocessing do not run it
            Finalize(None, self._end, exitpriority=0)
        self.add(STARTS)

    def add(self, cell: int, count: int = 1) -> None:
        """Add *count* at the place *cell*, whichever thread calls."""
        with self._lock:
            self.cells[cell] += count

    def event(self, event: Event) -> None:
        """Count how a picture or an image was found."""
        self.add(_EVENTS + EVENTS.index(event))

    def request(self, kind: Kind, door: Door, status: int, length: int, taken_s: float) -> None:
        """Count an answer of *length* bytes that took *taken_s*."""
        times = _TIMES + DOORS.index(door) * _TIMES_OF_ONE
        bucket = bisect_left(BOUNDS_S, taken_s)
        with self._lock:
            cells = self.cells
            cells[request_cell(kind, door, status)] += 1
            cells[bytes_cell(door)] += length
            cells[times + bucket] += 1
            cells[times + len(BOUNDS_S) + 1] += int(taken_s * 1e6)

    def total(self) -> Total:
        """Return what this process alone has counted."""
        return Total(tuple(self.cells), Counter(), Counter())

    def _end(self) -> None:
        """Note that this process ends as it should: what dies does not come here."""
        self.add(ENDS)


class Total(NamedTuple):
    """What all processes have counted; how many live, and how many died, by kind."""

    cells: Sequence[int]
    living: Counter[Member]
    died: Counter[Member]

    def requests(self, kind: Kind, door: Door, status_class: str) -> int:
        """Return the number of answers."""
        return self.cells[request_cell(kind, door, int(status_class[0]) * 100)]

    def sent_bytes(self, door: Door) -> int:
        """Return the bytes of the bodies of answers."""
        return self.cells[bytes_cell(door)]

    def events(self, event: Event) -> int:
        """Return how often a picture or an image was found so."""
        return self.cells[at_once_cell(event)] + self.cells[_EVENTS + EVENTS.index(event)]

    def times(self, door: Door) -> tuple[list[int], float]:
        """Return how many answers took how long, by bucket, and the seconds of all."""
        first = _TIMES + DOORS.index(door) * _TIMES_OF_ONE
        end = first + len(BOUNDS_S) + 1
        return list(self.cells[first:end]), self.cells[end] / 1e6


@contextlib.contextmanager
def shared() -> Iterator[Path]:
    """Make the folder of one server, for the processes that it starts during a `with`."""
    folder = Path(tempfile.mkdtemp(prefix="iiifserver-counts-"))  # mode 0700
    (folder / _STARTED).touch()
    # systemd-tmpfiles deletes what is old, but nothing below a folder that somebody holds locked
    held = os.open(folder, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_SH)
    os.environ[FOLDER] = str(folder)
    try:
        yield folder
    finally:
        del os.environ[FOLDER]
        os.close(held)
        shutil.rmtree(folder, ignore_errors=True)


def started_at(folder: Path) -> float:
    """Return when the server of *folder* was started, as `time.time` tells."""
    try:
        return (folder / _STARTED).stat().st_mtime
    except FileNotFoundError:  # a folder that somebody else made
        return folder.stat().st_ctime


def total(folder: Path) -> Total:
    """Return the sum of what all processes have counted in *folder*, whether they live or not."""
    cells = array("Q", bytes(_CELLS * _WIDTH))
    living: Counter[Member] = Counter()
    died: Counter[Member] = Counter()
    members: tuple[Member, ...] = get_args(Member)
    for member in members:
        for path in sorted(folder.glob(f"{_LAYOUT}-{member}-*")):
            with path.open("rb") as file:
                alive = not _locked(file.fileno(), fcntl.LOCK_SH)
                counts = array("Q", file.read(_CELLS * _WIDTH).ljust(_CELLS * _WIDTH, b"\0"))
            for place, count in enumerate(counts):
                cells[place] += count
            living[member] += alive
            died[member] += max(counts[STARTS] - counts[ENDS] - alive, 0)
    return Total(cells, living, died)


def _claimed(folder: Path, member: Member) -> int:
    """Return a file that is this process's alone from now on: one that was left, or a new one."""
    for number in range(_MOST_FILES):
        path = folder / f"{_LAYOUT}-{member}-{number}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _locked(handle, fcntl.LOCK_EX):
            os.ftruncate(handle, _CELLS * _WIDTH)
            return handle
        os.close(handle)
    raise OSError(f"{folder}: too many processes count here")


def _locked(handle: int, how: int) -> bool:
    """Return whether *handle* is locked by it now; the system unlocks what is closed."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
