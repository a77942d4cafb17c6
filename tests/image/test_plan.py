"""What requests mean, sentence by sentence, for the specification's own picture of 300 x 200.

Expected values are worked out by hand or are those of the specification's examples.
"""

from __future__ import annotations

import math
from contextlib import suppress
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from viewer_requests import SPELLINGS, leaflet_tiles, openseadragon_tiles

from iiifserver.errors import BadRequest, NotSupported, RequestError
from iiifserver.image.info import Description, info
from iiifserver.image.plan import Box, Dimensions, Limits, Plan, make_plan, rotated
from iiifserver.image.request import ImageRequest, Version

BOTH: tuple[Version, ...] = (3, 2)
PICTURE = Dimensions(300, 200)
STILL = {"upscaling": False}


def row(name: str, *values: object) -> object:
    return pytest.param(*values, id=name)


def plan(version: Version, path: str, image: tuple[int, int] = PICTURE, **limits: Any) -> Plan:
    request = ImageRequest.parse(version, *path.split("/"))
    return make_plan(request, Dimensions(*image), Limits(**limits))


def size_of(version: Version, size: str, **limits: Any) -> tuple[int, int]:
    planned = plan(version, f"full/{size}/0/default.jpg", **limits)
    return planned.width, planned.height


def refusal(version: Version, path: str, **options: Any) -> RequestError:
    with pytest.raises(RequestError) as caught:
        plan(version, path, **options)
    return caught.value


# -- 4.1 region


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("region", "image", "box"),
    [
        row("4.1 full: without any cropping", "full", PICTURE, (0, 0, 300, 200)),
        row("4.1 square: the shorter side, centred", "square", PICTURE, (50, 0, 200, 200)),
        row("4.1 square of a tall image", "square", (200, 300), (0, 50, 200, 200)),
        row("4.1 square, an odd rest", "square", (257, 511), (0, 127, 257, 257)),
        row("4.1 square of a line", "square", (1, 20_000), (0, 9_999, 1, 1)),
        row("4.1 example 3", "125,15,120,140", PICTURE, (125, 15, 120, 140)),
        row("4.1 example 4", "pct:41.6,7.5,40,70", PICTURE, (125, 15, 120, 140)),
        row("4.1 cropped at the edge, example 5", "125,15,200,200", PICTURE, (125, 15, 175, 185)),
        row(
            "4.1 cropped at the edge, example 6",
            "pct:41.6,7.5,66.6,100",
            PICTURE,
            (125, 15, 175, 185),
        ),
        row("4.1 position 0,0 is the upper left pixel", "0,0,1,1", PICTURE, (0, 0, 1, 1)),
        row("4.1 the last pixel", "299,199,1,1", PICTURE, (299, 199, 1, 1)),
        row("4.1 far more than the image", "0,0,999999999,999999999", PICTURE, (0, 0, 300, 200)),
        row("4.1 pct: the whole", "pct:0,0,100,100", PICTURE, (0, 0, 300, 200)),
        row("4.1 pct: more than the whole", "pct:0,0,200,200", PICTURE, (0, 0, 300, 200)),
        row("4.1 pct: of width and of height", "pct:50,50,10,10", PICTURE, (150, 100, 30, 20)),
        row("4.1 pct: rounded to the nearest", "pct:0.5,0.2,33.3,33.3", PICTURE, (2, 0, 100, 67)),
        row("4.1 pct: thinner than a pixel", "pct:10,10,0.1,0.1", PICTURE, (30, 20, 1, 1)),
        row("4.1 pct: a last thin slice", "pct:99.9,99.9,9,9", PICTURE, (299, 199, 1, 1)),
    ],
)
def test_a_region_names_these_pixels(version, region, image, box):
    assert plan(version, f"{region}/max/0/default.jpg", image).box == box


