"""Squares of pixels -> the tiles of a pyramid: each is encoded and halved as soon as it comes.

So a scan is decoded once, and of each level but the finest, which whoever decodes it may hold, no
more is held than half a row of tiles. Halves are averages of two by two pixels, of what is left of
them at the end: docs/decisions/0002-one-grid.md.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import truediv
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyvips
from PIL import Image

from iiifserver.image.info import reduced, scale_factors
from iiifserver.image.job import Encoding
from iiifserver.image.plan import Dimensions

from .tile import encoded

if TYPE_CHECKING:
    from .squares import Pixels

_LONGEST_KEPT = 2048  # side of the levels of which small pictures are made
_LARGER = 1.25  # how much larger a level is at least than what is made of it
_BLOCK = 16  # what JPEG codes together, chroma subsampled
_MOST_WAITING = 8
_MODES = {1: "L", 3: "RGB", 4: "RGBX"}  # by the bytes of a pixel


class Tile(NamedTuple):
    """A tile as JPEG: *stored* as large as all others; *shown* without what fills it up."""

    level: int
    number: int
    """Counts row by row."""
    stored: bytes
    shown: bytes | None
    """None where nothing had to be filled up."""


Later = Callable[[Callable[[], Tile]], Callable[[], Tile]]
"""Has a tile cut; what is returned waits for it."""


def at_once(cut: Callable[[], Tile]) -> Callable[[], Tile]:
    """Have a tile cut now."""
    tile = cut()
    return lambda: tile


@contextlib.contextmanager
def by_and_by() -> Iterator[Later]:
    """Have tiles cut by a thread of their own, for the length of a `with`; few wait at one time."""
    room = threading.Semaphore(_MOST_WAITING)

    def later(cut: Callable[[], Tile]) -> Callable[[], Tile]:
        room.acquire()
        future = thread.submit(cut)
        future.add_done_callback(lambda _: room.release())
        return future.result

    with ThreadPoolExecutor(1) as thread:
        yield later


class Cutter:
    """The levels of one picture, down to the first that fits one tile."""

    def __init__(
        self, image: Dimensions, tile: int, encoding: Encoding, later: Later = at_once
    ) -> None:
        factors = scale_factors(image, Dimensions(tile, tile))
        self.levels = [reduced(image, factor) for factor in factors]
        self._encoding = encoding
        self._bands: list[_Band] = []  # coarsest first
        halver = _Halver()
        for number, size in reversed(list(enumerate(self.levels))):
            below = self._bands[-1] if self._bands else None
            self._bands.append(_Band(number, size, tile, encoding, halver, later, below))

    def cut(self, squares: Iterable[Pixels]) -> Iterator[Tile]:
        """Yield the tiles of all levels, row by row, made of the *squares* of the finest.

        They come as `squares` yields them, with the tiles' side.
        """
        for square in squares:
            yield from self._bands[-1].take(square)

    def whole(self, size: Dimensions) -> bytes | None:
        """Return the whole picture in this size, after all is cut; None where no level serves.

        It is made of the coarsest level that has its size, or is so much larger that it is sharp.
        """
        for level, band in zip(reversed(self.levels), self._bands, strict=True):
            larger = min(map(truediv, level, size))
            serves = level in (size, self.levels[0]) or larger >= _LARGER
            if serves and band.kept is not None:
                return encoded(_resized(band.kept, size), self._encoding)
        return None


class _Band:
    """One level, of whose squares come one after the other; of those above, their halves."""

    def __init__(
        self,
        number: int,
        size: Dimensions,
        tile: int,
        encoding: Encoding,
        halver: _Halver,
        later: Later,
        below: _Band | None,
    ) -> None:
        self._number = number
        self._halved = halver
        self._later = later
        self._size = size
        self._tile = tile
        self._encoding = encoding
        self._below = below
        self._across = -(-size.width // tile)
        self._halves_across, self._halves_down = (-(-side // (tile // 2)) for side in size)
        self._squares = 0
        self._row: list[Callable[[], Tile]] = []
        self._halves = 0
        self._upper: Pixels | None = None  # in one piece, all of a row of squares
        self._lower: list[Pixels] = []  # of one square
        self.kept: Pixels | None = None
        """The whole level, where it is not too large."""

    def take(self, square: Pixels) -> Iterator[Tile]:
        """Yield the tiles that are whole with *square*, the next one: here after levels below."""
        row, column = divmod(self._squares, self._across)
        self._keep(square, row * self._tile, column * self._tile)
        self._row.append(self._later(partial(self._cut, square, self._squares)))
        self._squares += 1
        if self._below:
            yield from self._below.take_half(self._halved(square))
        if column == self._across - 1:
            yield from (tile() for tile in self._row)
            self._row.clear()

    def take_half(self, half: Pixels) -> Iterator[Tile]:
        """Yield the tiles that are whole with *half*, of the next square of the level above."""
        row, column = divmod(self._halves, self._halves_across)
        self._halves += 1
        if row % 2 == 0 and row < self._halves_down - 1:
            self._hold(half, column)
            return
        self._lower.append(half)
        if column % 2 == 0 and column < self._halves_across - 1:
            return
        square = np.concatenate(self._lower, axis=1)
        self._lower.clear()
        if row % 2 and self._upper is not None:
            left = column // 2 * self._tile
            upper = self._upper[:, left : left + square.shape[1]]
            square = np.concatenate((upper, square))
        yield from self.take(square)

    def _hold(self, half: Pixels, column: int) -> None:
        side, wide, bands = half.shape
        if self._upper is None:
            self._upper = np.empty((side, self._size.width, bands), np.uint8)
        left = column * (self._tile // 2)
        self._upper[:, left : left + wide] = half

    def _cut(self, square: Pixels, number: int) -> Tile:
        jpeg = encoded(square, self._encoding)
        if square.shape[:2] == (self._tile, self._tile):
            return Tile(self._number, number, jpeg, None)
        filled = encoded(_filled_up(square, self._tile), self._encoding)
        return Tile(self._number, number, filled, jpeg)

    def _keep(self, square: Pixels, top: int, left: int) -> None:
        if max(self._size) > _LONGEST_KEPT:
            return
        height, width, bands = square.shape
        if self.kept is None:
            self.kept = np.empty((self._size.height, self._size.width, bands), np.uint8)
        self.kept[top : top + height, left : left + width] = square


class _Halver:
    """Makes pictures half as large; its room is used again: new memory costs more."""

    def __init__(self) -> None:
        self._room = Image.new("L", (0, 0))

    def __call__(self, pixels: Pixels) -> Pixels:
        """Return the averages of two by two *pixels*, of what is left of them at the end."""
        height, width, bands = pixels.shape
        mode = _MODES[bands]
        if (self._room.mode, self._room.size) != (mode, (width, height)):
            self._room = Image.new(mode, (width, height), None)
        self._room.frombytes(pixels, "raw", mode, 0, 1)
        half = self._room.reduce(2)
        return np.frombuffer(half.tobytes(), np.uint8).reshape(half.height, half.width, bands)


def _resized(pixels: Pixels, size: Dimensions) -> Pixels:
    height, width, bands = pixels.shape
    if (width, height) == size:
        return pixels
    image = pyvips.Image.new_from_memory(pixels, width, height, bands, "uchar")
    image = image.reducev(height / size.height, kernel="lanczos3")
    image = image.reduceh(width / size.width, kernel="lanczos3")
    resized = np.frombuffer(image.write_to_memory(), np.uint8)
    return resized.reshape(size.height, size.width, bands)


def _filled_up(part: Pixels, side: int) -> Pixels:
    """Return *part* in a square, its last blocks filled with its edge, the rest with a colour.

    Black would shine through JPEG into the picture.
    """
    height, width, bands = part.shape
    high, wide = (-(-each // _BLOCK) * _BLOCK for each in (height, width))
    square = np.empty((side, side, bands), np.uint8)
    square[:height, :width] = part
    square[:height, width:wide] = part[:, -1:]
    square[height:high, :wide] = square[height - 1, :wide]
    colour = np.full((side, bands), part[-1, -1])  # a row of it is laid down much quicker
    square[:high, wide:], square[high:] = colour[wide:], colour
    return square
