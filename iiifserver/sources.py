"""Bytes of source images, found by identifier; paths from users end here.

An identifier is looked up in a table of files that was made by scanning, and is never joined to a
path: `..`, absolute paths, NUL and backslashes name nothing because no file is called that.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol

from .errors import BrokenSource, ConfigurationError, NotFound
from .stores.pieces import identity_of as identity_of

SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".png", ".webp", ".avif", ".gif"}
    | {".tif", ".tiff", ".ptif", ".ptiff", ".btf", ".tf8"}
    | {".jp2", ".jpx", ".jpf", ".j2k", ".j2c", ".jpc"}
    | {".heic", ".heif", ".hif"}
)
DOCUMENTS = frozenset({".pdf"})
"""Files of several pages: `x.pdf` is as a folder of the images `x.pdf/1`, `x.pdf/2` ..."""
MOST_FILES = 500_000
"""Files in one folder's table; a folder with more stops the start."""
_DEEPEST = 64
_PAGE = re.compile(r"[1-9][0-9]{0,3}")  # not \d, which matches the digits of every script
_PAGE_CHARACTERS = 5
_MOST_PARTS = 4  # of one character, where it is decomposed
_RESCAN_S = 2.0


class Place(NamedTuple):
    """Bytes that stand ready: *prefix*, then *length* bytes of a file from *offset*."""

    path: str
    offset: int
    length: int
    prefix: bytes = b""

    def read(self) -> bytes:
        """Return the bytes."""
        file = os.open(self.path, os.O_RDONLY)  # a file object takes half as long again
        try:
            return self.prefix + os.pread(file, self.length, self.offset)
        finally:
            os.close(file)


@dataclass(frozen=True, slots=True)
class Source:
    """A picture that an identifier names; another `identity` means other pixels.

    `leaf` is the place, from 0, of the picture in a file that holds several. `stored` is where its
    sidecar is, or would be: bytes made beforehand, see image/stored.py. A file that is called by
    its content is `lasting`: nobody replaces it.
    """

    identifier: str
    path: Path
    size_bytes: int
    identity: str
    rights: str | None = None
    leaf: int = 0
    stored: Path | None = None
    lasting: bool = False

    @property
    def published(self) -> bool:
        """Whether it has, or should have, a sidecar of its own."""
        return self.stored is not None

    def unchanged(self) -> bool:
        """Return whether the file is still the one that was found."""
        try:
            return self.lasting or identity_of(os.stat(self.path)) == self.identity  # noqa: PTH116
        except OSError:
            return False

    def read(self, offset: int, length: int) -> bytes:
        """Return at most *length* bytes from *offset*, fewer at the end of the file.

        Raises:
            BrokenSource: the file is gone or cannot be read.
        """
        try:
            with self.path.open("rb", buffering=0) as file:
                return os.pread(file.fileno(), length, offset)
        except OSError as error:
            raise BrokenSource(f"{self.identifier}: {error.strerror}") from error


class Sources(Protocol):
    """What finds sources."""

    def find(self, identifier: str) -> Source:
        """Return the source that *identifier* names, or raise NotFound."""
        ...

    def listed(self, identifier: str) -> Source | None:
        """Return the source if a table in memory has it: no folder or store is read for it."""
        ...

    def table(self) -> object:
        """Return where names are looked up: the same object as long as they mean the same files."""
        ...


def _source(identifier: str, file: File | Lying) -> Source:
    if not isinstance(file, File):
        return file.source(identifier)
    try:
        status = file.path.stat()
    except OSError as error:
        raise _nothing(identifier) from error
    return Source(
        identifier,
        file.path,
        status.st_size,
        file.identity or identity_of(status),
        file.rights,
        stored=file.stored,
        lasting=bool(file.identity),
    )


def _nothing(identifier: str) -> NotFound:
    shown = identifier if len(identifier) <= 200 else f"{identifier[:197]}..."
    return NotFound(f"no image is called {shown!r}", parameter="identifier")


class File(NamedTuple):
    """Where a source lies, the rights where they are known, and its sidecar if it has one.

    `identity` is that of a file that is called by its content; of others it is found out.
    """

    path: Path
    rights: str | None = None
    stored: Path | None = None
    identity: str = ""


class Lying(Protocol):
    """What lies elsewhere than in a file: see far.py."""

    def source(self, identifier: str) -> Source:
        """Return it as the source *identifier*."""
        ...


@dataclass(frozen=True, slots=True)
class Listed:
    """Sources named one by one."""

    files: Mapping[str, File | Lying]

    def find(self, identifier: str) -> Source:
        """Return the source that *identifier* names, or raise NotFound."""
        try:
            file = self.files[identifier]
        except KeyError:
            raise _nothing(identifier) from None
        return _source(identifier, file)

    def listed(self, identifier: str) -> Source | None:
        """Return the source that *identifier* names, None if there is none."""
        with contextlib.suppress(NotFound):
            return self.find(identifier)
        return None

    def table(self) -> object:
        """Return what never changes: this list."""
        return self