_OUTSIDE = ["300,0,1,1", "0,200,1,1", "300,200,10,10", "999999999,0,300,200"]
_OUTSIDE += ["pct:100,0,1,1", "pct:0,100,1,1", "pct:250,0,100,100", "pct:0,100.5,100,100"]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("region", _OUTSIDE)
def test_a_region_entirely_outside_is_a_bad_request(version, region):
    error = refusal(version, f"{region}/max/0/default.jpg")
    assert (error.status, error.parameter) == (400, "region")


# -- 4.2 size


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        row("max: not upscaled", "max", {}, (300, 200)),
        row("max: constrained by maxWidth, example", "max", {"max_width": 200}, (200, 133)),
        row("max: constrained by maxHeight", "max", {"max_height": 100}, (150, 100)),
        row("max: constrained by maxArea", "max", {"max_area": 15_000}, (150, 100)),
        row("^max: up to maxWidth, example", "^max", {"max_width": 360}, (360, 240)),
        row("^max: up to maxHeight", "^max", {"max_height": 400}, (600, 400)),
        row("^max: up to maxArea", "^max", {"max_area": 240_000}, (600, 400)),
        row("^max: constrained below the region", "^max", {"max_width": 150}, (150, 100)),
        row("w, example", "150,", {}, (150, 100)),
        row("w, equal to the region", "300,", {}, (300, 200)),
        row("w, to the nearest pixel", "7,", {}, (7, 5)),
        row("^w, example", "^360,", {}, (360, 240)),
        row("^w, smaller", "^150,", {}, (150, 100)),
        row(",h example", ",150", {}, (225, 150)),
        row(",h equal to the region", ",200", {}, (300, 200)),
        row("^,h example", "^,240", {}, (360, 240)),
        row("^,h smaller", "^,100", {}, (150, 100)),
        row("pct:n example", "pct:50", {}, (150, 100)),
        row("pct: 100", "pct:100", {}, (300, 200)),
        row("pct: decimals", "pct:12.5", {}, (38, 25)),
        row("^pct:n example", "^pct:120", {}, (360, 240)),
        row("^pct: decimals", "^pct:100.5", {}, (302, 201)),
        row("w,h example", "225,100", {}, (225, 100)),
        row("w,h distorted", "10,200", {}, (10, 200)),
        row("^w,h example", "^360,360", {}, (360, 360)),
        row("^w,h one side larger", "^100,300", {}, (100, 300)),
        row("!w,h example", "!225,100", {}, (150, 100)),
        row("!w,h by width", "!150,150", {}, (150, 100)),
        row("!w,h not larger than the region", "!1000,1000", {}, (300, 200)),
        row("!w,h not larger than the limits", "!300,300", {"max_width": 150}, (150, 100)),
        row("!w,h not larger than maxArea", "!300,300", {"max_area": 15_000}, (150, 100)),
        row("^!w,h example", "^!360,360", {}, (360, 240)),
        row("^!w,h smaller", "^!150,150", {}, (150, 100)),
        row("^!w,h not larger than the limits", "^!999,999", {"max_width": 360}, (360, 240)),
    ],
)
def test_size_of_version_3(size, limits, expected):
    assert size_of(3, size, **limits) == expected


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        row("full: not scaled", "full", {}, (300, 200)),
        row("max: the same as full without limits", "max", {}, (300, 200)),
        row("max: as indicated by maxWidth, example", "max", {"max_width": 200}, (200, 133)),
        row("max: as indicated by maxHeight", "max", {"max_height": 100}, (150, 100)),
        row("max: as indicated by maxArea", "max", {"max_area": 15_000}, (150, 100)),
        row("w, example", "150,", {}, (150, 100)),
        row(",h example", ",150", {}, (225, 150)),
        row("pct:n example", "pct:50", {}, (150, 100)),
        row("w,h example", "225,100", {}, (225, 100)),
        row("!w,h example", "!225,100", {}, (150, 100)),
        row("w, above the full size", "360,", {}, (360, 240)),
        row(",h above the full size", ",240", {}, (360, 240)),
        row("pct: above the full size", "pct:120", {}, (360, 240)),
        row("w,h above the full size", "360,360", {}, (360, 360)),
        row("!w,h above the full size", "!360,360", {}, (360, 240)),
        row("!w,h never above the limits", "!360,360", {"max_width": 330}, (330, 220)),
        row("!w,h where nothing is enlarged", "!360,360", STILL, (300, 200)),
    ],
)
def test_size_of_version_2(size, limits, expected):
    assert size_of(2, size, **limits) == expected


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("image", "size", "expected"),
    [((1000, 1), "10,", (10, 1)), ((1, 1000), ",10", (1, 10)), ((3000, 2), "!30,30", (30, 1))],
)
def test_a_line_keeps_one_pixel_where_it_gets_thinner(version, image, size, expected):
    planned = plan(version, f"full/{size}/0/default.jpg", image)
    assert (planned.width, planned.height) == expected


