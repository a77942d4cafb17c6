"""What lies in the folder of scans: the files of each record, and what is to be said of the rest.

The folder is one of this machine, or a place in a bucket, whose names have slashes in them. Scans
stand in folders named by their records, in natural order. Names are compared composed (NFC),
because macOS writes them decomposed. Nothing that may be a scan is left out in silence; what a
system puts there by itself is.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from iiifserver.errors import ConfigurationError, Mistake
from iiifserver.homes import Home, shown
from iiifserver.image.examine import Facts
from iiifserver.image.original import Original
from iiifserver.sources import MOST_FILES, SUFFIXES, identity_of, natural
from iiifserver.stores import opened

SCANS = SUFFIXES | {".heic", ".heif", ".hif", ".pdf"}
"""The endings of files that can be pages."""
_SYSTEMS = {"thumbs.db", "desktop.ini", "icon\r", "ehthumbs.db"}
_SHEET = "Images"
Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class ScanFile:
    """A file in the folder of a record; `facts` are None until it was examined."""

    folder: str
    name: str
    """Composed (NFC), as sheets write it."""
    original: Original
    """Where it lies, and as what: names there may be written otherwise."""
    facts: Facts | None = None

    @property
    def identity(self) -> str:
        """Another one means other content."""
        return self.original.identity

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return self.original.size_bytes

    @property
    def leaves(self) -> int:
        """How many pictures it holds."""
        return max(1, len(self.facts.sizes)) if self.facts else 1

    @property
    def checksum(self) -> str:
        """The checksum of its content; empty while that is not known."""
        return self.facts.checksum if self.facts else ""

    @property
    def shown(self) -> str:
        """What messages call it."""
        return f"{self.folder}/{self.name}"

    def mistake(
        self, reason: str, proposal: str | None = None, severity: Severity = "error"
    ) -> Mistake:
        """Return what is wrong with the file."""
        return Mistake(_SHEET, self.shown, self.name, reason, proposal, severity)


Scans = Mapping[str, tuple[ScanFile, ...]]
"""The scans in each folder, by its name, in natural order."""


class Found(NamedTuple):
    """Scans, and what lies beside them."""

    scans: Scans
    mistakes: tuple[Mistake, ...] = ()


def list_scans(images: Home) -> Found:
    """Return what lies in *images*; only names are read and the state of files, no content.

    Raises:
        ConfigurationError: it is a web server, which does not tell what it has.
        RequestError: a bucket cannot be listed.
    """
    mistakes: list[Mistake] = []
    if isinstance(images, Path):
        folders = _on_disk(images.absolute(), mistakes)
    elif images.startswith(("http://", "https://")):
        why = "a web server does not tell what it has: have the scans in a folder or a bucket"
        raise ConfigurationError(f"{shown(images)}: {why}")
    else:
        folders = _in_bucket(images, mistakes)
    mistakes.extend(_collisions((name for name in folders), "", "folder"))
    scans: dict[str, tuple[ScanFile, ...]] = {}
    for name, originals in folders.items():
        files = [file for each in originals for file in _scan_of(name, each, mistakes)]
        mistakes.extend(_collisions((file.name for file in files), f"{name}/", "file"))
        scans[name] = tuple(sorted(files, key=lambda file: natural(file.name)))
    return Found(dict(sorted(scans.items(), key=lambda each: natural(each[0]))), tuple(mistakes))


Folders = dict[str, list[Original]]
"""The files in each folder, by its name, composed."""


def _on_disk(images: Path, mistakes: list[Mistake]) -> Folders:
    """Return the files in the folders of a folder, until there are too many."""
    if not images.is_dir():
        mistakes.append(_about(str(images.name), "there is no such folder", "error"))
        return {}
    folders: Folders = {}
    count = 0
    for entry in _entries(images, mistakes):
        name = unicodedata.normalize("NFC", entry.name)
        if not entry.is_dir():
            mistakes.extend(_astray(name))
        elif not name.startswith((".", "_")):
            found = list(_files(images, entry, mistakes))
            folders.setdefault(name, []).extend(found)
            count += len(found)
            if count > MOST_FILES:
                mistakes.append(_too_many(name))
                break
    return folders


def _in_bucket(images: str, mistakes: list[Mistake]) -> Folders:
    """Return the objects below the folders of a place in a bucket, until there are too many."""
    folders: Folders = {}
    inner: set[str] = set()
    empty, count = True, 0
    for key in opened(images).list(""):
        empty = False
        folder, slash, name = unicodedata.normalize("NFC", key.key).partition("/")
        if not slash:
            mistakes.extend(_astray(folder))
        elif "/" in name:
            inner.add(f"{folder}/{name.partition('/')[0]}")
        elif not folder.startswith((".", "_")):
            original = Original(images, key.key, key.identity, key.size_bytes)
            folders.setdefault(folder, []).append(original)
            count += 1
            if count > MOST_FILES:
                mistakes.append(_too_many(folder))
                break
    if empty:
        mistakes.append(_about(shown(images), "nothing lies there", "error"))
    for each in sorted(inner):
        mistakes.extend(_inside(each))
    return folders


def _too_many(name: str) -> Mistake:
    return _about(name, f"there are more than {MOST_FILES:,} files", "error")


def _astray(name: str) -> Iterator[Mistake]:
    """Yield what is to be said of a file that is in no folder."""
    if _looks_like_scan(name) and not name.startswith("."):
        reason = "this scan is in no record's folder, and is not shown"
        yield _about(name, reason, "warning")


def _inside(shown_name: str) -> Iterator[Mistake]:
    """Yield what is to be said of a folder that is in a record's."""
    folder, _, name = shown_name.partition("/")
    if not folder.startswith((".", "_")) and not name.startswith((".", "_")):
        reason = "folders inside a record's folder are not looked at"
        yield _about(shown_name, reason, "warning")


