"""An edition: one index that names content-addressed objects, written whole, then never changed.

    {home}/editions/000007.json        what is published, and where each scan lies
    {home}/objects/{2}/{sha256}        the documents of one record, chapter or exhibition
    {home}/pyramids/{digest}.tif       what scans are served from that are slow themselves
    {home}/pyramids/{digest}.tiles     what stands ready of a scan: edge tiles, thumbnails
    {home}/pyramids/{digest}.jpg       in a store, scans that are served as they are

Its home is a folder (`data`) or a store.

An object begins with a line of JSON, which says where in it each document stands, in each content
coding and *unlinked*: with `MARK` in place of base_url. Whatever else has the address of a record
is cut out of these documents. The current edition is the highest number. This module reads;
publish/edition.py writes.
"""

from __future__ import annotations

import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import orjson

from .errors import Busy, ConfigurationError, RequestError
from .far import FarFile
from .near import Lasting, Near
from .presentation.shown import SitePage
from .sources import File, Listed, Lying
from .stores import Home, opened, shown, whole
from .upgrading import advice, brought_up, refusal

FORMAT = 2
EDITIONS, OBJECTS, PYRAMIDS = "editions", "objects", "pyramids"
"""What a home is divided into."""
MARK = "\ufdd0"
"""Stands for base_url in unlinked documents: a noncharacter, which no text may hold."""
UNLINKED, IDENTITY = "unlinked", "identity"
SIDECAR = ".tiles"
"""How the names of sidecars end: what stands ready of a scan, see image/stored.py."""
PAGE = "page"
"""The name of the document that tells what the page of a unit shows; it has no address."""
_NUMBER = re.compile(r"([0-9]{6})\.json")
_LOOK_EVERY_S = 1.0
_LOOK_FAR_EVERY_S = 5.0
_FIRST_READ = 8_192
_LONGEST_HEAD = 16 << 20
_LONGEST_INDEX = 2 << 30
_log = logging.getLogger(__name__)


class Stored(NamedTuple):
    """Bytes within an object; `etag` tells them from all others."""

    object: Lasting
    offset: int
    length: int
    etag: str

    def read(self) -> bytes:
        """Return the bytes."""
        return self.object.read(self.offset, self.length)


@dataclass(frozen=True, slots=True)
class Document:
    """What stands under one address, in each content coding that it was prepared in."""

    media_type: str
    codings: Mapping[str, Stored]


@dataclass(frozen=True, slots=True)
class Unit:
    """The documents of one record, chapter or exhibition, by what their addresses end in.

    `3/manifest` is that of Presentation 3.0, `record.json` that of no version.
    """

    documents: Mapping[str, Document]
    label: Mapping[str, list[str]]
    images: tuple[str, ...]
    """Identifiers of its scans, in order."""


@dataclass(frozen=True, slots=True)
class Edition:
    """One published state of an exhibition."""

    number: int
    base_url: str
    follows_server: bool
    """Whether base_url is only where a server happened to listen: another may relink it."""
    images: Listed
    site: SitePage
    """What every page says of the site."""
    units: Mapping[str, Mapping[str, str]]
    """By identifier, the site itself under the empty one: `kind`, `content` and `object`."""
    gone: frozenset[str]
    """Records, chapters and images that an edition before this one had."""
    near: Near
    """What reads its home."""
    lacks: tuple[str, ...] = ()
    """What an older program did not write, and what to do about it, in words."""

    def unit(self, identifier: str) -> Unit | None:
        """Return the documents of *identifier*, None where nothing is called so."""
        entry = self.units.get(identifier)
        return unit_in(Lasting(self.near, object_key(entry["object"]))) if entry else None

    def document(self, identifier: str, name: str) -> Document | None:
        """Return one document of *identifier*, None where there is none."""
        unit = self.unit(identifier)
        return unit.documents.get(name) if unit else None

    def page(self, identifier: str, kind: str) -> bytes | None:
        """Return what the page of *identifier* shows, None where it is not of this *kind*."""
        entry = self.units.get(identifier)
        document = self.document(identifier, PAGE) if entry and entry["kind"] == kind else None
        return document.codings[IDENTITY].read() if document else None


def numbers(home: Home, after: int = 0) -> list[int]:
    """Return the numbers of all editions in *home*, ascending; of those *after* one by one request.

    Raises:
        RequestError: a store cannot be asked.
    """
    if isinstance(home, Path):
        try:
            names = os.listdir(home / EDITIONS)  # noqa: PTH208 - looked at every second: no Paths
        except FileNotFoundError:
            return []
    else:
        last = index_key(after) if after else ""
        names = [key.key.rpartition("/")[2] for key in opened(home).list(EDITIONS, last)]
    found = (int(match[1]) for name in names if (match := _NUMBER.fullmatch(name)))
    return sorted(number for number in found if number > after)


def index_key(number: int) -> str:
    """Return the name of the index of edition *number*."""
    return f"{EDITIONS}/{number:06d}.json"


def object_key(digest: str) -> str:
    """Return the name of the object with this SHA-256."""
    return f"{OBJECTS}/{digest[:2]}/{digest}"


def pyramid_key(name: str) -> str:
    """Return the name in a store of the pyramid or sidecar of this name."""
    return f"{PYRAMIDS}/{name}"


def index_path(data: Path, number: int) -> Path:
    """Return where the index of edition *number* lies."""
    return data / index_key(number)


def object_path(data: Path, digest: str) -> Path:
    """Return where the object with this SHA-256 lies."""
    return data / object_key(digest)


def pyramid_path(data: Path, name: str) -> Path:
    """Return where the pyramid of this name lies."""
    return Path(f"{data}/{PYRAMIDS}/{name}")


