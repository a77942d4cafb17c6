"""Writing an edition: objects under their checksums first, one index with the next number last.

Whatever is interrupted before the index is there, the edition before it goes on. An unchanged
input gives an equal index, and then nothing is published. Publishers may run beside each other:
whoever takes a number first has it. Only `prune` runs alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import orjson

from iiifserver.config import Config
from iiifserver.edition import (
    EDITIONS,
    FORMAT,
    OBJECTS,
    PYRAMIDS,
    Unit,
    current,
    index_key,
    numbers,
    object_key,
    object_path,
    pyramid_path,
    read,
    read_index,
    unit_in,
)
from iiifserver.errors import ConfigurationError
from iiifserver.homes import Home, shown
from iiifserver.image.aside import sweep_aside
from iiifserver.near import Lasting, Near
from iiifserver.presentation.shown import SitePage
from iiifserver.stores import opened, whole
from iiifserver.stores.disk import ASIDE, create
from iiifserver.upgrading import highest_numbers

from .memory import Memory, remember
from .objects import Packed, relinked
from .pyramids import Wanted, is_made, make_pyramids
from .uploads import Uploads

__all__ = [
    "KEPT",
    "Index",
    "Pruned",
    "Published",
    "Store",
    "Unwritten",
    "Write",
    "alone",
    "create",
    "gone",
    "index_of",
    "prune",
    "relink",
    "rollback",
    "writing",
]  # fmt: skip

KEPT = 10
"""Editions that `prune` keeps unless told otherwise."""
# a server looks for a new edition every second, and answers from the old one until then
_STILL_SERVED_S = 60.0
_UNDER_WAY_S = 86_400.0  # no publication takes longer

Index = dict[str, Any]
Write = Callable[[Path, bytes], None]
"""Makes a file whole or not at all; raises FileExistsError where there is one already."""


class Published(NamedTuple):
    """The outcome of a publication."""

    number: int
    changed: bool
    """False where the current edition was this one already."""


class Pruned(NamedTuple):
    """What `prune` deleted."""

    editions: int
    objects: int
    pyramids: int


def index_of(
    base_url: str,
    units: Mapping[str, Mapping[str, str]],
    images_root: Home,
    images: Mapping[str, Mapping[str, str | None]],
    site: SitePage,
    *,
    follows_server: bool,
    highest: Mapping[str, int],
    before: Index | None,
) -> Index:
    """Return an index; what each entry means is told by `iiifserver.edition.Edition`.

    *highest* are the highest numbers of pages by record, of this edition and all *before* it: only
    publishing reads them, so that a number is never given again.
    """
    return {
        "format": FORMAT,
        "base_url": base_url,
        "follows_server": follows_server,
        "units": units,
        "images_root": str(images_root),
        "images": images,
        "site": site,
        "highest": highest,
        "gone": gone(before, units, images),
    }


def gone(before: Index | None, units: Iterable[str], images: Iterable[str]) -> list[str]:
    """Return what was published *before* and is no more, in all editions up to that one."""
    if before is None:
        return []
    once = {*before["units"], *before["images"], *before["gone"]}
    return sorted(once.difference(units, images))


class Store:
    """Writes into one home; *write* is another function only where a test interrupts it.

    What the next publication need not find out again stays on this machine, in *data*.
    """

    def __init__(self, home: Home, write: Write | None = None, data: Path | None = None) -> None:
        self.home = home
        self._data = data
        self._write = write
        self._uploads = Uploads(self._create)
        self._there: set[str] | None = None

    def put(self, packed: Packed) -> None:
        """Write an object, unless it is there."""
        if self.has(packed.digest):
            return
        key = object_key(packed.digest)
        if isinstance(self.home, Path):
            with contextlib.suppress(FileExistsError):
                self._create(key, packed.body)
        else:
            self._uploads.put(key, packed.body)

    def make(self, pyramids: Mapping[str, Wanted], config: Config) -> None:
        """Make the pyramids that are not there.

        Raises:
            InvalidExhibition: as `make_pyramids` does.
        """
        make_pyramids(pyramids, config)

    def has(self, digest: str) -> bool:
        """Return whether there is such an object; a store is asked for a list of all, once."""
        if isinstance(self.home, Path):
            return object_path(self.home, digest).exists()
        if self._there is None:
            self._there = {key.key.rpartition("/")[2] for key in opened(self.home).list(OBJECTS)}
        return digest in self._there

    def unit(self, digest: str) -> Unit:
        """Return what an object holds."""
        return unit_in(Lasting(Near(self.home), object_key(digest)))

    def keep(self, settings: str, memory: Memory) -> None:
        """Write what is to be remembered, when what it names is there."""
        self._uploads.settle()
        if self._data:
            remember(self._data, settings, memory)

    def switch(self, index: Index) -> Published:
        """Make *index* the current edition."""
        while True:
            published = self.switch_from((numbers(self.home) or [0])[-1], index)
            if published:
                return published

    def switch_from(self, last: int, index: Index) -> Published | None:
        """Make *index* the edition after *last*; None where another one has become that."""
        self._uploads.settle()
        body = orjson.dumps(index)
        if last and self._is_index(last, body):
            return Published(last, changed=False)
        try:
            self._create(index_key(last + 1), body)
        except FileExistsError:
            # a store may have taken it and not said so: then it was asked again
            if isinstance(self.home, Path) or not self._is_index(last + 1, body):
                return None
        return Published(last + 1, changed=True)

    def _is_index(self, number: int, body: bytes) -> bool:
        return whole(opened(self.home), index_key(number), 2 * len(body) + (1 << 20)) == body

    def _create(self, key: str, body: bytes) -> None:
        if self._write and isinstance(self.home, Path):
            self._write(self.home / key, body)
        else:
            opened(self.home).create(key, body)


class Unwritten(Store):
    """Writes nothing: for those who only want to know what would be written."""

    def put(self, packed: Packed) -> None:
        """Leave *packed* unwritten."""

    def make(self, pyramids: Mapping[str, Wanted], config: Config) -> None:
        """Leave *pyramids* unmade."""

    def keep(self, settings: str, memory: Memory) -> None:
        """Leave *memory* unwritten."""


@contextlib.contextmanager
def writing(home: Home) -> Iterator[None]:
    """Keep `prune` from running, beside others that write; in a store it spares what is new."""
    if isinstance(home, Path):
        with _locked(home, fcntl.LOCK_SH):
            yield
    else:
        yield


@contextlib.contextmanager
def alone(data: Path) -> Iterator[None]:
    """Let no other publisher be between these lines; for moments only."""
    with _locked(data, fcntl.LOCK_EX, "pages.lock"):
        yield


@contextlib.contextmanager
def _locked(data: Path, how: int, name: str = "editions.lock") -> Iterator[None]:
    data.mkdir(parents=True, exist_ok=True)
    with (data / name).open("a") as file:
        fcntl.flock(file, how)  # the system takes it back from a process that is killed
        yield


def rollback(home: Home, number: int | None = None) -> Published:
    """Make edition *number*, the one before the current one if None, the current one again.

    It gets the next number, so that it is noticed like any other, and stays at the address at
    which readers are now.

    Raises:
        ConfigurationError: it is not there any more.
    """
    where = shown(home)
    with writing(home):
        found = numbers(home)
        if number is None and len(found) < 2:
            raise ConfigurationError(f"there is no edition in {where} before the current one")
        number = found[-2] if number is None else number
        if number not in found:
            kept = ", ".join(map(str, found)) or "none"
            raise ConfigurationError(f"there is no edition {number} in {where}; there are: {kept}")
        read(home, number)  # refuses what cannot be served
        index, store = read_index(home, number), Store(home)
        lost = [name for name, unit in index["units"].items() if not store.has(unit["object"])]
        if lost:
            raise ConfigurationError(f"edition {number} is not whole: {lost[0]!r} is gone")
        now = read_index(home, found[-1])
        index["highest"] = highest_numbers(index["images"], now["highest"])
        index["gone"] = gone(now, index["units"], index["images"])
        return store.switch(_moved(index, now["base_url"], now["follows_server"], store))


def relink(home: Home, base_url: str, *, follows_server: bool, write: Write | None = None) -> bool:
    """Move the current edition to another base_url; return whether it had another one.

    Raises:
        ConfigurationError: nothing is published.
    """
    store, wanted = Store(home, write), (base_url, follows_server)
    edition = current(home)
    if (edition.base_url, edition.follows_server) == wanted:
        return False  # without a lock, which a node that only reads could not take
    with writing(home):
        while True:
            edition = current(home)
            if (edition.base_url, edition.follows_server) == wanted:
                return False
            index = _moved(read_index(home, edition.number), base_url, follows_server, store)
            if store.switch_from(edition.number, index):
                return True


def _moved(index: Index, base_url: str, follows_server: bool, store: Store) -> Index:
    """Return *index* with its documents at *base_url*, after writing those."""
    if index["base_url"] != base_url:
        for unit in index["units"].values():
            packed = relinked(store.unit(unit["object"]), base_url)
            store.put(packed)
            unit["object"] = packed.digest
    return index | {"base_url": base_url, "follows_server": follows_server}


def prune(home: Home, keep: int = KEPT) -> Pruned:
    """Delete all but the newest *keep* editions, and what no kept one names.

    An edition that a server may still be answering from is kept too; and in a store, where
    publishers on other machines cannot be made to wait, what was written within a day.

    Raises:
        ConfigurationError: a kept edition cannot be read, and so nothing is deleted.
    """
    if isinstance(home, Path):
        with _locked(home, fcntl.LOCK_EX):
            sweep_aside(pyramid_path(home, ""))
            pruned = _prune(home, keep, math.inf)
            for folder in (EDITIONS, OBJECTS):
                for left in (home / folder).rglob(f"{ASIDE}*"):
                    left.unlink(missing_ok=True)
            return pruned
    return _prune(home, keep, time.time() - _UNDER_WAY_S)


def _prune(home: Home, keep: int, before_s: float) -> Pruned:
    """Delete what no edition needs that is kept, of what was written *before_s*."""
    store = opened(home)
    written = {key.key: key.written_s for key in store.list(EDITIONS)}
    found = numbers(home)
    superseded = [written[index_key(number)] for number in found[1:]]
    recent = time.time() - _STILL_SERVED_S
    kept = {n for n, until in zip(found, superseded, strict=False) if until > recent}
    kept |= set(found[-keep:])
    indexes = [read_index(home, number) for number in kept]
    named = {unit["object"] for index in indexes for unit in index["units"].values()}
    images = [image for index in indexes for image in index["images"].values()]
    served = {image.get(made) for made in ("pyramid", "tiles") for image in images} - {None}
    stems = {PurePath(name).stem for name in served}
    gone = [index_key(number) for number in found if number not in kept]
    objects = [
        key.key
        for key in store.list(OBJECTS)
        if key.key.rpartition("/")[2] not in named and key.written_s < before_s
    ]
    pyramids = [
        key.key
        for key in store.list(PYRAMIDS)
        if is_made(key.key) and PurePath(key.key).stem not in stems and key.written_s < before_s
    ]
    for keys in (gone, objects, pyramids):  # an index before what it names
        store.delete(keys)
    return Pruned(len(gone), len(objects), len({PurePath(key).stem for key in pyramids}))
