"""An edition: one index that names content-addressed objects, written whole, then never changed.

    {data}/editions/000007.json        what is published, and where each scan lies
    {data}/objects/{2}/{sha256}        the documents of one record, chapter or exhibition
    {data}/pyramids/{digest}.tif       what scans are served from that are slow themselves
    {data}/pyramids/{digest}.tiles     what stands ready of a scan: edge tiles, thumbnails

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
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from .errors import ConfigurationError
from .presentation.shown import SitePage
from .sources import File, Listed

FORMAT = 2
MARK = "\ufdd0"
"""Stands for base_url in unlinked documents: a noncharacter, which no text may hold."""
UNLINKED, IDENTITY = "unlinked", "identity"
SIDECAR = ".tiles"
"""How the names of sidecars end: what stands ready of a scan, see image/stored.py."""
PAGE = "page"
"""The name of the document that tells what the page of a unit shows; it has no address."""
_NUMBER = re.compile(r"([0-9]{6})\.json")
_LOOK_EVERY_S = 1.0
_FIRST_READ = 8_192
_LONGEST_HEAD = 16 << 20
_log = logging.getLogger(__name__)


class Stored(NamedTuple):
    """Bytes within an object; `etag` tells them from all others."""

    path: Path
    offset: int
    length: int
    etag: str

    def read(self) -> bytes:
        """Return the bytes."""
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), self.length, self.offset)


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
    data: Path

    def unit(self, identifier: str) -> Unit | None:
        """Return the documents of *identifier*, None where nothing is called so."""
        entry = self.units.get(identifier)
        return read_unit(object_path(self.data, entry["object"])) if entry else None

    def document(self, identifier: str, name: str) -> Document | None:
        """Return one document of *identifier*, None where there is none."""
        unit = self.unit(identifier)
        return unit.documents.get(name) if unit else None

    def page(self, identifier: str, kind: str) -> bytes | None:
        """Return what the page of *identifier* shows, None where it is not of this *kind*."""
        entry = self.units.get(identifier)
        document = self.document(identifier, PAGE) if entry and entry["kind"] == kind else None
        return document.codings[IDENTITY].read() if document else None


def numbers(data: Path) -> list[int]:
    """Return the numbers of all editions below *data*, ascending."""
    try:
        names = os.listdir(data / "editions")  # noqa: PTH208 - looked at every second: no Paths
    except FileNotFoundError:
        return []
    return sorted(int(match[1]) for name in names if (match := _NUMBER.fullmatch(name)))


def index_path(data: Path, number: int) -> Path:
    """Return where the index of edition *number* lies."""
    return data / "editions" / f"{number:06d}.json"


def object_path(data: Path, digest: str) -> Path:
    """Return where the object with this SHA-256 lies."""
    return data / "objects" / digest[:2] / digest


def pyramid_path(data: Path, name: str) -> Path:
    """Return where the pyramid of this name lies."""
    return data / "pyramids" / name


def sidecar_name(pyramid: str) -> str:
    """Return the name of the sidecar of the pyramid of this name."""
    return pyramid.removesuffix(".tif") + SIDECAR


def read_index(data: Path, number: int) -> dict[str, Any]:
    """Return the index of edition *number*.

    Raises:
        ConfigurationError: it is not there, or of a format that this program does not know.
    """
    try:
        index: dict[str, Any] = orjson.loads(index_path(data, number).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(f"edition {number} in {data} cannot be read: {error}") from error
    if index.get("format") != FORMAT:
        why = f"edition {number} in {data} has format {index.get('format')!r}, not {FORMAT}"
        raise ConfigurationError(f"{why}: publish it anew, or use the program that wrote it")
    return index


def read(data: Path, number: int) -> Edition:
    """Return edition *number*.

    Raises:
        ConfigurationError: as `read_index` does; or an older program wrote it, without pages.
    """
    index = read_index(data, number)
    if "exhibition" not in index["site"]:
        why = f"edition {number} in {data} was written by an older program, without pages"
        raise ConfigurationError(f"{why}: publish it anew")
    return Edition(
        number=number,
        base_url=index["base_url"],
        follows_server=index["follows_server"],
        images=Listed(_Files(data, Path(index["images_root"]), index["images"])),
        site=index["site"],
        units=index["units"],
        gone=frozenset(index["gone"]),
        data=data,
    )


def current(data: Path) -> Edition:
    """Return the edition that is to be served.

    Raises:
        ConfigurationError: nothing is published in *data*, or it cannot be read.
    """
    found = numbers(data)
    if not found:
        raise ConfigurationError(f"nothing is published in {data}: iiifserver publish FOLDER")
    return read(data, found[-1])


def read_unit(path: Path) -> Unit:
    """Return what the object at *path* holds.

    Raises:
        ConfigurationError: it is not whole.
    """
    try:
        with path.open("rb", buffering=0) as file:
            head = os.pread(file.fileno(), _FIRST_READ, 0)
            while b"\n" not in head and len(head) < _LONGEST_HEAD:
                more = os.pread(file.fileno(), len(head), len(head))
                if not more:
                    break
                head += more
        line, ended, _ = head.partition(b"\n")
        about = orjson.loads(line)
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(f"an edition's object cannot be read: {error}") from error
    start = len(line) + len(ended)
    documents = {
        name: Document(
            entry["type"],
            {
                coding: Stored(path, start + offset, length, etag)
                for coding, (offset, length, etag) in entry["codings"].items()
            },
        )
        for name, entry in about["documents"].items()
    }
    return Unit(documents, about["label"], tuple(about["images"]))


@dataclass(frozen=True, slots=True)
class _Files(Mapping[str, File]):
    """The scans of an edition, each made a path when it is asked for: there may be many."""

    data: Path
    root: Path
    entries: Mapping[str, Mapping[str, Any]]

    def __getitem__(self, identifier: str) -> File:
        entry = self.entries[identifier]
        pyramid = entry.get("pyramid")
        path = pyramid_path(self.data, pyramid) if pyramid else self.root / entry["file"]
        tiles = entry.get("tiles") or (pyramid and sidecar_name(pyramid))
        stored = pyramid_path(self.data, tiles) if tiles else None
        return File(path, entry["rights"], stored, identity=pyramid or "")

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


class Current:
    """The current edition below a folder; notices within a second when another is published."""

    def __init__(self, data: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._data = data
        self._clock = clock
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._edition = current(data)

    def get(self) -> Edition:
        """Return the current edition."""
        if self._clock() < self._look_at or not self._lock.acquire(blocking=False):
            return self._edition
        try:
            newest = numbers(self._data)[-1:]
            if newest and newest[0] != self._edition.number:
                self._edition = read(self._data, newest[0])
        except ConfigurationError as error:
            # written by a newer program, say: what is served stays served
            _log.warning("edition %d stays: %s", self._edition.number, error)
        finally:
            self._look_at = self._clock() + _LOOK_EVERY_S
            self._lock.release()
        return self._edition
