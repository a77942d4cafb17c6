"""What stores answer with, and reads that many ask for at once."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from iiifserver.errors import Away

MOST_READS = 32
"""At a time, of one store by one process."""
_WAIT_S = 20.0
_PATIENCE = 3  # reads that fail one after another, until a store is taken to be away
_AWAY_S = 5.0  # then for so long one read at a time tries whether it is back


class Piece(NamedTuple):
    """Bytes of an object, the size of the whole, and what tells it from one that replaces it."""

    body: bytes
    size_bytes: int
    identity: str


class Key(NamedTuple):
    """An object: its key, its size, and when it was written, in seconds since 1970."""

    key: str
    size_bytes: int
    written_s: float
    identity: str = ""
    """That of the pieces which are read of it as it is now."""


def identity_of(status: os.stat_result) -> str:
    """Return what tells a file from the one that replaces it: size, time of change, inode."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"


class Flights:
    """Reads under way: equal ones are done once, and no more than *most* at a time.

    A store that is away takes a while to be given up. So that its readers do not take all threads,
    which have other things to do as well, only one waits for it as long as nothing comes.
    """

    def __init__(
        self, name: str, most: int = MOST_READS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._clock = clock
        self._room = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._under_way: dict[object, Future[Piece]] = {}
        self._failed = 0
        self._away_until = 0.0

    def read(self, what: object, read: Callable[[], Piece]) -> Piece:
        """Return what *read* does, or what the same read, which somebody began, returns.

        Raises:
            Away: it does not answer, has not for others, or too many are waiting for it.
        """
        with self._lock:
            future = self._under_way.get(what)
            first = future is None
            if future is None:
                self._check()
                future = self._under_way[what] = Future()
        if not first:
            return future.result()
        try:
            piece = self._in_turn(read)
        except BaseException as error:
            self._end(what, failed=isinstance(error, Away))
            future.set_exception(error)
            raise
        self._end(what, failed=False)
        future.set_result(piece)
        return piece

    def _check(self) -> None:
        """Raise where the store is taken to be away, but let one try now and then."""
        if self._failed < _PATIENCE:
            return
        now = self._clock()
        if now < self._away_until:
            raise Away(f"{self._name} cannot be reached: it did not answer others just now")
        self._away_until = now + _AWAY_S

    def _end(self, what: object, *, failed: bool) -> None:
        with self._lock:
            del self._under_way[what]
            self._failed = self._failed + 1 if failed else 0
            if self._failed == _PATIENCE:
                self._away_until = self._clock() + _AWAY_S

    def _in_turn(self, read: Callable[[], Piece]) -> Piece:
        if not self._room.acquire(timeout=_WAIT_S):
            raise Away(f"{self._name}: too many reads at this moment")
        try:
            return read()
        finally:
            self._room.release()
