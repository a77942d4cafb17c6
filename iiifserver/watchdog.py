"""Web workers that hang are noticed and ended; then another takes their place.

A process that dies is noticed by the system, one that hangs by nobody. So each worker has a
*pulse*: a file that it holds locked for as long as it lives, and into which it writes once a second
how often it has done so, and how many requests its thread for tiles has begun and done. The main
process looks once a second. A worker is ended when look after look finds nothing new: it does not
write, or its thread for tiles, which never waits, is still at the same request.

Looks are counted, not time: a machine that was asleep, or so busy that the main process came late
too, holds that against nobody.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import math
import os
import signal
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

FOLDER = "IIIF_PULSES"
"""Environment variable: where workers have their pulses."""

_EVERY_S = 1.0
_LATE = 3  # times as long between two looks, and they prove nothing
_BEAT = struct.Struct("<QQQ")
_log = logging.getLogger(__name__)


class Progress(NamedTuple):
    """How many requests a thread has begun and done."""

    begun: int
    done: int


class Pulse:
    """The pulse of this process, for as long as it lives; `progress` is asked once a second."""

    def __init__(self, folder: Path, every_s: float = _EVERY_S) -> None:
        self.progress: Callable[[], Progress] = lambda: Progress(0, 0)
        self._every_s = every_s
        path = folder / str(os.getpid())
        aside = path.with_name(f".{path.name}")
        self._file = os.open(aside, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        os.pwrite(self._file, _BEAT.pack(0, 0, 0), 0)
        aside.rename(path)  # one that is not locked is of a worker that has ended
        threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        beats = 0
        while True:
            beats += 1
            with contextlib.suppress(OSError):  # a disk that is full: the file has its size already
                os.pwrite(self._file, _BEAT.pack(beats, *self.progress()), 0)
            time.sleep(self._every_s)


@dataclass(slots=True)
class _Seen:
    """What the looks at one worker found: the last beat, and how many found nothing new."""

    beats: int
    progress: Progress
    silent: int = 0
    stuck: int = 0

    def note(self, beats: int, progress: Progress) -> int:
        """Take what a look found; return how many in a row found nothing new."""
        self.silent = self.silent + 1 if beats == self.beats else 0
        busy = progress.begun != progress.done
        self.stuck = self.stuck + 1 if busy and progress == self.progress else 0
        self.beats, self.progress = beats, progress
        return max(self.silent, self.stuck)


class Watchdog:
    """Looks after the workers whose pulses are in *folder*."""

    def __init__(
        self,
        folder: Path,
        silence_s: float,
        every_s: float = _EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._silence_s = silence_s
        self._every_s = every_s
        self._most = max(2, math.ceil(silence_s / every_s))
        self._clock = clock
        self._seen: dict[int, _Seen] = {}
        self._looked = clock()

    def look(self) -> list[int]:
        """End the workers that hang; return their numbers."""
        now = self._clock()
        late = now - self._looked > _LATE * self._every_s
        self._looked = now
        if late:
            self._seen.clear()
            return []
        ended = []
        for path in self._folder.glob("[0-9]*"):
            worker = int(path.name)
            if self._hangs(worker, path):
                _log.error(
                    "web worker %d gave no sign of life for %g s: it is ended, another takes its "
                    "place", worker, self._silence_s,
                )  # fmt: skip
                del self._seen[worker]
                os.kill(worker, signal.SIGKILL)
                ended.append(worker)
        return ended

    def _hangs(self, worker: int, path: Path) -> bool:
        found = _read(path)
        if found is None:
            self._seen.pop(worker, None)
            return False
        beats, progress = found
        seen = self._seen.get(worker)
        if seen is None:
            self._seen[worker] = _Seen(beats, progress)
            return False
        return seen.note(beats, progress) >= self._most


@contextlib.contextmanager
def watching(silence_s: float) -> Iterator[Callable[[], None]]:
    """Watch the workers that this process starts; yield a function that ends that sooner.

    With 0 seconds nobody is watched.
    """
    ended = threading.Event()
    with tempfile.TemporaryDirectory(prefix="iiifserver-", ignore_cleanup_errors=True) as place:
        os.environ[FOLDER] = place
        dog = Watchdog(Path(place), silence_s)

        def watch() -> None:
            while not ended.wait(_EVERY_S):
                with contextlib.suppress(OSError):  # ended at this very moment
                    dog.look()

        if silence_s:
            threading.Thread(target=watch, daemon=True).start()
        try:
            yield ended.set
        finally:
            ended.set()
            del os.environ[FOLDER]


def _read(path: Path) -> tuple[int, Progress] | None:
    """Return the last beat of a worker, None if it has ended; then its file is deleted."""
    with path.open("rb", buffering=0) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            beats, begun, done = _BEAT.unpack(file.read(_BEAT.size))
            return beats, Progress(begun, done)
    path.unlink()
    return None
