"""Rows of pixels -> the tiles of a pyramid: every level is halved and encoded as its rows come.

So a scan is decoded once, and of each level no more is held than one row of tiles. Halves are
averages of two by two pixels, of what is left of them at the end: docs/decisions/0002-one-grid.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import truediv
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyvips
from PIL import Image

from iiifserver.image.info import reduced, scale_factors
from iiifserver.image.job import Encoding
from iiifserver.image.plan import Dimensions

from .tile import encoded

if TYPE_CHECKING:
    from .rows import Numbers

_HALVED_ROWS = 64  # at a time; an even number
_LONGEST_KEPT = 2048  # side of the levels of which small pictures are made
_LARGER = 1.25  # how much larger a level is at least than what is made of it
_BLOCK = 16  # what JPEG codes together, chroma subsampled
_MODES = {1: "L", 4: "RGBX"}  # by the bytes of a pixel


class Tile(NamedTuple):
    """A tile as JPEG: *stored* as large as all others; *shown* without what fills it up."""

    level: int
    number: int
    """Counts row by row."""
    stored: bytes
    shown: bytes | None
    """None where nothing had to be filled up."""


class Cutter:
    """The levels of one picture, down to the first that fits one tile."""

    def __init__(self, image: Dimensions, tile: int, encoding: Encoding) -> None:
        factors = scale_factors(image, Dimensions(tile, tile))
        self.levels = [reduced(image, factor) for factor in factors]
        self._encoding = encoding
        self._bands: list[_Band] = []  # coarsest first
        for number, size in reversed(list(enumerate(self.levels))):
            below = self._bands[-1] if self._bands else None
            self._bands.append(_Band(number, size, tile, encoding, below))

    def cut(self, rows: Iterable[Numbers]) -> Iterator[Tile]:
        """Yield the tiles of all levels, as they become whole; *rows* come from the top."""
        for some in rows:
            yield from self._bands[-1].take(some)

    def whole(self, size: Dimensions) -> bytes | None:
        """Return the whole picture in this size, after all is cut; None where no level serves.

        It is made of the coarsest level that has its size, or is so much larger that it is sharp.
        """
        for level, band in zip(reversed(self.levels), self._bands, strict=True):
            larger = min(map(truediv, level, size))
            serves = level in (size, self.levels[0]) or larger >= _LARGER
            pixels = band.kept() if serves else None
            if pixels is not None:
                return encoded(_samples(_resized(pixels, size)), self._encoding)
        return None


class _Band:
    """The row of tiles of one level that is being filled."""

    def __init__(
        self, number: int, size: Dimensions, tile: int, encoding: Encoding, below: _Band | None
    ) -> None:
        self._number = number
        self._kept: list[Numbers] = []
        self._size = size
        self._tile = tile
        self._encoding = encoding
        self._below = below
        self._held: Numbers | None = None
        self._filled = 0
        self._halved = 0
        self._row = 0

    def kept(self) -> Numbers | None:
        """Return the whole level, None where it is too large to be kept."""
        if len(self._kept) > 1:
            self._kept = [np.vstack(self._kept)]
        return self._kept[0] if self._kept else None

    def take(self, rows: Numbers) -> Iterator[Tile]:
        """Yield the tiles that are whole with *rows*, here and on all levels below."""
        while len(rows):
            wanted = min(self._tile, self._size.height - self._row * self._tile)
            if not self._filled and len(rows) >= wanted:
                band, rows = np.ascontiguousarray(rows[:wanted]), rows[wanted:]
                self._filled = wanted
            else:
                if self._held is None:
                    self._held = np.empty((self._tile, self._size.width), rows.dtype)
                count = min(wanted - self._filled, len(rows))
                self._held[self._filled : self._filled + count] = rows[:count]
                band, rows = self._held[:wanted], rows[count:]
                self._filled += count
            yield from self._pass_on(band)
            if self._filled == wanted:
                yield from self._cut(band)
                self._filled = self._halved = 0
                self._row += 1

    def _pass_on(self, band: Numbers) -> Iterator[Tile]:
        """Give the level below what can be halved by now: as long as the processor has it."""
        while self._below and self._halved < self._filled:
            end = min(self._halved + _HALVED_ROWS, self._filled)
            if end < self._halved + _HALVED_ROWS and end < len(band):
                return
            part, self._halved = band[self._halved : end], end
            yield from self._below.take(_halved(part))

    def _cut(self, rows: Numbers) -> Iterator[Tile]:
        room = np.empty(self._tile**2, rows.dtype)  # the same for all: new memory costs more
        lefts = range(0, self._size.width, self._tile)
        first = self._row * len(lefts)
        for column, left in enumerate(lefts):
            part = rows[:, left : left + self._tile]
            cell: Numbers = room[: part.size].reshape(part.shape)
            cell[...] = part
            shown = None
            if part.shape != (self._tile, self._tile):
                shown = self._encoded(cell)
                cell = room.reshape(self._tile, self._tile)
                _fill_up(cell, part)
            yield Tile(self._number, first + column, self._encoded(cell), shown)
        if max(self._size) <= _LONGEST_KEPT:
            self._kept.append(rows.copy())

    def _encoded(self, numbers: Numbers) -> bytes:
        return encoded(_samples(numbers), self._encoding)


def _samples(numbers: Numbers) -> Any:
    """Return rows, columns and bands."""
    return numbers.view(np.uint8).reshape(*numbers.shape, numbers.itemsize)


def _halved(rows: Numbers) -> Numbers:
    mode = _MODES[rows.itemsize]
    image = Image.frombuffer(mode, rows.shape[::-1], rows, "raw", mode, 0, 1).reduce(2)
    halves: Numbers = np.frombuffer(image.tobytes(), rows.dtype)
    return halves.reshape(image.height, image.width)


def _resized(rows: Numbers, size: Dimensions) -> Numbers:
    if rows.shape == (size.height, size.width):
        return rows
    height, width = rows.shape
    image = pyvips.Image.new_from_memory(rows, width, height, rows.itemsize, "uchar")
    image = image.reducev(height / size.height, kernel="lanczos3")
    image = image.reduceh(width / size.width, kernel="lanczos3")
    resized: Numbers = np.frombuffer(image.write_to_memory(), rows.dtype)
    return resized.reshape(size.height, size.width)


def _fill_up(cell: Numbers, part: Numbers) -> None:
    """Make *cell* begin with *part*, its last blocks filled with the edge, the rest with a colour.

    Black would shine through JPEG into the picture.
    """
    height, width = part.shape
    high, wide = (-(-side // _BLOCK) * _BLOCK for side in part.shape)
    cell[:height, :width] = part
    cell[:height, width:wide] = part[:, -1:]
    cell[height:high, :wide] = cell[height - 1, :wide]
    cell[:high, wide:] = cell[high:] = part[-1, -1]