@pytest.mark.parametrize("version", BOTH)
def test_max_of_a_line_stays_within_the_area(version):
    planned = plan(version, "full/max/0/default.jpg", (1, 20_000), max_area=10_000)
    assert (planned.width, planned.height) == (1, 10_000)


@pytest.mark.parametrize("version", BOTH)
def test_size_is_that_of_the_region_and_not_of_the_image(version):
    planned = plan(version, "125,15,120,140/pct:50/0/default.jpg")
    assert (planned.box, planned.width, planned.height) == ((125, 15, 120, 140), 60, 70)
    planned = plan(version, "125,15,200,200/,37/0/default.jpg")  # cropped to 175 x 185 before
    assert (planned.width, planned.height) == (35, 37)


_TOO_LARGE = ["301,", ",201", "301,200", "300,201", "1,201", "301,1", "999999999,", "pct:101"]
_TOO_LARGE += ["pct:150.5", "pct:100.1"]


@pytest.mark.parametrize("size", _TOO_LARGE)
def test_3_0_4_2_a_size_above_the_region_without_caret_is_a_bad_request(size):
    for limits in ({}, STILL):
        error = refusal(3, f"full/{size}/0/default.jpg", **limits)
        assert (error.status, error.parameter) == (400, "size")


@pytest.mark.parametrize(
    "size", ["^360,", "^,240", "^pct:120", "^360,360", "^100,300", "^max", "^!360,360", "^!301,999"]
)
def test_3_0_4_2_upscaling_that_is_switched_off_is_not_implemented(size):
    error = refusal(3, f"full/{size}/0/default.jpg", **STILL)
    assert (type(error), error.status, error.parameter) == (NotSupported, 501, "size")


@pytest.mark.parametrize(
    ("size", "limits", "expected"),
    [
        ("^150,", {}, (150, 100)),
        ("^,100", {}, (150, 100)),
        ("^pct:50", {}, (150, 100)),
        ("^300,200", {}, (300, 200)),
        ("^!150,150", {}, (150, 100)),
        ("^!300,300", {}, (300, 200)),
        ("^max", {"max_width": 150}, (150, 100)),
        ("^max", {"max_width": 300}, (300, 200)),
    ],
)
def test_3_0_4_2_a_caret_without_need_works_where_upscaling_is_off(size, limits, expected):
    assert size_of(3, size, **STILL, **limits) == expected


@pytest.mark.parametrize("size", ["360,", ",240", "pct:120", "360,360", "1,201"])
def test_2_1_5_3_without_size_above_full_larger_sizes_are_bad_requests(size):
    error = refusal(2, f"full/{size}/0/default.jpg", **STILL)
    assert (type(error), error.status, error.parameter) == (BadRequest, 400, "size")