class Names(NamedTuple):
    """What is in a folder, in natural order; the pages of documents are not among the images."""

    images: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Table:
    """What one scan of a folder found: files by name, images by their stem, in natural order."""

    files: Mapping[str, Path]
    stems: Mapping[str, list[str]]
    names: Names
    longest: int
    """The characters of the longest name."""

    @classmethod
    def of(cls, files: Mapping[str, Path]) -> _Table:
        images, documents = [], []
        stems: dict[str, list[str]] = {}
        for name in files:
            if _is_document(name):
                documents.append(name)
            else:
                images.append(name)
                stems.setdefault(name[: name.rindex(".")], []).append(name)
        longest = max(map(len, files), default=0)
        return cls(files, stems, Names(tuple(images), tuple(documents)), longest)

    def find(self, identifier: str) -> Source:
        if len(identifier) > _MOST_PARTS * self.longest + _PAGE_CHARACTERS:
            # putting marks into their order takes the square of their number
            raise _nothing(identifier)
        name = unicodedata.normalize("NFC", identifier)
        path = self.files.get(name)
        if path is None:
            document, _, page = name.rpartition("/")
            if document in self.files and _is_document(document) and _PAGE.fullmatch(page):
                found = _source(name, File(self.files[document]))
                return replace(found, leaf=int(page) - 1)
            return self._by_stem(name)
        if _is_document(name):
            why = f"{name} has pages: {name}/1 is the first"
            raise NotFound(why, parameter="identifier")
        return _source(name, File(path))

    def _by_stem(self, stem: str) -> Source:
        names = self.stems.get(stem, [])
        if len(names) > 1:
            why = f"{stem!r} may be any of {', '.join(names[:10])}: ask with the ending"
            raise NotFound(why, parameter="identifier")
        if not names:
            raise _nothing(stem)
        return _source(names[0], File(self.files[names[0]]))


def _is_document(name: str) -> bool:
    return name[name.rindex(".") :].lower() in DOCUMENTS


class Folder:
    """Every image below a folder, by its relative path with or without its ending.

    The folder is scanned when asked for a name that is not in the table, at most every two
    seconds or ten times as long as a scan takes. Hidden files and folders are absent, and so are
    links that lead out of the folder.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        if not root.is_dir():
            raise ConfigurationError(f"{root} is not a folder")
        self.root = root
        self._clock = clock
        self._lock = threading.Lock()
        self._table = _Table.of({})
        self._next_scan = 0.0
        self.scan()

    def find(self, identifier: str) -> Source:
        """Return the source that *identifier* names; its `identifier` has the ending.

        Raises:
            NotFound: nothing has this name, or several files have it as their stem.
        """
        try:
            return self._table.find(identifier)
        except NotFound:
            if self._clock() < self._next_scan:
                raise
        self.scan()
        return self._table.find(identifier)

    def listed(self, identifier: str) -> Source | None:
        """Return the source if it was there when the folder was scanned."""
        with contextlib.suppress(NotFound):
            return self._table.find(identifier)
        return None

    def table(self) -> object:
        """Return what was found; the same object while nothing changed."""
        return self._table

    def names(self) -> Names:
        """Return the names of all images and documents; the same object while nothing changed."""
        if self._clock() >= self._next_scan:
            self.scan()
        return self._table.names

    def scan(self) -> None:
        """Read the folder anew, unless another thread is about it; a folder that is gone is empty.

        Raises:
            ConfigurationError: it holds more images than are taken.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            started = self._clock()
            files = dict(sorted(_images(self.root), key=lambda pair: natural(pair[0])))
            if files != self._table.files:
                # its parts belong together: threads see the old table or the new one
                self._table = _Table.of(files)
            now = self._clock()
            self._next_scan = now + max(_RESCAN_S, 10 * (now - started))
        finally:
            self._lock.release()


def natural(name: str) -> list[tuple[int, int | str]]:
    """Return a sort key that puts `page 9` before `page 10`."""
    key: list[tuple[int, int | str]] = []
    digits = ""
    for character in f"{name.casefold()}/":
        if character in "0123456789":
            digits += character
            continue
        if digits:
            key.append((0, int(digits[:4000])))
            digits = ""
        key.append((1, character))
    return [*key, (2, name)]


def _images(root: Path) -> Iterator[tuple[str, Path]]:
    home = root.resolve()
    seen = {home}
    waiting = [("", root, 0)]
    count = 0
    while waiting:
        prefix, folder, depth = waiting.pop()
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue  # a folder that we may not read is as good as empty
        for entry in entries:
            name = unicodedata.normalize("NFC", entry.name)
            path = Path(entry.path)
            if name.startswith(".") or not _inside(entry, path, home) or not _addressable(name):
                continue
            if entry.is_dir():
                real = path.resolve()
                if depth < _DEEPEST and real not in seen:
                    seen.add(real)
                    waiting.append((f"{prefix}{name}/", path, depth + 1))
            elif path.suffix.lower() in SUFFIXES | DOCUMENTS and entry.is_file():
                count += 1
                if count > MOST_FILES:
                    raise ConfigurationError(f"{root}: more than {MOST_FILES:,} images")
                yield f"{prefix}{name}", path


def _inside(entry: os.DirEntry[str], path: Path, home: Path) -> bool:
    if not entry.is_symlink():
        return True
    try:
        inside = path.resolve(strict=True).relative_to(home)
    except (OSError, RuntimeError, ValueError):
        return False  # a link to nothing, in a circle, or out of the folder
    return not any(part.startswith(".") for part in inside.parts)


def _addressable(name: str) -> bool:
    """Return whether an address can name it: text of UTF-8 without control characters."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return not any(unicodedata.category(character) == "Cc" for character in name)
