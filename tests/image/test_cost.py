"""What a picture is said to cost, before it is made: who has to wait for whom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from iiifserver.image.cost import cost_ms
from iiifserver.image.headers import Format, Header, Level
from iiifserver.image.making import build_ms
from iiifserver.image.plan import Dimensions, Limits, make_plan
from iiifserver.image.request import ImageRequest

WIDTH, HEIGHT = 6000, 4000


def header(form: Format, *, tiled: bool = False, streams: bool = True) -> Header:
    side = 512 if tiled else 0
    scales = (1, 2, 4, 8) if tiled or form == "jpeg" else (1,)
    levels = tuple(
        Level(WIDTH // scale, HEIGHT // scale, scale, page, -1, side, side)
        for page, scale in enumerate(scales)
    )
    return Header(form, WIDTH, HEIGHT, 1, levels, 3, 8, False, False, False, 1 << 20, streams)


PYRAMID, FLAT = header("tiff", tiled=True), header("tiff")
JPEG, PROGRESSIVE = header("jpeg"), header("jpeg", streams=False)
CORNER, LAST = "0,0,512,512/max/0/default.jpg", "5488,3488,512,512/max/0/default.jpg"
WHOLE = "full/max/0/default.jpg"


def cost(what: Header, asked: str) -> float:
    request = ImageRequest.parse(3, *asked.split("/"))
    return cost_ms(what, make_plan(request, Dimensions(WIDTH, HEIGHT), Limits()))


@pytest.mark.parametrize(
    ("cheaper", "dearer"),
    [
        ((PYRAMID, CORNER), (PYRAMID, WHOLE)),
        ((PYRAMID, LAST), (FLAT, LAST)),  # a tile lies where it lies
        ((FLAT, CORNER), (FLAT, LAST)),  # all rows above it are read
        ((JPEG, LAST), (PROGRESSIVE, LAST)),
        ((PYRAMID, "full/!200,200/0/default.jpg"), (JPEG, "full/!200,200/0/default.jpg")),
        ((PYRAMID, WHOLE), (PYRAMID, "full/max/90/default.jpg")),
        ((PYRAMID, "full/max/90/default.jpg"), (PYRAMID, "full/max/33/default.jpg")),
        ((PYRAMID, "full/max/0/default.jpg"), (PYRAMID, "full/max/0/default.png")),
        ((PYRAMID, "full/max/0/default.png"), (PYRAMID, "full/max/0/default.gif")),
        ((PYRAMID, "0,0,512,512/max/0/default.jpg"), (PYRAMID, "0,0,512,512/^2048,/0/default.jpg")),
        ((header("png"), WHOLE), (header("avif", streams=False), WHOLE)),
    ],
)
def test_one_request_costs_more_than_the_other(
    cheaper: tuple[Header, str], dearer: tuple[Header, str]
) -> None:
    assert cost(*cheaper) * 1.1 < cost(*dearer)


def test_two_overviews_of_a_jpeg_cost_less_than_half_of_its_pyramid() -> None:
    assert 4 * cost(JPEG, "full/!200,200/0/default.jpg") < build_ms(JPEG)  # or they would wait


def test_what_is_held_whole_costs_the_same_wherever_the_region_lies() -> None:
    assert cost(PROGRESSIVE, CORNER) == cost(PROGRESSIVE, LAST)


def test_a_tile_of_a_pyramid_costs_the_same_however_large_the_scan_is() -> None:
    larger = replace(PYRAMID, width=WIDTH * 4, height=HEIGHT * 4)
    assert cost(larger, CORNER) == cost(PYRAMID, CORNER) < 20