@pytest.mark.parametrize(
    ("version", "path", "image", "limits"),
    [
        row("3.0-4.2 pct: less than a pixel", 3, "full/pct:0.1/0/default.jpg", PICTURE, {}),
        row("2.1-4.2 pct: less than a pixel", 2, "full/pct:0.1/0/default.jpg", PICTURE, {}),
        row("3.0-4.2 w, above maxWidth", 3, "full/^16384,/0/default.jpg", (20_000, 2), {}),
        row("3.0-4.2 plain w, above maxWidth", 3, "full/16384,/0/default.jpg", (20_000, 2), {}),
        row("3.0-4.2 ,h above maxHeight", 3, "full/,16384/0/default.jpg", (2, 20_000), {}),
        row("3.0-4.2 pct: above maxWidth", 3, "full/pct:100/0/default.jpg", (16_384, 1), {}),
        row("3.0-4.2 w,h above maxArea", 3, "full/^10001,10000/0/default.jpg", PICTURE, {}),
        row(
            "3.0-4.2 ^w, above a limit", 3, "full/^201,/0/default.jpg", PICTURE, {"max_width": 200}
        ),
        row("2.1-4.2 full above maxWidth", 2, "full/full/0/default.jpg", (16_384, 1), {}),
        row("2.1-4.2 full above maxHeight", 2, "full/full/0/default.jpg", (1, 16_384), {}),
        row("2.1-4.2 full above maxArea", 2, "full/full/0/default.jpg", (10_001, 10_000), {}),
        row("2.1-4.2 w, above maxWidth", 2, "full/16384,/0/default.jpg", PICTURE, {}),
        row("2.1-4.2 w,h above maxArea", 2, "full/10001,10000/0/default.jpg", PICTURE, {}),
    ],
)
def test_no_pixel_or_more_than_the_limits_is_a_bad_request(version, path, image, limits):
    error = refusal(version, path, image=image, **limits)
    assert (error.status, error.parameter) == (400, "size")


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("size", "image"),
    [("16383,", (20_000, 2)), (",16383", (2, 20_000)), ("10000,10000", (20_000, 20_000))],
)
def test_a_size_exactly_at_a_limit_is_allowed(version, size, image):
    assert plan(version, f"full/{size}/0/default.jpg", image)


# -- 4.3 rotation


@pytest.mark.parametrize(
    ("degrees", "canvas"),
    [
        ("0", (300, 200)),
        ("90", (200, 300)),
        ("180", (300, 200)),
        ("270", (200, 300)),
        ("45", (354, 354)),  # 500 / sqrt 2 = 353.55
        ("30", (360, 324)),  # 359.81 x 323.21
        ("120", (324, 360)),
        ("22.5", (354, 300)),  # 353.69 x 299.58
    ],
)
def test_a_turned_picture_needs_its_bounding_box_and_no_more(degrees, canvas):
    assert rotated(PICTURE, Fraction(degrees)) == canvas


@pytest.mark.parametrize("version", BOTH)
def test_the_canvas_of_a_turned_picture_is_bounded(version):
    path = "full/max/{}/default.png"
    bounds = {"max_width": 353, "max_height": 300}
    assert plan(version, path.format("!180"), **bounds)
    assert plan(version, path.format("90"), **bounds)
    error = refusal(version, path.format("45"), **bounds)
    assert (error.status, error.parameter) == (400, "rotation")
    assert plan(version, path.format("45"), **(bounds | {"max_width": 354}))
    error = refusal(version, path.format("45"), max_area=354 * 354 - 1)
    assert (error.status, error.parameter) == (400, "rotation")


@pytest.mark.parametrize("version", BOTH)
def test_what_a_format_cannot_hold_is_refused(version):
    wide, limits = (20_000, 8), {"max_width": 60_000}
    assert plan(version, "full/max/0/default.jpg", wide, **limits)
    error = refusal(version, "full/max/0/default.webp", image=wide, **limits)
    assert (error.status, error.parameter) == (400, "format")
    assert plan(version, "full/16383,8/0/default.webp", wide, **limits)


@pytest.mark.parametrize(("ending", "side"), [("jp2", 6324), ("gif", 6324), ("avif", 8000)])
def test_what_an_encoder_cannot_hold_is_refused(ending, side):
    image = (9000, 9000)
    assert plan(3, f"full/{side},{side}/0/default.{ending}", image)
    error = refusal(3, f"full/{side},{side + 2}/0/default.{ending}", image=image)
    assert (error.status, error.parameter) == (400, "format")
    assert plan(3, f"full/{side},{side + 2}/0/default.jpg", image)


