"""Squares become the tiles of all levels; Pillow judges what halves are."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from image_sources import picture
from PIL import Image

from iiifserver.image.job import Encoding
from iiifserver.image.plan import Dimensions
from iiifserver.image.render.cutting import Cutter
from iiifserver.image.render.squares import cut_up

TILE = 64
BEST = Encoding(jpeg_quality=100)


def squares(image: Image.Image) -> Iterator[Any]:
    """Yield the picture as `render.squares` does."""
    samples = np.asarray(image)
    return cut_up(samples.reshape(*samples.shape[:2], -1), TILE)


def levels_of(image: Image.Image) -> list[Image.Image]:
    """Return what each level is to be: halves of the one before, rounded to whole numbers."""
    levels = [image]
    while max(levels[-1].size) > TILE:
        levels.append(levels[-1].reduce(2))
    return levels


def opened(jpeg: bytes) -> Image.Image:
    return Image.open(io.BytesIO(jpeg))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBX"])
@pytest.mark.parametrize(
    "size",
    [
        (1, 1),
        (64, 64),
        (128, 192),
        (65, 129),
        (129, 65),
        (250, 3),
        (3, 250),
        (321, 257),
        (385, 450),
    ],
)
def test_tiles_are_halves_of_halves(size: tuple[int, int], mode: str) -> None:
    image = picture(*size).convert(mode)
    expected = [level.convert(mode.rstrip("X")) for level in levels_of(image)]
    cutter = Cutter(Dimensions(*size), TILE, BEST)
    assert [*cutter.levels] == [level.size for level in expected]
    seen = []
    for tile in cutter.cut(squares(image)):
        level = expected[tile.level]
        row, column = divmod(tile.number, -(-level.width // TILE))
        left, top = column * TILE, row * TILE
        right, bottom = min(left + TILE, level.width), min(top + TILE, level.height)
        part = level.crop((left, top, right, bottom))
        stored, shown = opened(tile.stored), opened(tile.shown or tile.stored)
        assert (stored.size, stored.mode) == ((TILE, TILE), part.mode)
        assert (shown.size, shown.mode) == (part.size, part.mode)
        assert (tile.shown is None) == (part.size == (TILE, TILE))
        for given in (shown, stored.crop((0, 0, *part.size))):
            difference = np.abs(np.asarray(given).astype(int) - np.asarray(part))
            assert difference.max() <= 12, tile[:2]
            assert difference.mean() < 2, tile[:2]
        seen.append(tile[:2])
    grids = [-(-level.width // TILE) * -(-level.height // TILE) for level in expected]
    assert sorted(seen) == [(level, n) for level, count in enumerate(grids) for n in range(count)]


def test_tiles_come_in_whole_rows_and_coarser_ones_first() -> None:
    """So equal scans are equal files, and tiles that are asked together lie together."""
    cutter = Cutter(Dimensions(130, 200), TILE, Encoding())
    given = [tile[:2] for tile in cutter.cut(squares(Image.new("RGB", (130, 200))))]
    row = [[(0, first + column) for column in range(3)] for first in (0, 3, 6, 9)]
    coarser = [[(1, 0), (1, 1)], [(2, 0)], [(1, 2), (1, 3)]]
    assert given == [*row[0], *coarser[0], *row[1], *row[2], *coarser[1], *coarser[2], *row[3]]


def test_what_fills_a_tile_up_does_not_shine_into_the_picture() -> None:
    image = Image.new("RGB", (70, 90), "white")
    image.putpixel((69, 89), (0, 0, 0))  # with its colour the rest is filled
    for tile in Cutter(Dimensions(70, 90), TILE, Encoding()).cut(squares(image)):
        stored = np.asarray(opened(tile.stored))
        if tile.level == 0 and tile.number == 1:
            assert stored[:, :6].min() >= 254
        if tile.level == 0 and tile.number == 2:
            assert stored[:26].min() >= 254


@pytest.mark.parametrize("asked", [(100, 75), (90, 67), (200, 150), (250, 188), (317, 238)])
def test_small_pictures_are_made_of_the_levels(asked: tuple[int, int]) -> None:
    image = picture(400, 300)
    cutter = Cutter(Dimensions(400, 300), TILE, BEST)
    assert len(list(cutter.cut(squares(image)))) > 35
    jpeg = cutter.whole(Dimensions(*asked))
    assert jpeg
    given, expected = opened(jpeg), image.resize(asked, Image.Resampling.LANCZOS, reducing_gap=1.5)
    assert given.size == asked
    assert np.abs(np.asarray(given).astype(int) - np.asarray(expected)).mean() < 3


def test_no_level_that_is_large_is_kept() -> None:
    cutter = Cutter(Dimensions(2100, 20), TILE, Encoding())
    assert list(cutter.cut(squares(Image.new("L", (2100, 20)))))
    assert cutter.whole(Dimensions(1050, 10)) is not None
    assert cutter.whole(Dimensions(1049, 10)) is None
