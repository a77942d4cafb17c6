"""Image API 2.1.1 over HTTP, sentence by sentence; pixels are judged by Pillow.

What it shares with 3.0 is made by the same code and is proven there pixel by pixel; here stands
that it is reached, and everything in which 2.1 differs.

https://iiif.io/api/image/2.1/
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from image_sources import picture
from PIL import Image

SOURCE = picture(300, 200)
PROFILE = '<http://iiif.io/api/image/2/level2.json>;rel="profile"'


def row(name: str, *values: object) -> object:
    return pytest.param(*values, id=f"2.1-{name}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image-api-2")
    SOURCE.save(folder / "picture.png")
    return folder


@pytest.fixture(scope="module")
def client(serve: Callable[..., FlaskClient], folder: Path) -> FlaskClient:
    return serve(folder)


def ask(client: FlaskClient, path: str) -> Image.Image:
    response = client.get(f"/iiif/2/picture.png/{path}")
    assert response.status_code == 200, response.text
    shown = Image.open(io.BytesIO(response.data))
    shown.load()
    return shown


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference in levels, 0 to 255."""
    assert (one.size, one.mode) == (other.size, other.mode)
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


@pytest.mark.parametrize(
    ("region", "box"),
    [
        row("4.1 full: the complete image", "full", (0, 0, 300, 200)),
        row("4.1 square: as long as the shorter side", "square", (50, 0, 250, 200)),
        row("4.1 x,y,w,h", "125,15,120,140", (125, 15, 245, 155)),
        row("4.1 pct:x,y,w,h", "pct:41.6,7.5,40,70", (125, 15, 245, 155)),
        row("4.1 x,y,w,h cropped at the edge", "125,15,200,200", (125, 15, 300, 200)),
        row("4.1 pct: cropped at the edge", "pct:41.6,7.5,66.6,100", (125, 15, 300, 200)),
    ],
)
def test_the_region_has_exactly_its_pixels(client, region, box):
    assert difference(ask(client, f"{region}/full/0/default.png"), SOURCE.crop(box)) == 0


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        row("4.2 full: not scaled", "full", (300, 200)),
        row("4.2 max: full where no limit is met", "max", (300, 200)),
        row("4.2 w, exactly w wide", "150,", (150, 100)),
        row("4.2 ,h exactly h high", ",150", (225, 150)),
        row("4.2 pct:n", "pct:50", (150, 100)),
        row("4.2 w,h exactly, distorted", "225,100", (225, 100)),
        row("4.2 !w,h the best fit", "!225,100", (150, 100)),
        row("5.3 sizeAboveFull w,", "360,", (360, 240)),
        row("5.3 sizeAboveFull ,h", ",240", (360, 240)),
        row("5.3 sizeAboveFull pct:", "pct:120", (360, 240)),
        row("5.3 sizeAboveFull w,h", "360,360", (360, 360)),
        row("5.3 sizeAboveFull !w,h", "!360,360", (360, 240)),
    ],
)
def test_the_whole_region_is_scaled_to_the_size(client, size, expected):
    found = ask(client, f"full/{size}/0/default.png")
    larger = expected[0] > 300 or expected[1] > 200
    kernel = Image.Resampling.BICUBIC if larger else Image.Resampling.LANCZOS
    assert difference(found, SOURCE.resize(expected, kernel)) < 2


@pytest.mark.parametrize(
    ("limits", "size", "expected"),
    [
        row("4.2 max: as indicated by maxWidth", {"max_width": 200}, "max", (200, 133)),
        row("4.2 max: as indicated by maxHeight", {"max_height": 100}, "max", (150, 100)),
        row("4.2 max: as indicated by maxArea", {"max_area": 15_000}, "max", (150, 100)),
        row("5.3 within maxWidth", {"max_width": 200}, "200,", (200, 133)),
    ],
)
def test_max_is_the_maximum_size_available(serve, folder, limits, size, expected):
    assert ask(serve(folder, **limits), f"full/{size}/0/default.png").size == expected