# -- 4.8 (3.0) and 4.7 (2.1): the canonical URI

_SMALL = {"max_width": 200}
_LARGE = {"max_width": 360}


@pytest.mark.parametrize(
    ("version", "path", "limits", "canonical"),
    [
        row(
            "3.0-4.8 region full", 3, "0,0,300,200/max/0/default.jpg", {}, "full/max/0/default.jpg"
        ),
        row("3.0-4.8 more than full", 3, "0,0,999,999/max/0/gray.jpg", {}, "full/max/0/gray.jpg"),
        row("3.0-4.8 pct: all", 3, "pct:0,0,100,100/max/0/gray.jpg", {}, "full/max/0/gray.jpg"),
        row("3.0-4.8 square", 3, "square/max/0/gray.jpg", {}, "50,0,200,200/max/0/gray.jpg"),
        row(
            "3.0-4.8 cropped",
            3,
            "125,15,200,200/max/0/gray.jpg",
            {},
            "125,15,175,185/max/0/gray.jpg",
        ),
        row("3.0-4.8 max by w,h", 3, "full/300,200/0/gray.jpg", {}, "full/max/0/gray.jpg"),
        row("3.0-4.8 max by ^max", 3, "full/^max/0/gray.jpg", _SMALL, "full/max/0/gray.jpg"),
        row("3.0-4.8 max under a limit", 3, "full/200,/0/gray.jpg", _SMALL, "full/max/0/gray.jpg"),
        row("3.0-4.8 ^max", 3, "full/^max/0/gray.jpg", _LARGE, "full/^max/0/gray.jpg"),
        row("3.0-4.8 ^max by w,", 3, "full/^360,/0/gray.jpg", _LARGE, "full/^max/0/gray.jpg"),
        row("3.0-4.8 w,h from w,", 3, "full/150,/0/gray.jpg", {}, "full/150,100/0/gray.jpg"),
        row("3.0-4.8 w,h from ,h", 3, "full/,150/0/gray.jpg", {}, "full/225,150/0/gray.jpg"),
        row("3.0-4.8 w,h from pct:", 3, "full/pct:50/0/gray.jpg", {}, "full/150,100/0/gray.jpg"),
        row("3.0-4.8 w,h from !w,h", 3, "full/!225,100/0/gray.jpg", {}, "full/150,100/0/gray.jpg"),
        row("3.0-4.8 a needless ^", 3, "full/^150,/0/gray.jpg", {}, "full/150,100/0/gray.jpg"),
        row("3.0-4.8 ^w,h from ^w,", 3, "full/^360,/0/gray.jpg", {}, "full/^360,240/0/gray.jpg"),
        row("3.0-4.8 ^w,h one side", 3, "full/^10,201/0/gray.jpg", {}, "full/^10,201/0/gray.jpg"),
        row("3.0-4.8 rotation 360", 3, "full/max/360/gray.jpg", {}, "full/max/0/gray.jpg"),
        row("3.0-4.8 rotation !90.0", 3, "full/max/!90.0/gray.jpg", {}, "full/max/!90/gray.jpg"),
        row("3.0-4.8 rotation .50", 3, "full/max/.50/gray.png", {}, "full/max/0.5/gray.png"),
        row("3.0-4.8 color is default", 3, "full/max/0/color.jpg", {}, "full/max/0/default.jpg"),
        row("1.1 native is default", 3, "full/max/0/native.jpg", {}, "full/max/0/default.jpg"),
        row("2.1-4.7 region full", 2, "0,0,300,200/full/0/gray.jpg", {}, "full/full/0/gray.jpg"),
        row(
            "2.1-4.7 region x,y,w,h",
            2,
            "square/full/0/gray.jpg",
            {},
            "50,0,200,200/full/0/gray.jpg",
        ),
        row("2.1-4.7 full", 2, "full/300,200/0/gray.jpg", {}, "full/full/0/gray.jpg"),
        row("2.1-4.2 max is full", 2, "full/max/0/gray.jpg", {}, "full/full/0/gray.jpg"),
        row("2.1-4.2 max is w,", 2, "full/max/0/gray.jpg", _SMALL, "full/200,/0/gray.jpg"),
        row("2.1-4.7 w, from ,h", 2, "full/,150/0/gray.jpg", {}, "full/225,/0/gray.jpg"),
        row("2.1-4.7 w, from w,h", 2, "full/150,100/0/gray.jpg", {}, "full/150,/0/gray.jpg"),
        row("2.1-4.7 w, from pct:", 2, "full/pct:50/0/gray.jpg", {}, "full/150,/0/gray.jpg"),
        row("2.1-4.7 w, from !w,h", 2, "full/!225,100/0/gray.jpg", {}, "full/150,/0/gray.jpg"),
        row("2.1-4.7 w, above full", 2, "full/360,240/0/gray.jpg", {}, "full/360,/0/gray.jpg"),
        row("2.1-4.7 w,h", 2, "full/225,100/0/gray.jpg", {}, "full/225,100/0/gray.jpg"),
        row("2.1-4.7 rotation", 2, "full/full/!022.50/gray.png", {}, "full/full/!22.5/gray.png"),
        row("2.1-4.7 default", 2, "full/full/0/color.jpg", {}, "full/full/0/default.jpg"),
    ],
)
def test_canonical_form(version, path, limits, canonical):
    assert plan(version, path, **limits).canonical == canonical


