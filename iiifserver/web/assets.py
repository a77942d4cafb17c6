"""The files that pages use (styles, viewers), under names that change with their content.

A browser may keep such a file for ever, and only what stood in the folder when the server
started can be asked for: an address is looked up in a table, never joined to a path.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
MAX_FILES = 200
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
# what hatch_build.py laid beside a file, the smallest first
_CODINGS = {"br": ".br", "gzip": ".gz"}
_URL = re.compile(r'url\("([^":]+)"\)')


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and the codings in which it lies ready."""

    name: str
    """The public name: `pages.1f0c9a7be2d4.css`."""
    media_type: str
    digest: str
    bodies: Mapping[str, Path | bytes]
    """By content coding, the smallest first; `identity` is always there."""

    def read(self, coding: str) -> bytes:
        """Return the bytes in one of its codings."""
        body = self.bodies[coding]
        return body if isinstance(body, bytes) else body.read_bytes()


class Assets:
    """The files of one folder, found by their own and by their public names."""

    def __init__(self, folder: Path = FOLDER) -> None:
        found = sorted(path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES)
        if len(found) > MAX_FILES:
            raise ValueError(f"{folder}: more than {MAX_FILES} files")
        # styles last: they name others
        found.sort(key=lambda path: path.suffix == ".css")
        self._by_file: dict[str, Asset] = {}
        for path in found:
            file = path.relative_to(folder).as_posix()
            make = self._style if path.suffix == ".css" else _asset
            self._by_file[file] = make(file, path)
        self._by_name = {asset.name: asset for asset in self._by_file.values()}

    def __contains__(self, file: str) -> bool:
        """Tell whether *file* is part of this installation."""
        return file in self._by_file

    def name(self, file: str) -> str:
        """Return the public name of *file*, such as `viewers/mirador.js`."""
        return self._by_file[file].name

    def get(self, name: str) -> Asset | None:
        """Return what has the public *name*."""
        return self._by_name.get(name)

    def _style(self, file: str, path: Path) -> Asset:
        """Return the style sheet *file*: what it names, in its own folder, goes by public names."""
        folder, slash, _ = file.rpartition("/")

        def public(match: re.Match[str]) -> str:
            name = self.name(f"{folder}{slash}{match[1]}").removeprefix(f"{folder}{slash}")
            return f'url("{name}")'

        content = _URL.sub(public, path.read_text(encoding="utf-8")).encode()
        return _named(file, content, {"gzip": gzip.compress(content, mtime=0), "identity": content})


def _asset(file: str, path: Path) -> Asset:
    coded = {
        coding: path.with_name(path.name + ending)
        for coding, ending in _CODINGS.items()
        if path.with_name(path.name + ending).is_file()
    }
    return _named(file, path.read_bytes(), {**coded, "identity": path})


def _named(file: str, content: bytes, bodies: Mapping[str, Path | bytes]) -> Asset:
    digest = hashlib.sha256(content).hexdigest()[:12]
    stem, _, ending = file.rpartition(".")
    return Asset(f"{stem}.{digest}.{ending}", _MEDIA_TYPES[f".{ending}"], digest, bodies)