@pytest.mark.parametrize(
    ("limits", "size"),
    [
        row("5.3 full above maxWidth", {"max_width": 299}, "full"),
        row("5.3 full above maxHeight", {"max_height": 199}, "full"),
        row("5.3 full above maxArea", {"max_area": 59_999}, "full"),
        row("5.3 w, above maxWidth", {"max_width": 200}, "201,"),
        row("5.3 pct: above maxArea", {"max_area": 15_000}, "pct:51"),
        row("5.3 sizeAboveFull above the limits", {}, "16384,"),
    ],
)
def test_what_is_above_a_limit_is_a_bad_request(serve, folder, limits, size):
    response = serve(folder, **limits).get(f"/iiif/2/picture.png/full/{size}/0/default.jpg")
    assert (response.status_code, response.json["parameter"]) == (400, "size")
    assert response.json["specification"] == "https://iiif.io/api/image/2.1/#size"


@pytest.mark.parametrize("size", ["360,", ",240", "pct:120", "360,360"])
def test_5_3_without_size_above_full_it_is_a_bad_request(serve, folder, size):
    client = serve(folder, upscaling=False)
    assert client.get(f"/iiif/2/picture.png/full/{size}/0/default.jpg").status_code == 400
    assert ask(client, "full/!360,360/0/default.png").size == (300, 200)


@pytest.mark.parametrize(
    ("rotation", "turns"),
    [
        row("4.3 0", "0", []),
        row("4.3 90", "90", [Image.Transpose.ROTATE_270]),
        row("4.3 180", "180", [Image.Transpose.ROTATE_180]),
        row("4.3 270", "270", [Image.Transpose.ROTATE_90]),
        row("4.3 !0", "!0", [Image.Transpose.FLIP_LEFT_RIGHT]),
        row("4.3 !180", "!180", [Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.ROTATE_180]),
    ],
)
def test_turns_and_mirrors(client, rotation, turns):
    judge = SOURCE
    for turn in turns:
        judge = judge.transpose(turn)
    assert difference(ask(client, f"full/full/{rotation}/default.png"), judge) == 0


def test_4_3_other_degrees_have_transparent_corners(client):
    found = ask(client, "full/full/22.5/default.png")
    assert found.width == pytest.approx(353.69, abs=1.01)
    assert found.height == pytest.approx(299.58, abs=1.01)
    assert found.getpixel((0, 0))[3] == 0


@pytest.mark.parametrize(
    ("quality", "judge"),
    [
        row("4.4 default", "default", SOURCE),
        row("4.4 color", "color", SOURCE),
        row("4.4 gray", "gray", SOURCE.convert("L")),
        row("1.1-4.4 native", "native", SOURCE),
    ],
)
def test_qualities(client, quality, judge):
    assert difference(ask(client, f"full/full/0/{quality}.png"), judge) <= 1


def test_4_4_bitonal_is_black_or_white(client):
    found = ask(client, "full/full/0/bitonal.png").convert("L")
    assert {value for _, value in found.getcolors()} == {0, 255}