def _entries(folder: Path | str, mistakes: list[Mistake]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = f"the folder cannot be read: {error.strerror}"
        mistakes.append(_about(Path(folder).name, reason, "error"))
        return []


def _files(images: Path, entry: os.DirEntry[str], mistakes: list[Mistake]) -> Iterator[Original]:
    folder = unicodedata.normalize("NFC", entry.name)
    for each in _entries(entry.path, mistakes):
        name = unicodedata.normalize("NFC", each.name)
        shown_name = f"{folder}/{name}"
        try:
            name.encode()
            if each.is_dir():
                mistakes.extend(_inside(shown_name))
                continue
            status = each.stat()
        except (OSError, UnicodeEncodeError) as error:
            # a link to nothing, or a name in another encoding than UTF-8
            why = (isinstance(error, OSError) and error.strerror) or "its name is not UTF-8"
            shown_name = shown_name.encode("utf-8", "replace").decode()
            mistakes.append(_about(shown_name, f"it cannot be read: {why}", "error"))
            continue
        key = f"{entry.name}/{each.name}"
        yield Original(images, key, identity_of(status), status.st_size)


def _scan_of(folder: str, original: Original, mistakes: list[Mistake]) -> Iterator[ScanFile]:
    """Yield a file if it is a scan; if it is none, say so."""
    name = unicodedata.normalize("NFC", original.key.rpartition("/")[2])
    shown_name = f"{folder}/{name}"
    if _is_systems(name):
        return
    if name.startswith((".", "_")):
        if _looks_like_scan(name):
            reason = "names that begin with a dot or an underscore are not shown"
            mistakes.append(_about(shown_name, reason, "note"))
    elif not _looks_like_scan(name):
        ending = Path(name).suffix or "no ending"
        reason = f"files with {ending} are not shown as pages"
        mistakes.append(_about(shown_name, reason, "warning"))
    else:
        yield ScanFile(folder, name, original)


def _is_systems(name: str) -> bool:
    """Return whether a system made the file: `._a.jpg` is what macOS keeps beside `a.jpg`."""
    return name.lower() in _SYSTEMS or name.startswith("._") or name == ".DS_Store"


def _looks_like_scan(name: str) -> bool:
    return Path(name.lower()).suffix in SCANS


def _collisions(names: Iterable[str], prefix: str, what: str) -> Iterator[Mistake]:
    first: dict[str, str] = {}
    for name in names:
        other = first.get(name.casefold())
        first.setdefault(name.casefold(), name)
        if other == name:
            reason = f"there are two {what}s of this name, composed (NFC) and decomposed (NFD)"
            yield _about(f"{prefix}{name}", reason, "error")
        elif other is not None:
            reason = f"{other!r} is there too: macOS and Windows take both for one {what}"
            yield _about(f"{prefix}{name}", reason, "warning")


def _about(name: str, reason: str, severity: Severity) -> Mistake:
    return Mistake(_SHEET, name, name, reason, None, severity)
