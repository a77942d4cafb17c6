"""Whether what is published is still what was written: every object, pyramid and sidecar.

All of it is read, from a folder as from a store, whose own checksums say that it sends what it was
sent, not that this was right.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from iiifserver.edition import (
    OBJECTS,
    PYRAMIDS,
    numbers,
    object_key,
    pyramid_key,
    read_index,
    sidecar_name,
)
from iiifserver.errors import ConfigurationError, NotFound, RequestError
from iiifserver.homes import Home, shown
from iiifserver.image.fixity import UNKNOWN, damage
from iiifserver.stores import Key, opened
from iiifserver.stores.ranges import Ranges

_PIECE_BYTES = 4 << 20
_READS = 8  # files of a store at a time
_TOGETHER = 64


class Damage(NamedTuple):
    """A file that is not what it was: where it is, what is wrong, and whose it is, in words."""

    path: str
    why: str
    of: str


@dataclass(slots=True)
class Fixity:
    """How many files were looked at, and what was found."""

    objects: int = 0
    pyramids: int = 0
    unknown: int = 0
    """Pyramids of which no checksum was taken."""
    damaged: list[Damage] = field(default_factory=list)


Look = Callable[[], Damage | None]


def verify(home: Home) -> Fixity:
    """Return what became of the files that the editions in *home* name; all of them are read.

    Raises:
        ConfigurationError: nothing is published there, or an index cannot be read.
        RequestError: a store cannot be asked what it has.
    """
    editions = numbers(home)
    if not editions:
        raise ConfigurationError(f"nothing is published in {shown(home)}")
    objects: dict[str, str] = {}
    made: dict[str, tuple[str | None, str]] = {}
    for number in editions:
        index = read_index(home, number)
        for name, unit in index["units"].items():
            objects[unit["object"]] = f"the documents of {name or 'the site'}"
        for identifier, image in index["images"].items():
            if pyramid := image.get("pyramid"):
                made[sidecar_name(pyramid)] = pyramid_key(pyramid), identifier
            elif tiles := image.get("tiles"):
                made[tiles] = None, identifier
    files = _Files.of(home)
    looks: Iterator[Look] = itertools.chain(
        (partial(_object, files, digest, of) for digest, of in objects.items()),
        (partial(_made, files, pyramid_key(name), *each) for name, each in made.items()),
    )
    found = Fixity(objects=len(objects), pyramids=len(made))
    for damaged in _all(looks, 1 if isinstance(home, Path) else _READS):
        if damaged.why == UNKNOWN:
            found.unknown += 1
        else:
            found.damaged.append(damaged)
    return found


@dataclass(frozen=True, slots=True)
class _Files:
    """What lies in a home, as it was listed."""

    home: Home
    keys: Mapping[str, Key]

    @classmethod
    def of(cls, home: Home) -> _Files:
        listed = (opened(home).list(part) for part in (OBJECTS, PYRAMIDS))
        return cls(home, {key.key: key for key in itertools.chain(*listed)})

    def open(self, key: str) -> IO[Any]:
        """Return a file to be read; raise NotFound where there is none."""
        found = self.keys.get(key)
        if found is None:
            raise NotFound("it is not there")
        return Ranges(opened(self.home), key, found.identity, found.size_bytes)  # type: ignore[return-value]

    def damage(self, key: str, why: str, of: str) -> Damage:
        """Return what is wrong with a file."""
        return Damage(f"{shown(self.home)}/{key}", why, of)


def _all(looks: Iterable[Look], at_once: int) -> Iterator[Damage]:
    """Yield all damage that is found, in the order of *looks*; so many look at a time."""
    waiting = iter(looks)
    with ThreadPoolExecutor(at_once) as threads:
        while some := list(itertools.islice(waiting, _TOGETHER)):
            yield from filter(None, threads.map(lambda look: look(), some))


def _object(files: _Files, digest: str, of: str) -> Damage | None:
    key, found = object_key(digest), hashlib.sha256()
    try:
        with files.open(key) as file:
            while piece := file.read(_PIECE_BYTES):
                found.update(piece)
    except RequestError as error:
        return files.damage(key, str(error), of)
    if found.hexdigest() != digest:
        return files.damage(key, "its bytes are not those that were written", of)
    return None


def _made(files: _Files, sidecar: str, picture: str | None, of: str) -> Damage | None:
    why = damage(sidecar, picture, files.open)
    return files.damage(picture or sidecar, why, of) if why else None
