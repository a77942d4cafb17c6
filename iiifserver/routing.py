"""Images that are of no edition: by the prefix of their identifiers, from wherever they lie.

A store cannot be scanned as a folder is: an identifier names the key of a file, ending included,
and whether there is one is told by reading its beginning. So nothing in it means anything but
itself: no `..`, no empty name, no hidden file.
"""

from __future__ import annotations

import hashlib
import operator
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath

from .cache import Memory
from .config import Config, named_sources
from .errors import NotFound
from .far import FIRST_READ_BYTES, FarSource
from .near import Near, Pieces
from .sources import SUFFIXES, Folder, Source, Sources

_LOOK_AGAIN_S = 60.0
"""After which a file in a store is asked for anew: it may have been replaced."""
_NOT_THERE_S = 10.0
_MOST_ABSENT = 10_000


def with_prefixes(others: Sources, config: Config, memory: Pieces) -> Sources:
    """Return *others*, and before them the sources that *config* names."""
    named: dict[str, Sources] = {}
    for prefix, home in named_sources(config.sources, config.http_hosts).items():
        if isinstance(home, Path):
            named[prefix] = Folder(home)
        else:
            named[prefix] = Afar(Near(home, memory, config.http_hosts))
    return Prefixed(named, others) if named else others


class Prefixed:
    """Sources by the first part of the identifier; all that begin otherwise are of *others*."""

    def __init__(self, named: Mapping[str, Sources], others: Sources) -> None:
        self._named = named
        self._others = others
        self._tables: tuple[object, ...] = ()

    def find(self, identifier: str) -> Source:
        """Return the source that *identifier* names, or raise NotFound."""
        sources, prefix, rest = self._split(identifier)
        return _below(prefix, sources.find(rest))

    def listed(self, identifier: str) -> Source | None:
        """Return the source if it is in a table in memory."""
        sources, prefix, rest = self._split(identifier)
        found = sources.listed(rest)
        return None if found is None else _below(prefix, found)

    def _split(self, identifier: str) -> tuple[Sources, str, str]:
        """Return who has a source, what is put before the name that they have for it, and that."""
        prefix, slash, rest = identifier.partition("/")
        if slash and prefix in self._named:
            return self._named[prefix], f"{prefix}/", rest
        return self._others, "", identifier

    def table(self) -> object:
        """Return where names are looked up: the same object as long as all are."""
        tables = (self._others.table(), *(each.table() for each in self._named.values()))
        before = self._tables
        if len(before) != len(tables) or not all(map(operator.is_, before, tables)):
            self._tables = tables
        return self._tables


class Afar:
    """The files of a store, by their keys."""

    def __init__(self, near: Near, clock: Callable[[], float] = time.monotonic) -> None:
        self._near = near
        self._clock = clock
        self._absent: Memory[str, float] = Memory(_MOST_ABSENT)

    def find(self, identifier: str) -> Source:
        """Return the source that *identifier* names, after one range read.

        Raises:
            NotFound: there is none.
            RequestError: as stores do.
        """
        key = _key(identifier)
        if key is None or self._clock() < (self._absent.get(key) or 0):
            raise NotFound(f"no image is called {identifier[:200]!r}", parameter="identifier")
        try:
            first = self._near.found(key, FIRST_READ_BYTES)
        except NotFound:
            self._absent.put(key, self._clock() + _NOT_THERE_S)
            raise NotFound(f"no image is called {identifier!r}", parameter="identifier") from None
        # the same on all nodes, of whatever process
        version = f"{self._near.home}\0{key}\0{first.size_bytes}\0{first.identity}"
        return FarSource(
            identifier,
            Path(key),
            first.size_bytes,
            hashlib.blake2b(version.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest(),
            near=self._near,
            version=first.identity,
            until_s=self._clock() + _LOOK_AGAIN_S,
            clock=self._clock,
        )

    def listed(self, _identifier: str) -> Source | None:
        """Return None: a store has no table."""
        return None

    def table(self) -> object:
        """Return what never changes: a store has no table."""
        return self


def _below(prefix: str, found: Source) -> Source:
    return replace(found, identifier=f"{prefix}{found.identifier}") if prefix else found


def _key(identifier: str) -> str | None:
    """Return the key of a file, None where it cannot be one."""
    names = identifier.split("/")
    if len(identifier) > 1_000 or any(not name or name.startswith(".") for name in names):
        return None
    if "\\" in identifier or any(unicodedata.category(c) in ("Cc", "Cs") for c in identifier):
        return None
    return identifier if PurePosixPath(identifier).suffix.lower() in SUFFIXES else None
