"""Where bytes are kept under names: a folder, a bucket (S3, Azure, Google), a web server.

A place is named by a path or a URL, as a value that travels between processes: `opened` makes the
store behind it in each process, when it is first used. Nothing is told about an object but what
comes with its bytes: there is no HEAD. Credentials come from the environment alone (`AWS_...`,
`AZURE_...`, `GOOGLE_...`), and are in no message.

Errors are those of requests, and name the store and the object: `NotFound` where there is none,
`Replaced` where it is another one by now, `Away` where the store does not answer in time, and
`BrokenSource` where it refuses or sends what was not asked for.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Protocol

from iiifserver.errors import Away, Replaced, SourceTooLarge
from iiifserver.homes import Home, home_of, shown

from .disk import Disk
from .pieces import Key, Piece, identity_of

__all__ = [
    "Home",
    "Key",
    "Piece",
    "Store",
    "download",
    "home_of",
    "identity_of",
    "opened",
    "shown",
    "whole",
]

_PIECE_BYTES = 8 << 20
_AT_A_TIME = 4  # of one object: one connection alone is slower than most networks
_opened: dict[tuple[int, str], Store] = {}
_lock = threading.Lock()


class Store(Protocol):
    """A place of named objects. Keys are paths of names between slashes."""

    @property
    def name(self) -> str:
        """What messages call it: its URL, without credentials."""
        ...

    @property
    def folder(self) -> Path | None:
        """The folder that it is, None where it is none of this machine."""
        ...

    def read(self, key: str, offset: int, length: int, identity: str = "") -> Piece:
        """Return at most *length* bytes from *offset*, fewer only at the object's end.

        That is one range read. With *identity* they are of that version of the object.

        Raises:
            NotFound: there is no such object.
            Replaced: it is not the one of that identity.
            Away: the store does not answer.
            BrokenSource: it refuses, or sends what was not asked for.
        """
        ...

    def create(self, key: str, body: bytes) -> None:
        """Make an object, whole or not at all; raise FileExistsError where there is one."""
        ...

    def put_file(self, key: str, path: Path) -> None:
        """Make an object of a file, whole or not at all, in the place of one that is there."""
        ...

    def list(self, prefix: str, after: str = "") -> Iterator[Key]:
        """Yield the objects below *prefix*, a folder; with *after* those whose key comes later."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; one that is not there is no error."""
        ...

    def reachable(self) -> None:
        """Return if it answers just now; raise `Away`, or `BrokenSource` where it refuses."""
        ...


def opened(home: Home, hosts: Sequence[str] = ()) -> Store:
    """Return this process's store at *home*; of web servers only those of *hosts* are read.

    Never use a store before a fork and go on in the child: its threads are not there. Processes
    are started anew (`spawn`), or fork before anything was read.

    Raises:
        ConfigurationError: it is no place of a kind that we know.
    """
    if isinstance(home, Path):
        return Disk(home)
    key = (os.getpid(), repr((home, tuple(hosts))))
    with _lock:
        store = _opened.get(key)
        if store is None:
            store = _opened[key] = _made(home, hosts)
    return store


def whole(store: Store, key: str, most_bytes: int) -> bytes:
    """Return all of an object, all of one version.

    Raises:
        SourceTooLarge: it has more than *most_bytes*.
    """
    return b"".join(piece.body for piece in _pieces(store, key, most_bytes, ""))


def download(
    store: Store,
    key: str,
    target: Path,
    most_bytes: int,
    identity: str = "",
    until_s: float = math.inf,
) -> Piece:
    """Write an object to *target*, a piece at a time, all of one version; return the first piece.

    Raises:
        SourceTooLarge: it has more than *most_bytes*; nothing is read then but its first piece.
        Away: it is not there at *until_s*, by the clock.
    """
    pieces = _pieces(store, key, most_bytes, identity)
    first = next(pieces)
    with target.open("wb") as file:
        file.write(first.body)
        for piece in pieces:
            file.write(piece.body)
            if time.monotonic() > until_s:
                raise Away(f"{store.name}: it takes long to fetch {key}")
    return first


def _pieces(store: Store, key: str, most_bytes: int, identity: str) -> Iterator[Piece]:
    """Yield an object from its beginning to its end, all of one version; some are read ahead.

    Raises:
        SourceTooLarge: it has more than *most_bytes*; only its first bytes were read.
    """
    first = store.read(key, 0, _PIECE_BYTES, identity)
    if first.size_bytes > most_bytes:
        why = f"{key} has {first.size_bytes:,} bytes; {most_bytes:,} are fetched at most"
        raise SourceTooLarge(why)
    yield first
    offsets = range(len(first.body), first.size_bytes, _PIECE_BYTES)
    if not offsets:
        return

    def read(offset: int) -> Piece:
        return store.read(key, offset, _PIECE_BYTES, first.identity)

    with ThreadPoolExecutor(_AT_A_TIME) as threads:
        coming: deque[Future[Piece]] = deque()
        left = iter(offsets)
        for offset in offsets:
            coming.extend(
                threads.submit(read, each) for each in islice(left, _AT_A_TIME - len(coming))
            )
            piece = coming.popleft().result()
            length = min(_PIECE_BYTES, first.size_bytes - offset)
            if piece.identity != first.identity or len(piece.body) != length:
                raise Replaced(f"{key} was replaced while it was read")
            yield piece


def _made(home: Home, hosts: Sequence[str]) -> Store:
    home = home_of(str(home))
    if isinstance(home, Path):
        return Disk(home)
    if home.startswith(("http://", "https://")):
        from .web import Web

        return Web(home, hosts)
    from .buckets import Bucket  # it loads obstore

    return Bucket(home)
