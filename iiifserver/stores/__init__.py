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

import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias
from urllib.parse import unquote, urlsplit

from iiifserver.errors import ConfigurationError, Replaced, SourceTooLarge

from .disk import Disk
from .pieces import Key, Piece, identity_of

__all__ = [
    "Home",
    "Key",
    "Piece",
    "Store",
    "check_home",
    "download",
    "home_of",
    "identity_of",
    "opened",
    "shown",
]

Home: TypeAlias = Path | str
"""Where things are: a folder, or the URL of a store."""

BUCKETS = ("s3", "gs", "az")
_PIECE_BYTES = 8 << 20
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


def home_of(text: str) -> Home:
    """Return the place that a setting names: `file:` and plain paths are folders.

    Raises:
        ConfigurationError: as `check_home` does.
    """
    check_home(text)
    parts = urlsplit(text)
    if parts.scheme == "file":
        return Path(unquote(parts.path))
    return text.rstrip("/") if "://" in text else Path(text).absolute()


def check_home(text: str) -> None:
    """Raise ConfigurationError unless *text* is a path, or a URL that we know how to open."""
    shown_text = shown(text)
    if "://" not in text:
        return
    parts = urlsplit(text)
    if parts.scheme not in ("file", "http", "https", *BUCKETS):
        raise ConfigurationError(f"{shown_text}: one of file, s3, gs, az, http, https")
    if parts.username or parts.password:
        raise ConfigurationError(f"{shown_text}: credentials belong in the environment")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"{shown_text}: without ? and #")
    if parts.scheme == "file" and (parts.netloc or not parts.path.startswith("/")):
        raise ConfigurationError(f"{shown_text}: write it as file:///folder")
    if parts.scheme != "file" and not parts.hostname:
        raise ConfigurationError(f"{shown_text}: names no {_host_word(parts.scheme)}")


def shown(home: Home) -> str:
    """Return what messages call a place: nothing that may be a secret."""
    text = str(home)
    if "://" not in text:
        return text
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def download(store: Store, key: str, target: Path, most_bytes: int, identity: str = "") -> Piece:
    """Write an object to *target*, a piece at a time, all of one version; return the first piece.

    Raises:
        SourceTooLarge: it has more than *most_bytes*; nothing is read then but its first piece.
    """
    first = store.read(key, 0, _PIECE_BYTES, identity)
    if first.size_bytes > most_bytes:
        why = f"{key} has {first.size_bytes:,} bytes; {most_bytes:,} are fetched at most"
        raise SourceTooLarge(why)
    with target.open("wb") as file:
        file.write(first.body)
        written = len(first.body)
        while written < first.size_bytes:
            piece = store.read(key, written, _PIECE_BYTES, first.identity)
            if piece.identity != first.identity or not piece.body:
                raise Replaced(f"{key} was replaced while it was read")
            file.write(piece.body)
            written += len(piece.body)
    return first


def _host_word(scheme: str) -> str:
    return "bucket" if scheme in BUCKETS else "host"


def _made(home: str, hosts: Sequence[str]) -> Store:
    check_home(home)
    if home.startswith(("http://", "https://")):
        from .web import Web

        return Web(home, tuple(hosts))
    if home.startswith("file://"):
        return Disk(Path(unquote(urlsplit(home).path)))
    from .buckets import Bucket  # it loads obstore

    return Bucket(home)