@pytest.mark.parametrize(("version", "size"), [(3, "max"), (2, "full")])
def test_the_square_of_a_square_image_is_full(version, size):
    planned = plan(version, f"square/{size}/0/default.jpg", (200, 200))
    assert planned.canonical == f"full/{size}/0/default.jpg"


# -- properties

_side = st.one_of(st.integers(1, 700), st.sampled_from([1, 2, 4095, 4096, 4097, 20_000, 65_535]))
_image = st.builds(Dimensions, _side, _side)
# a limit that holds no picture at all is no limit that anybody sets
_limits = st.builds(
    Limits,
    max_width=st.integers(64, 20_000),
    max_height=st.integers(64, 20_000),
    max_area=st.integers(20_000, 100_000_000),
    upscaling=st.booleans(),
)
_seldom_valid = settings(derandomize=True, max_examples=150, deadline=None)


@st.composite
def _asked(draw: st.DrawFn) -> tuple[Version, str, Dimensions, Limits]:
    """A request that means something, most often, for an image under limits."""
    version, image, limits = draw(st.sampled_from(BOTH)), draw(_image), draw(_limits)
    x, y = draw(st.integers(0, image.width - 1)), draw(st.integers(0, image.height - 1))
    width, height = draw(st.integers(1, 600)), draw(st.integers(1, 600))
    share = draw(st.integers(1, 11_000)) / 100
    region = draw(st.sampled_from(["full", "square", "pixels", "percent"]))
    if region == "pixels":
        region = f"{x},{y},{width},{height}"
    elif region == "percent":
        region = f"pct:{99 * x / image.width:.3f},{99 * y / image.height:.3f},{share},{share}"
    sizes = ["max", f"{width},", f",{height}", f"{width},{height}", f"!{width},{height}"]
    size = draw(st.sampled_from([*sizes, f"pct:{share}", *(["full"] if version == 2 else [])]))
    caret = draw(st.sampled_from(["^", "^", ""])) if version == 3 else ""
    turn = draw(st.sampled_from(["0", "!0", "90", "!180", "270.0", "360", "45", "!0.5", "359.99"]))
    last = draw(st.sampled_from(["default.jpg", "color.png", "gray.webp", "bitonal.tif"]))
    return version, f"{region}/{caret}{size}/{turn}/{last}", image, limits


def _planned(version: Version, path: str, image: Dimensions, limits: Limits) -> Plan | None:
    with suppress(RequestError):
        return make_plan(ImageRequest.parse(version, *path.split("/")), image, limits)
    return None


