"""Writing an edition: objects under their checksums first, one index with the next number last.

Whatever is interrupted before the index is there, the edition before it goes on. An unchanged
input gives an equal index, and then nothing is published. Publishers may run beside each other:
whoever takes a number first has it. Only `prune` runs alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from iiifserver.config import Config
from iiifserver.edition import (
    FORMAT,
    current,
    index_path,
    numbers,
    object_path,
    read,
    read_index,
    read_unit,
)
from iiifserver.errors import ConfigurationError
from iiifserver.presentation.shown import SitePage
from iiifserver.stores.disk import ASIDE, create

from .memory import Memory, remember
from .objects import Packed, relinked
from .pyramids import Wanted, make_pyramids, sweep

KEPT = 10
"""Editions that `prune` keeps unless told otherwise."""
# a server looks for a new edition every second, and answers from the old one until then
_STILL_SERVED_S = 60.0

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
    images_root: Path,
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
    once = {*before["units"], *before["images"], *before.get("gone", ())}
    return sorted(once.difference(units, images))


def highest_numbers(
    images: Iterable[str], before: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the highest number that a page had, by record: in *images*, or *before*."""
    highest = dict(before or {})
    for image in images:
        record, _, page = image.rpartition("-")
        if page.isascii() and page.isdigit():
            highest[record] = max(int(page), highest.get(record, 0))
    return dict(sorted(highest.items()))


class Store:
    """Writes below one folder; *write* is another function only where a test interrupts it."""

    def __init__(self, data: Path, write: Write | None = None) -> None:
        self.data = data
        self._write = write or create

    def put(self, packed: Packed) -> None:
        """Write an object, unless it is there."""
        path = object_path(self.data, packed.digest)
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                self._write(path, packed.body)

    def make(self, pyramids: Mapping[str, Wanted], config: Config) -> None:
        """Make the pyramids that are not there.

        Raises:
            InvalidExhibition: as `make_pyramids` does.
        """
        make_pyramids(pyramids, config)

    def has(self, digest: str) -> bool:
        """Return whether there is such an object."""
        return object_path(self.data, digest).exists()

    def keep(self, settings: str, memory: Memory) -> None:
        """Write what is to be remembered."""
        remember(self.data, settings, memory)

    def switch(self, index: Index) -> Published:
        """Make *index* the current edition."""
        while True:
            published = self.switch_from((numbers(self.data) or [0])[-1], index)
            if published:
                return published

    def switch_from(self, last: int, index: Index) -> Published | None:
        """Make *index* the edition after *last*; None where another one has become that."""
        body = orjson.dumps(index)
        if last and index_path(self.data, last).read_bytes() == body:
            return Published(last, changed=False)
        try:
            self._write(index_path(self.data, last + 1), body)
        except FileExistsError:
            return None
        return Published(last + 1, changed=True)


class Unwritten(Store):
    """Writes nothing: for those who only want to know what would be written."""

    def put(self, packed: Packed) -> None:
        """Leave *packed* unwritten."""

    def make(self, pyramids: Mapping[str, Wanted], config: Config) -> None:
        """Leave *pyramids* unmade."""

    def keep(self, settings: str, memory: Memory) -> None:
        """Leave *memory* unwritten."""


@contextlib.contextmanager
def writing(data: Path) -> Iterator[None]:
    """Keep `prune` from running, beside others that write."""
    with _locked(data, fcntl.LOCK_SH):
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


def rollback(data: Path, number: int | None = None) -> Published:
    """Make edition *number*, the one before the current one if None, the current one again.

    It gets the next number, so that it is noticed like any other, and stays at the address at
    which readers are now.

    Raises:
        ConfigurationError: it is not there any more.
    """
    with writing(data):
        found = numbers(data)
        if number is None and len(found) < 2:
            raise ConfigurationError(f"there is no edition in {data} before the current one")
        number = found[-2] if number is None else number
        if number not in found:
            kept = ", ".join(map(str, found)) or "none"
            raise ConfigurationError(f"there is no edition {number} in {data}; there are: {kept}")
        read(data, number)  # refuses what cannot be served
        index, store = read_index(data, number), Store(data)
        lost = [name for name, unit in index["units"].items() if not store.has(unit["object"])]
        if lost:
            raise ConfigurationError(f"edition {number} is not whole: {lost[0]!r} is gone")
        now = read_index(data, found[-1])
        index["highest"] = highest_numbers(index["images"], now.get("highest"))
        index["gone"] = gone(now, index["units"], index["images"])
        return store.switch(_moved(index, now["base_url"], now["follows_server"], store))


def relink(data: Path, base_url: str, *, follows_server: bool, write: Write | None = None) -> bool:
    """Move the current edition to another base_url; return whether it had another one.

    Raises:
        ConfigurationError: nothing is published.
    """
    store = Store(data, write)
    with writing(data):
        while True:
            edition = current(data)
            if (edition.base_url, edition.follows_server) == (base_url, follows_server):
                return False
            index = _moved(read_index(data, edition.number), base_url, follows_server, store)
            if store.switch_from(edition.number, index):
                return True


def _moved(index: Index, base_url: str, follows_server: bool, store: Store) -> Index:
    """Return *index* with its documents at *base_url*, after writing those."""
    if index["base_url"] != base_url:
        for unit in index["units"].values():
            packed = relinked(read_unit(object_path(store.data, unit["object"])), base_url)
            store.put(packed)
            unit["object"] = packed.digest
    return index | {"base_url": base_url, "follows_server": follows_server}


def prune(data: Path, keep: int = KEPT) -> Pruned:
    """Delete all but the newest *keep* editions, and what no kept one names.

    An edition that a server may still be answering from is kept too.

    Raises:
        ConfigurationError: a kept edition cannot be read, and so nothing is deleted.
    """
    with _locked(data, fcntl.LOCK_EX):
        found = numbers(data)
        superseded = [index_path(data, number).stat().st_mtime for number in found[1:]]
        recent = time.time() - _STILL_SERVED_S
        kept = {n for n, until in zip(found, superseded, strict=False) if until > recent}
        kept |= set(found[-keep:])
        indexes = [read_index(data, number) for number in kept]
        named = {unit["object"] for index in indexes for unit in index["units"].values()}
        images = [image for index in indexes for image in index["images"].values()]
        served = {image.get(made) for made in ("pyramid", "tiles") for image in images} - {None}
        gone = [index_path(data, number) for number in found if number not in kept]
        gone_objects = [path for path in _files(data / "objects") if path.name not in named]
        left_aside = [path for path in _files(data / "editions") if path.name.startswith(ASIDE)]
        for path in (*gone, *gone_objects, *left_aside):  # an index before what it names
            path.unlink(missing_ok=True)
        return Pruned(len(gone), len(gone_objects), sweep(data, served))


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file())
