"""The files that pages use (styles, viewers), under names that change with their content.

A browser may keep such a file for ever, and only what stood in the folder when the server
started can be asked for: an address is looked up in a table, never joined to a path.
"""

from __future__ import annotations

import hashlib
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


@dataclass(frozen=True, slots=True)
class Asset:
    """A file and the codings in which it lies ready."""

    name: str
    """The public name: `pages.1f0c9a7be2d4.css`."""
    media_type: str
    digest: str
    files: Mapping[str, Path]
    """By content coding; `identity` is always there."""


class Assets:
    """The files of one folder, found by their own and by their public names."""

    def __init__(self, folder: Path = FOLDER) -> None:
        found = sorted(path for path in folder.rglob("*") if path.suffix in _MEDIA_TYPES)
        if len(found) > MAX_FILES:
            raise ValueError(f"{folder}: more than {MAX_FILES} files")
        self._by_file = {
            path.relative_to(folder).as_posix(): _asset(folder, path) for path in found
        }
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


def _asset(folder: Path, path: Path) -> Asset:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    name = path.relative_to(folder).with_name(f"{path.stem}.{digest}{path.suffix}").as_posix()
    coded = {
        coding: path.with_name(path.name + ending)
        for coding, ending in _CODINGS.items()
        if path.with_name(path.name + ending).is_file()
    }
    return Asset(name, _MEDIA_TYPES[path.suffix], digest, {**coded, "identity": path})