@_seldom_valid
@given(_asked())
def test_plans_stay_inside_the_image_and_the_limits(asked):
    version, path, image, limits = asked
    planned = _planned(version, path, image, limits)
    assume(planned)
    x, y, width, height = planned.box
    assert x >= 0
    assert y >= 0
    assert width >= 1
    assert height >= 1
    assert x + width <= image.width
    assert y + height <= image.height
    assert 1 <= planned.width <= limits.max_width
    assert 1 <= planned.height <= limits.max_height
    assert planned.width * planned.height <= limits.max_area
    enlarged = planned.width > width or planned.height > height
    assert limits.upscaling or not enlarged
    assert version == 2 or not enlarged or path.split("/")[1].startswith("^")
    if planned.rotation.degrees % 90:
        canvas = rotated(Dimensions(planned.width, planned.height), planned.rotation.degrees)
        assert max(canvas) <= max(limits.max_width, limits.max_height)
        assert canvas.width * canvas.height <= limits.max_area


@_seldom_valid
@given(_asked())
def test_the_canonical_form_means_the_same_and_is_its_own(asked):
    version, path, image, limits = asked
    planned = _planned(version, path, image, limits)
    assume(planned)
    again = _planned(version, planned.canonical, image, limits)
    assert again is not None
    assert again.canonical == planned.canonical
    assert _pixels(again) == _pixels(planned)


@_seldom_valid
@given(_asked())
def test_spelled_out_in_pixels_a_request_has_the_same_canonical_form(asked):
    version, path, image, limits = asked
    planned = _planned(version, path, image, limits)
    assume(planned)
    enlarged = planned.width > planned.box.width or planned.height > planned.box.height
    caret = "^" if version == 3 and enlarged else ""
    _, _, turn, last = path.split("/")
    region = ",".join(map(str, planned.box))
    size = f"{caret}{planned.width},{planned.height}"
    spelled = _planned(version, f"{region}/{size}/{turn}/{last}", image, limits)
    assert spelled is not None
    assert spelled.canonical == planned.canonical
    other = _planned(5 - version, f"{region}/{size.lstrip('^')}/{turn}/{last}", image, limits)
    assert (version, other) == (2, None) or _pixels(other) == _pixels(planned)


def _pixels(planned: Plan) -> tuple[object, ...]:
    quality = "default" if planned.quality == "color" else planned.quality
    return (
        planned.box,
        planned.width,
        planned.height,
        planned.rotation,
        quality,
        planned.format,
    )


@_seldom_valid
@given(st.sampled_from(BOTH), _image, _limits)
def test_max_is_always_available(version, image, limits):
    planned = _planned(version, "full/max/0/default.jpg", image, limits)
    assert planned is not None
    assert limits.allow(*image) == ((planned.width, planned.height) == image)


@_seldom_valid
@given(st.sampled_from(BOTH), _image, _side, _side)
def test_a_confined_size_is_as_large_as_possible(version, image, width, height):
    limits = Limits(max_width=70_000, max_height=70_000, max_area=10**10, upscaling=False)
    planned = _planned(version, f"full/!{width},{height}/0/default.jpg", image, limits)
    got = (planned.width, planned.height)
    assert planned.width <= min(width, image.width)
    assert planned.height <= min(height, image.height)
    assert got == image or planned.width == width or planned.height == height
    _proportions_are_kept(got, image)


@_seldom_valid
@given(st.sampled_from(BOTH), _image, st.integers(1, 65_535), st.booleans())
def test_one_given_side_is_exact_and_the_other_keeps_the_proportions(
    version, image, side, by_width
):
    assume(side <= (image.width if by_width else image.height))
    limits = Limits(max_width=70_000, max_height=70_000, max_area=10**10)
    size = f"{side}," if by_width else f",{side}"
    planned = _planned(version, f"full/{size}/0/default.jpg", image, limits)
    assert (planned.width if by_width else planned.height) == side
    _proportions_are_kept((planned.width, planned.height), image)