def sidecar_name(pyramid: str) -> str:
    """Return the name of the sidecar of the pyramid of this name."""
    return f"{PurePath(pyramid).stem}{SIDECAR}"


def read_index(home: Home, number: int) -> dict[str, Any]:
    """Return the index of edition *number*, as this program would have written it.

    Raises:
        ConfigurationError: it is not there, or of a format that this program does not know.
        Busy: the store does not answer.
    """
    where = shown(home)
    try:
        body = whole(opened(home), index_key(number), _LONGEST_INDEX)
        index: dict[str, Any] = orjson.loads(body)
    except Busy:
        raise
    except (RequestError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(f"edition {number} in {where} cannot be read: {error}") from error
    if index.get("format") != FORMAT:
        found = index.get("format")
        why = f"edition {number} in {where} has format {found!r}, not {FORMAT}"
        raise ConfigurationError(f"{why}: {refusal(found, FORMAT)}")
    return brought_up(index)


def read(home: Home, number: int, near: Near | None = None) -> Edition:
    """Return edition *number*.

    Raises:
        ConfigurationError: as `read_index` does.
        Busy: the store does not answer.
    """
    index = read_index(home, number)
    near = near or Near(home)
    files = _Files(near, Path(index["images_root"]), index["images"])
    return Edition(
        number=number,
        base_url=index["base_url"],
        follows_server=index["follows_server"],
        images=Listed(files),
        site=index["site"],
        units=index["units"],
        gone=frozenset(index["gone"]),
        near=near,
        lacks=tuple(advice(index)),
    )


def current(home: Home, near: Near | None = None) -> Edition:
    """Return the edition that is to be served.

    Raises:
        ConfigurationError: nothing is published in *home*, or it cannot be read.
        RequestError: the store cannot be asked.
    """
    found = numbers(home)
    if not found:
        where = shown(home)
        raise ConfigurationError(f"nothing is published in {where}: iiifserver publish FOLDER")
    return read(home, found[-1], near)


def read_unit(path: Path) -> Unit:
    """Return what the object at *path* holds, as `unit_in` does."""
    return unit_in(Lasting(Near(path.parent), path.name))


def unit_in(found: Lasting) -> Unit:
    """Return what an object holds.

    Raises:
        ConfigurationError: it is not whole.
        Busy: the store does not answer.
    """
    try:
        head = found.read(0, _FIRST_READ)
        while b"\n" not in head and len(head) < _LONGEST_HEAD:
            more = found.read(len(head), len(head))
            if not more:
                break
            head += more
        line, ended, _ = head.partition(b"\n")
        about = orjson.loads(line)
    except Busy:
        raise
    except (RequestError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(f"an edition's object cannot be read: {error}") from error
    start = len(line) + len(ended)
    documents = {
        name: Document(
            entry["type"],
            {
                coding: Stored(found, start + offset, length, etag)
                for coding, (offset, length, etag) in entry["codings"].items()
            },
        )
        for name, entry in about["documents"].items()
    }
    return Unit(documents, about["label"], tuple(about["images"]))


@dataclass(frozen=True, slots=True)
class _Files(Mapping[str, File | Lying]):
    """The scans of an edition, each made a path when it is asked for: there may be many."""

    near: Near
    root: Path
    entries: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, identifier: str) -> File | Lying:
        entry = self.entries[identifier]
        pyramid = entry.get("pyramid")
        tiles = entry.get("tiles") or (pyramid and sidecar_name(pyramid))
        home = self.near.home
        if isinstance(home, Path):
            path = pyramid_path(home, pyramid) if pyramid else self.root / entry["file"]
            stored = pyramid_path(home, tiles) if tiles else None
            return File(path, entry["rights"], stored, identity=pyramid or "")
        if not pyramid:
            raise KeyError(identifier)  # nobody has put it into the store
        sidecar = pyramid_key(tiles) if tiles else ""
        return FarFile(self.near, pyramid_key(pyramid), entry["rights"], sidecar, pyramid)

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class Current:
    """The current edition in a home; notices soon when another is published.

    In a folder that is within a second. A store is asked for editions after the current one every
    five seconds, by one request, which no reader waits for.
    """

    def __init__(
        self, home: Home, clock: Callable[[], float] = time.monotonic, near: Near | None = None
    ) -> None:
        self._near = near or Near(home)
        self._clock = clock
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._stays = ""
        self._edition = _told(current(home, self._near))

    def get(self) -> Edition:
        """Return the current edition."""
        if self._clock() < self._look_at or not self._lock.acquire(blocking=False):
            return self._edition
        if self._near.far:
            self._look_at = self._clock() + _LOOK_FAR_EVERY_S
            threading.Thread(target=self._look, name="edition", daemon=True).start()
        else:
            self._look()
            self._look_at = self._clock() + _LOOK_EVERY_S
        return self._edition

    def _look(self) -> None:
        """Take the newest edition, and let others look again."""
        number, home = self._edition.number, self._near.home
        try:
            newest = numbers(home, number if self._near.far else 0)[-1:]
            if newest and newest[0] != number:
                self._edition = _told(read(home, newest[0], self._near))
            self._stays = ""
        except (ConfigurationError, RequestError) as error:
            # written by a newer program, or the store is away: what is served stays served
            if str(error) != self._stays:
                _log.warning("edition %d stays: %s", number, error)
            self._stays = str(error)
        finally:
            self._lock.release()


def _told(edition: Edition) -> Edition:
    """Return *edition*, after saying in the log what it lacks."""
    for lack in edition.lacks:
        _log.warning("edition %d was written by an older program: %s", edition.number, lack)
    return edition
