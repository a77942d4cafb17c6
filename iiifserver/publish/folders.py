"""What lies in the folder of scans: the files of each record, and what is to be said of the rest.

Scans stand in folders named by their records, in natural order. Names are compared composed (NFC),
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

from iiifserver.errors import Mistake
from iiifserver.image.examine import Facts
from iiifserver.sources import MOST_FILES, SUFFIXES, identity_of, natural

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
    path: Path
    """As it is on the disk."""
    identity: str
    """Another one means other content."""
    size_bytes: int
    facts: Facts | None = None

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


def list_scans(images: Path) -> Found:
    """Return what lies in *images*; only names are read and the state of files, no content."""
    mistakes: list[Mistake] = []
    if not images.is_dir():
        return Found({}, (_about(str(images.name), "there is no such folder", "error"),))
    folders: dict[str, list[os.DirEntry[str]]] = {}
    for entry in _entries(images, mistakes):
        name = unicodedata.normalize("NFC", entry.name)
        if entry.is_dir():
            if not name.startswith((".", "_")):
                folders.setdefault(name, []).append(entry)
        elif _looks_like_scan(name) and not name.startswith("."):
            reason = "this scan is in no record's folder, and is not shown"
            mistakes.append(_about(name, reason, "warning"))
    mistakes.extend(_collisions((name for name in folders), "", "folder"))
    scans: dict[str, tuple[ScanFile, ...]] = {}
    count = 0
    for name, entries in folders.items():
        files = [file for entry in entries for file in _files(name, entry, mistakes)]
        mistakes.extend(_collisions((file.name for file in files), f"{name}/", "file"))
        scans[name] = tuple(sorted(files, key=lambda file: natural(file.name)))
        count += len(files)
        if count > MOST_FILES:
            mistakes.append(_about(name, f"there are more than {MOST_FILES:,} scans", "error"))
            break
    return Found(dict(sorted(scans.items(), key=lambda each: natural(each[0]))), tuple(mistakes))


def _entries(folder: Path | str, mistakes: list[Mistake]) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        reason = f"the folder cannot be read: {error.strerror}"
        mistakes.append(_about(Path(folder).name, reason, "error"))
        return []


def _files(folder: str, entry: os.DirEntry[str], mistakes: list[Mistake]) -> Iterator[ScanFile]:
    for each in _entries(entry.path, mistakes):
        name = unicodedata.normalize("NFC", each.name)
        shown = f"{folder}/{name}"
        try:
            name.encode()
            if each.is_dir():
                if not name.startswith((".", "_")):
                    reason = "folders inside a record's folder are not looked at"
                    mistakes.append(_about(shown, reason, "warning"))
                continue
            status = each.stat()
        except (OSError, UnicodeEncodeError) as error:
            # a link to nothing, or a name in another encoding than UTF-8
            why = (isinstance(error, OSError) and error.strerror) or "its name is not UTF-8"
            shown = shown.encode("utf-8", "replace").decode()
            mistakes.append(_about(shown, f"it cannot be read: {why}", "error"))
            continue
        if _is_systems(name):
            continue
        if name.startswith((".", "_")):
            if _looks_like_scan(name):
                reason = "names that begin with a dot or an underscore are not shown"
                mistakes.append(_about(shown, reason, "note"))
        elif not _looks_like_scan(name):
            ending = Path(name).suffix or "no ending"
            reason = f"files with {ending} are not shown as pages"
            mistakes.append(_about(shown, reason, "warning"))
        else:
            identity = identity_of(status)
            yield ScanFile(folder, name, Path(each.path), identity, status.st_size)


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
