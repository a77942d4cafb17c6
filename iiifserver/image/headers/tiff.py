"""The directories of a TIFF, as tags and numbers; what they mean is told in `pyramid`.

Also reads EXIF, which is a TIFF without pixels.
TIFF 6.0, section 2: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
BigTIFF: http://bigtiff.org
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from iiifserver.errors import BrokenSource

from .window import Window

_MAX_DIRECTORIES = 64
_MAX_ENTRIES = 1024
_ORIENTATION = 274
_CODES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "B", 7: "B", 13: "I", 16: "Q", 18: "Q"}
_SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}
_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)  # of a value, by its type
_SUBIFDS = 330


class _Entry(NamedTuple):
    code: str  # of `struct`; empty for a type that holds no integers
    values: int
    offset: int  # of the values, also where they lie in the entry itself


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory; `name` is what errors call it."""

    window: Window
    name: str
    order: str  # "<" or ">", as `struct` has it
    entries: dict[int, _Entry]
    following: int  # the offset of the next directory, 0 after the last
    offset: int

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def count(self, tag: int) -> int:
        """Return how many values the tag claims to have, 0 if it is absent."""
        return self.entries[tag].values if tag in self.entries else 0

    def integer(self, tag: int, default: int | None = None) -> int:
        """Return the tag's first value; without a *default* its absence is an error."""
        values = self.integers(tag, 0, 1)
        if values:
            return values[0]
        if default is None:
            raise BrokenSource(f"{self.name} has no tag {tag}")
        return default

    def integers(self, tag: int, start: int, stop: int) -> tuple[int, ...]:
        """Return the tag's values from *start* up to *stop*, or as many as it has."""
        if tag not in self.entries:
            return ()
        code, count, offset = self.entries[tag]
        what = f"tag {tag} of {self.name}"
        if not code:
            raise BrokenSource(f"{what} is not of a type that holds integers")
        size = _SIZES[code]
        if offset + count * size > self.window.size_bytes:
            raise BrokenSource(
                f"{what} claims {count} values at {offset}, "
                f"outside the file of {self.window.size_bytes} bytes"
            )
        stop = min(stop, count)
        if start >= stop:
            return ()
        form = f"{self.order}{stop - start}{code}"
        return self.window.unpack(form, offset + start * size, what)


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where things lie in a directory: what differs between classic TIFF and BigTIFF."""

    order: str
    entries: str  # the number of entries
    pointer: str
    entry_bytes: int

    @property
    def pointer_bytes(self) -> int:
        return _SIZES[self.pointer]


def read_directories(window: Window, most: int = _MAX_DIRECTORIES) -> Iterator[Directory]:
    """Yield the top-level directories in their order, at most *most* of them.

    Raises:
        BrokenSource: one lies outside the file, or they form a loop.
    """
    layout, offset = _read_layout(window)
    seen: set[int] = set()
    for index in range(most):
        if offset in seen:
            raise BrokenSource(f"TIFF directory {index} at {offset} was there before: a loop")
        seen.add(offset)
        directory = _read_directory(window, layout, offset, f"TIFF directory {index}")
        yield directory
        offset = directory.following
        if not offset:
            return


def read_subdirectories(parent: Directory, tag: int) -> Iterator[Directory]:
    """Yield the directories that *tag* points to, the first 64 of them."""
    layout, _ = _read_layout(parent.window)
    for index, offset in enumerate(parent.integers(tag, 0, _MAX_DIRECTORIES)):
        name = f"SubIFD {index} of {parent.name}"
        yield _read_directory(parent.window, layout, offset, name)


def take_tags(window: Window) -> None:
    """Read all that the directories of a TIFF say, so that *window* has it: all but the pixels.

    Raises:
        BrokenSource: one lies outside the file, or they are too large.
    """
    layout, _ = _read_layout(window)
    for directory in read_directories(window):
        for each in (directory, *read_subdirectories(directory, _SUBIFDS)):
            _take_values(window, layout, each)


def _take_values(window: Window, layout: _Layout, directory: Directory) -> None:
    """Read the values of a directory that do not lie within it."""
    (count,) = window.unpack(layout.order + layout.entries, directory.offset, directory.name)
    table = directory.offset + _SIZES[layout.entries]
    for place in range(table, table + count * layout.entry_bytes, layout.entry_bytes):
        form = f"{layout.order}HH{layout.pointer}"
        _, kind, values = window.unpack(form, place, directory.name)
        size_bytes = values * (_BYTES[kind] if kind < len(_BYTES) else 0)
        if size_bytes > layout.pointer_bytes:
            held = place + 4 + layout.pointer_bytes
            (elsewhere,) = window.unpack(layout.order + layout.pointer, held, directory.name)
            window.take(elsewhere, size_bytes, directory.name)


def exif_orientation(exif: bytes) -> int:
    """Return the orientation, 1 to 8, that a block of EXIF names; 1 if it names none.

    Damaged EXIF is as good as none: it is no reason to withhold the picture.
    """
    window = Window(lambda offset, length: exif[offset : offset + length], len(exif))
    try:
        value = next(read_directories(window)).integer(_ORIENTATION, 1)
    except BrokenSource:
        return 1
    return value if 1 <= value <= 8 else 1


def _read_layout(window: Window) -> tuple[_Layout, int]:
    """Return the file's layout and the offset of its first directory."""
    order = {b"II": "<", b"MM": ">"}.get(window.take(0, 2, "the TIFF header"))
    if order is None:
        raise BrokenSource("the TIFF names no byte order")
    (version,) = window.unpack(f"{order}H", 2, "the TIFF header")
    if version == 42:
        (first,) = window.unpack(f"{order}I", 4, "the TIFF header")
        return _Layout(order, "H", "I", 12), first
    if version == 43:
        size, zero, first = window.unpack(f"{order}HHQ", 4, "the BigTIFF header")
        if (size, zero) == (8, 0):
            return _Layout(order, "Q", "Q", 20), first
    raise BrokenSource(f"neither TIFF nor BigTIFF: version {version}")


def _read_directory(window: Window, layout: _Layout, offset: int, name: str) -> Directory:
    order, pointer = layout.order, layout.pointer
    (count,) = window.unpack(order + layout.entries, offset, name)
    if not 0 < count <= _MAX_ENTRIES:
        raise BrokenSource(f"{name} claims {count} entries")
    table = offset + _SIZES[layout.entries]
    after = table + count * layout.entry_bytes
    window.take(table, after + layout.pointer_bytes - table, name)
    entries: dict[int, _Entry] = {}
    for place in range(table, after, layout.entry_bytes):
        tag, kind, values = window.unpack(f"{order}HH{pointer}", place, name)
        code = _CODES.get(kind, "")
        held = place + 4 + layout.pointer_bytes
        if code and values * _SIZES[code] <= layout.pointer_bytes:
            entries.setdefault(tag, _Entry(code, values, held))
        else:
            (elsewhere,) = window.unpack(order + pointer, held, name)
            entries.setdefault(tag, _Entry(code, values, elsewhere))
    (following,) = window.unpack(order + pointer, after, name)
    return Directory(window, name, order, entries, following, offset)
