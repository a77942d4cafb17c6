"""Tiles found by the numbers in their addresses: the same as those that are planned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.image.headers import Header, Level
from iiifserver.image.names import Names
from iiifserver.image.plan import Dimensions, Limits, make_plan
from iiifserver.image.planned import Image, StoredTile
from iiifserver.image.request import ImageRequest
from iiifserver.image.stored import Entry, Index, Kind, Stored, grid, packed, parsed
from iiifserver.sources import Source


class Asked(NamedTuple):
    """A request for a tile, as viewers of version 3 write it."""

    region: str
    size: str

    @property
    def numbers(self) -> list[str]:
        return [*self.region.split(","), *self.size.split(",")]


def stored(image: Dimensions, tile: Dimensions, levels: int, *, absent: int = -1) -> Stored:
    """Return what stands ready of an image: all tiles but that at the place *absent*."""
    count = sum(columns * rows for columns, rows in grid(image, tile, levels))
    levels_of_file = (Level(*image, 1),)
    header = Header("tiff", *image, 1, levels_of_file, 3, 8, False, False, False, 0, True)
    tiles = [None if place == absent else Entry(0, 10 * place, 7) for place in range(count)]
    kinds = [Kind(in_picture=True, format="jpg")]
    index = packed(Index("i", 1, header, tile, levels, kinds, tiles, {}, 0))
    found = parsed(lambda at, length: index[at : at + length], lambda: len(index), "i", 1, ("", ""))
    assert found is not None
    return found


def every_tile(image: Dimensions, tile: Dimensions, levels: int) -> list[Asked]:
    asked = []
    for number, (columns, rows) in enumerate(grid(image, tile, levels)):
        across, down = tile.width << number, tile.height << number
        for x in range(0, columns * across, across):
            for y in range(0, rows * down, down):
                wide, high = min(across, image.width - x), min(down, image.height - y)
                size = f"{-(-wide >> number)},{-(-high >> number)}"
                asked.append(Asked(f"{x},{y},{wide},{high}", size))
    return asked


def image_of(found: Stored, names: Names) -> Image:
    source = Source("scan", Path("scan"), 1, "i")
    return Image(source, found.header, found.image, found.image, "tag", found, names, b"")


sides = st.integers(1, 700)
LIMITS = st.sampled_from([Limits(), Limits(max_width=90), Limits(max_area=9_000)])


@given(sides, sides, st.integers(16, 200), st.integers(16, 200), st.integers(1, 7), LIMITS)
@settings(max_examples=150, deadline=None)
def test_a_named_tile_is_what_its_plan_says(
    width: int, height: int, wide: int, high: int, levels: int, limits: Limits
) -> None:
    image, tile = Dimensions(width, height), Dimensions(wide, high)
    found = stored(image, tile, levels)
    names = Names(found, limits)
    for asked in every_tile(image, tile, levels):
        place = names.find(*asked.numbers)
        if place is None:
            continue
        request = ImageRequest.parse(3, *asked, "0", "default.jpg")
        plan = make_plan(request, image, limits)
        named = StoredTile.of(image_of(found, names), asked.numbers, place)
        assert found.find(plan) == place
        assert (named.canonical, named.etag) == (plan.canonical, f"tag-{plan.pixels}")


@pytest.mark.parametrize("size", [(1300, 900), (1024, 1024), (514, 512), (2000, 30)])
def test_tiles_of_ordinary_images_are_found_but_for_the_whole(size: tuple[int, int]) -> None:
    image, tile = Dimensions(*size), Dimensions(256, 256)
    names = Names(stored(image, tile, 4), Limits())
    whole = f"0,0,{image.width},{image.height}"
    for asked in every_tile(image, tile, 4):
        assert (names.find(*asked.numbers) is None) == (asked.region == whole), asked


@pytest.mark.parametrize(
    "numbers",
    [
        ("0", "0", "256", "256", "255", "256"),
        ("00", "0", "256", "256", "256", "256"),
        ("1", "0", "256", "256", "256", "256"),
        ("0", "0", "512", "256", "256", "256"),
        ("0", "0", "512", "512", "512", "512"),
        ("", "", "", "", "", ""),
        ("0", "0", "256", "256", "256", "\u0662\u0665\u0666"),
    ],
)
def test_other_numbers_name_nothing(numbers: Any) -> None:
    names = Names(stored(Dimensions(1300, 900), Dimensions(256, 256), 3), Limits())
    assert names.find("256", "512", "256", "256", "256", "256")
    assert names.find(*numbers) is None


def test_what_may_be_of_two_levels_is_none() -> None:
    image, tile = Dimensions(1, 700), Dimensions(64, 64)
    found = stored(image, tile, 3)
    assert Names(found, Limits()).find("0", "0", "1", "64", "1", "64") is None


def test_a_tile_that_does_not_stand_ready_is_not_found() -> None:
    image, tile = Dimensions(1300, 900), Dimensions(256, 256)
    names = Names(stored(image, tile, 3, absent=1), Limits())
    assert names.find("256", "0", "256", "256", "256", "256") is None
    assert names.find("512", "0", "256", "256", "256", "256") is not None