def _proportions_are_kept(got: tuple[int, int], image: Dimensions) -> None:
    exact_width = Fraction(got[1] * image.width, image.height)
    exact_height = Fraction(got[0] * image.height, image.width)
    # the nearest pixel, or a viewer's level, which may be the next one
    near = abs(got[0] - exact_width) <= 1.5 or abs(got[1] - exact_height) <= 1.5
    assert near, f"{got} of {image}"


# -- viewers

_THAT_HURT = [(3977, 5923), (6001, 3999), (2049, 2049), (257, 511), (1, 1), (1, 20_000)]


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("spelling", [None, *SPELLINGS])
@pytest.mark.parametrize("viewer", [openseadragon_tiles, leaflet_tiles])
@pytest.mark.parametrize("image", _THAT_HURT)
def test_every_tile_that_a_viewer_asks_for_can_be_had(version, spelling, viewer, image):
    # `1,` of a line 20,000 high is the whole line: only larger limits allow what viewers ask
    limits = Limits(max_width=20_000, max_height=20_000)
    document = info(version, Description("https://example.org/x", Dimensions(*image)), limits)
    count = 0
    for tile in viewer(document, spelling=spelling, format="jpg"):
        planned = plan(version, tile.path, image, max_width=20_000, max_height=20_000)
        assert planned.box == tile.box
        size = tile.path.split("/")[1]
        if size == f"{tile.width},{tile.height}":
            assert (planned.width, planned.height) == (tile.width, tile.height)
        elif size == f"{tile.width},":
            assert planned.width == tile.width
        count += 1
    levels = document["tiles"][0]["scaleFactors"]
    least = sum(math.ceil(image[0] / (512 * s)) * math.ceil(image[1] / (512 * s)) for s in levels)
    assert count == least


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize(
    ("image", "path", "expected"),
    [
        ((3977, 5923), "0,0,3977,4096/498,", (498, 512)),  # exactly 512.9 high
        ((6001, 3999), "full/376,", (376, 250)),  # 250.6
        ((6001, 3999), "full/,250", (376, 250)),  # 375.2 wide
        ((6001, 3999), "full/375,", (375, 250)),  # no level: 249.9
        ((2049, 2049), "2048,0,1,2048/1,", (1, 2048)),  # level 1, and not 4
    ],
)
def test_a_viewers_level_is_kept_by_one_side_alone(version, image, path, expected):
    planned = plan(version, f"{path}/0/default.jpg", image)
    assert (planned.width, planned.height) == expected


@pytest.mark.parametrize("version", BOTH)
@pytest.mark.parametrize("viewer", [openseadragon_tiles, leaflet_tiles])
def test_tiles_are_the_same_in_both_spellings(version, viewer):
    image = Dimensions(3977, 5923)
    document = info(version, Description("https://example.org/x", image), Limits())
    pairs = zip(*(viewer(document, spelling=spelling) for spelling in SPELLINGS), strict=True)
    for one, other in pairs:
        assert plan(version, one.path, image) == plan(version, other.path, image)


@pytest.mark.parametrize(
    ("version", "viewer"), [(3, openseadragon_tiles), (3, leaflet_tiles), (2, leaflet_tiles)]
)
def test_tiles_of_a_line_longer_than_the_limits_are_had_as_width_and_height(version, viewer):
    # of version 2 OpenSeadragon asks `full/full` of a line, which no limit may allow
    image = Dimensions(1, 20_000)
    document = info(version, Description("https://example.org/x", image), Limits())
    asked = [tile.path for tile in viewer(document, spelling="w,h")]
    assert len(asked) == 81
    assert all(plan(version, path, image) for path in asked)


@pytest.mark.parametrize("viewer", [openseadragon_tiles, leaflet_tiles])
def test_the_tiles_of_each_level_cover_the_image_once(viewer):
    image = Dimensions(3977, 5923)
    for version in BOTH:
        document = info(version, Description("https://example.org/x", image), Limits())
        area: dict[int, int] = {}
        for tile in viewer(document):
            box = Box(*tile.box)
            area[tile.factor] = area.get(tile.factor, 0) + box.width * box.height
        assert area == dict.fromkeys([1, 2, 4, 8, 16], 3977 * 5923)
