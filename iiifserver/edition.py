"""An edition: one index that names content-addressed files, written whole, then never changed.

    {data}/editions/000007.json     what stands under which address, and where each scan lies
    {data}/objects/{sha256}         the documents themselves, each content once

The current edition is the highest number. This module reads; publish/edition.py writes.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from .errors import ConfigurationError
from .sources import Listed

FORMAT = 1
_NUMBER = re.compile(r"([0-9]{6})\.json")
_LOOK_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Document:
    """The bytes that stand under one address; `digest` is the SHA-256 of them."""

    path: Path
    digest: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Edition:
    """One published state of an exhibition."""

    number: int
    base_url: str
    documents: Mapping[str, Document]
    """By their path below base_url, without the first slash."""
    images: Listed
    site: Mapping[str, Any]
    """What the pages need: title, languages, chapters."""


def numbers(data: Path) -> list[int]:
    """Return the numbers of all editions below *data*, ascending."""
    folder = data / "editions"
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return sorted(int(match[1]) for name in names if (match := _NUMBER.fullmatch(name)))


def index_path(data: Path, number: int) -> Path:
    """Return where the index of edition *number* lies."""
    return data / "editions" / f"{number:06d}.json"


def object_path(data: Path, digest: str) -> Path:
    """Return where the content with this SHA-256 lies."""
    return data / "objects" / digest


def read(data: Path, number: int) -> Edition:
    """Return edition *number*.

    Raises:
        ConfigurationError: it is not there, or of a format that this program does not know.
    """
    try:
        index = orjson.loads(index_path(data, number).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise ConfigurationError(f"edition {number} in {data} cannot be read: {error}") from error
    if index.get("format") != FORMAT:
        why = f"edition {number} in {data} has format {index.get('format')!r}, not {FORMAT}"
        raise ConfigurationError(f"{why}: publish it anew")
    root = Path(index["images_root"])
    documents = {
        address: Document(object_path(data, entry["object"]), entry["object"], entry["type"])
        for address, entry in index["documents"].items()
    }
    images = {
        identifier: (root / entry["file"], entry["rights"])
        for identifier, entry in index["images"].items()
    }
    return Edition(number, index["base_url"], documents, Listed(images), index["site"])


class Current:
    """The current edition below a folder; notices within a second when another is published."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._lock = threading.Lock()
        self._look_at = 0.0
        found = numbers(data)
        if not found:
            raise ConfigurationError(f"nothing is published in {data}")
        self._edition = read(data, found[-1])

    def get(self) -> Edition:
        """Return the current edition."""
        now = time.monotonic()
        if now < self._look_at or not self._lock.acquire(blocking=False):
            return self._edition
        try:
            self._look_at = now + _LOOK_EVERY_S
            newest = numbers(self._data)[-1:]
            if newest and newest[0] != self._edition.number:
                self._edition = read(self._data, newest[0])
        finally:
            self._lock.release()
        return self._edition