@pytest.mark.parametrize(
    ("ending", "media_type"),
    [
        row("4.5 jpg", "jpg", "image/jpeg"),
        row("4.5 tif", "tif", "image/tiff"),
        row("4.5 png", "png", "image/png"),
        row("4.5 gif", "gif", "image/gif"),
        row("4.5 jp2", "jp2", "image/jp2"),
        row("4.5 pdf", "pdf", "application/pdf"),
        row("4.5 webp", "webp", "image/webp"),
    ],
)
def test_formats(client, ending, media_type):
    response = client.get(f"/iiif/2/picture.png/full/150,/0/default.{ending}")
    assert (response.status_code, response.content_type) == (200, media_type)
    if ending != "pdf":
        assert Image.open(io.BytesIO(response.data)).size == (150, 100)


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        row("4.1 zero width", "0,0,0,10/full/0/default.jpg", "region"),
        row("4.1 zero height", "0,0,10,0/full/0/default.jpg", "region"),
        row("4.1 outside", "300,0,10,10/full/0/default.jpg", "region"),
        row("4.1 malformed", "0,0,1e1,10/full/0/default.jpg", "region"),
        row("4.2 zero", "full/0,/0/default.jpg", "size"),
        row("4.2 less than a pixel", "full/pct:0.1/0/default.jpg", "size"),
        row("4.2 3.0's ^max", "full/^max/0/default.jpg", "size"),
        row("4.2 3.0's ^w,", "full/^360,/0/default.jpg", "size"),
        row("4.2 malformed", "full/150/0/default.jpg", "size"),
        row("4.3 out of range", "full/full/361/default.jpg", "rotation"),
        row("4.3 negative", "full/full/-90/default.jpg", "rotation"),
        row("4.4 unsupported", "full/full/0/grey.jpg", "quality"),
        row("4.5 unsupported", "full/full/0/default.bmp", "format"),
    ],
)
def test_what_is_malformed_or_unsupported_is_a_bad_request(client, path, parameter):
    response = client.get(f"/iiif/2/picture.png/{path}")
    assert (response.status_code, response.json["parameter"]) == (400, parameter)
    assert response.json["specification"] == f"https://iiif.io/api/image/2.1/#{parameter}"


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        row("4.7 full", "0,0,300,200/300,200/0/default.jpg", "full/full/0/default.jpg"),
        row("4.7 max is full", "full/max/0/default.jpg", "full/full/0/default.jpg"),
        row("4.7 w,", "full/150,100/0/default.jpg", "full/150,/0/default.jpg"),
        row("4.7 w,h", "full/225,100/360/default.jpg", "full/225,100/0/default.jpg"),
        row("4.7 region", "square/,100/!90.0/gray.jpg", "50,0,200,200/100,/!90/gray.jpg"),
        row("4.7 rotation and quality", "full/full/.50/color.png", "full/full/0.5/default.png"),
    ],
)
def test_the_link_header_names_the_canonical_uri(client, path, canonical):
    response = client.get(f"/iiif/2/picture/{path}")
    links = re.split(r", (?=<)", ", ".join(response.headers.getlist("Link")))
    assert set(links) == {
        f'<http://localhost/iiif/2/picture.png/{canonical}>;rel="canonical"',
        PROFILE,
    }
    again = client.get(f"/iiif/2/picture.png/{canonical}")
    assert (again.data, again.headers["ETag"]) == (response.data, response.headers["ETag"])


@pytest.mark.parametrize(
    ("version_2", "version_3"),
    [
        ("full/full/0/default.jpg", "full/max/0/default.jpg"),
        ("full/max/0/native.jpg", "full/300,200/360/color.jpg"),
        ("full/150,/0/default.jpg", "full/150,100/0/default.jpg"),
        ("0,0,150,100/pct:50/90/gray.png", "pct:0,0,50,50/75,/90.0/gray.png"),
        ("full/360,/0/default.jpg", "full/^360,240/0/default.jpg"),
    ],
)
def test_equal_pixels_have_one_etag_in_both_versions(client, version_2, version_3):
    one = client.get(f"/iiif/2/picture.png/{version_2}")
    other = client.get(f"/iiif/3/picture.png/{version_3}")
    assert (one.status_code, other.status_code) == (200, 200)
    assert (one.headers["ETag"], one.data) == (other.headers["ETag"], other.data)


def test_5_2_image_information(client):
    found = client.get("/iiif/2/picture.png/info.json").get_json()
    assert found["@context"] == "http://iiif.io/api/image/2/context.json"
    assert found["@id"] == "http://localhost/iiif/2/picture.png"
    assert found["protocol"] == "http://iiif.io/api/image"
    assert found["profile"][0] == "http://iiif.io/api/image/2/level2.json"
    assert (found["width"], found["height"]) == (300, 200)


def test_5_2_every_listed_size_can_be_asked_for_in_both_spellings(client):
    for size in client.get("/iiif/2/picture.png/info.json").get_json()["sizes"]:
        expected = (size["width"], size["height"])
        assert ask(client, f"full/{expected[0]},{expected[1]}/0/default.jpg").size == expected
        assert ask(client, f"full/{expected[0]},/0/default.jpg").size == expected
