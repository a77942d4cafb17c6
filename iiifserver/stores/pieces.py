"""What stores answer with, and reads that many ask for at once."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from iiifserver.errors import Away

MOST_READS = 32
"""At a time, of one store by one process."""
_WAIT_S = 20.0


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


def identity_of(status: os.stat_result) -> str:
    """Return what tells a file from the one that replaces it: size, time of change, inode."""
    return f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"


class Flights:
    """Reads under way: equal ones are done once, and no more than *most* at a time."""

    def __init__(self, name: str, most: int = MOST_READS) -> None:
        self._name = name
        self._room = threading.BoundedSemaphore(most)
        self._lock = threading.Lock()
        self._under_way: dict[object, Future[Piece]] = {}

    def read(self, what: object, read: Callable[[], Piece]) -> Piece:
        """Return what *read* does, or what the same read, which somebody began, returns.

        Raises:
            Away: too many others are waiting for the store.
        """
        with self._lock:
            future = self._under_way.get(what)
            first = future is None
            if future is None:
                future = self._under_way[what] = Future()
        if not first:
            return future.result()
        try:
            piece = self._in_turn(read)
        except BaseException as error:
            with self._lock:
                del self._under_way[what]
            future.set_exception(error)
            raise
        with self._lock:
            del self._under_way[what]
        future.set_result(piece)
        return piece

    def _in_turn(self, read: Callable[[], Piece]) -> Piece:
        if not self._room.acquire(timeout=_WAIT_S):
            raise Away(f"{self._name}: too many reads at this moment")
        try:
            return read()
        finally:
            self._room.release()
