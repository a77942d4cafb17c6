"""Writing a pyramid: a TIFF of JPEG tiles, one page a level, finest first.

All directories stand at the beginning of the file, in one piece, and each tile is a JPEG with its
own tables: whoever sends one sends a part of the file as it is.

TIFF 6.0: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
TIFF Technical Note 2: https://www.awaresystems.be/imaging/tiff/specification/TIFFTechNote2.txt
BigTIFF: http://bigtiff.org
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, NamedTuple

from .plan import Dimensions

_SHORT, _LONG, _RATIONAL, _LONG8 = 3, 4, 5, 16
_CODES = {_SHORT: "H", _LONG: "I", _RATIONAL: "I", _LONG8: "Q"}
_REDUCED = 1
_JPEG = 7
_GRAY, _YCBCR = 1, 6
_CLASSIC_PIXELS = 1 << 30  # a classic TIFF ends at 4 GiB, and noise takes 2 bytes a pixel


class _Entry(NamedTuple):
    tag: int
    kind: int
    values: Sequence[int]


@dataclass(frozen=True, slots=True)
class Samples:
    """What pixels are made of: gray, or luma and chroma, of which both sides may be *halved*."""

    gray: bool
    halved: bool


class TiledTiff:
    """The tiles of a pyramid, in any order; `finish` makes a TIFF of them."""

    def __init__(
        self, file: IO[bytes], levels: Sequence[Dimensions], tile: int, samples: Samples
    ) -> None:
        """Begin with an empty *file*, and leave room for its directories."""
        self._file = file
        self._levels = levels
        self._tile = tile
        self._samples = samples
        self._big = levels[0].width * levels[0].height > _CLASSIC_PIXELS
        self.counts = [-(-width // tile) * -(-height // tile) for width, height in levels]
        self._offsets = [[0] * count for count in self.counts]
        self._lengths = [[0] * count for count in self.counts]
        file.seek(len(self._front()))

    def add(self, level: int, number: int, jpeg: bytes) -> int:
        """Write a tile, of which *number* counts row by row; return its offset."""
        offset = self._file.tell()
        self._offsets[level][number] = offset
        self._lengths[level][number] = len(jpeg)
        self._file.write(jpeg)
        return offset

    def finish(self) -> bytes:
        """Write the directories, after the last tile, and return all that stands before tiles."""
        front = self._front()
        self._file.seek(0)
        self._file.write(front)
        return front

    def _front(self) -> bytes:
        """Return all that comes before the tiles; its length does not depend on what they are."""
        made = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) if self._big else b"II*\0\x08\0\0\0"
        for number in range(len(self._levels)):
            last = number == len(self._levels) - 1
            made += self._directory(list(self._entries(number)), len(made), last=last)
        return made

    def _entries(self, number: int) -> Iterator[_Entry]:
        width, height = self._levels[number]
        gray = self._samples.gray
        yield _Entry(254, _LONG, [_REDUCED if number else 0])
        yield _Entry(256, _LONG, [width])
        yield _Entry(257, _LONG, [height])
        yield _Entry(258, _SHORT, [8] if gray else [8, 8, 8])
        yield _Entry(259, _SHORT, [_JPEG])
        yield _Entry(262, _SHORT, [_GRAY if gray else _YCBCR])
        yield _Entry(277, _SHORT, [1 if gray else 3])
        yield _Entry(282, _RATIONAL, [1, 1])  # pixels to no unit, across and down: not known
        yield _Entry(283, _RATIONAL, [1, 1])
        yield _Entry(284, _SHORT, [1])
        yield _Entry(296, _SHORT, [1])
        yield _Entry(322, _LONG, [self._tile])
        yield _Entry(323, _LONG, [self._tile])
        yield _Entry(324, _LONG8 if self._big else _LONG, self._offsets[number])
        yield _Entry(325, _LONG, self._lengths[number])
        if not gray:
            yield _Entry(530, _SHORT, [2, 2] if self._samples.halved else [1, 1])

    def _directory(self, entries: list[_Entry], start: int, *, last: bool) -> bytes:
        """Return a directory that stands at *start*, and what does not fit into its entries."""
        count, pointer = ("<Q", "<Q") if self._big else ("<H", "<I")
        room = struct.calcsize(pointer)
        entry_bytes = 4 + 2 * room
        beyond = start + struct.calcsize(count) + len(entries) * entry_bytes + room
        table, values = struct.pack(count, len(entries)), b""
        for tag, kind, numbers in entries:
            packed = struct.pack(f"<{len(numbers)}{_CODES[kind]}", *numbers)
            how_many = len(numbers) // 2 if kind == _RATIONAL else len(numbers)
            if len(packed) > room:
                held = struct.pack(pointer, beyond + len(values))
                values += packed + bytes(-len(packed) % 8)
            else:
                held = packed.ljust(room, b"\0")
            table += struct.pack("<HH", tag, kind) + struct.pack(pointer, how_many) + held
        # the next one begins on a word
        values += bytes(-(beyond + len(values)) % 8)
        following = 0 if last else beyond + len(values)
        return table + struct.pack(pointer, following) + values
