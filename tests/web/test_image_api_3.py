"""Image API 3.0 over HTTP, sentence by sentence; pixels are judged by Pillow.

https://iiif.io/api/image/3.0/
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient
from image_sources import picture
from PIL import Image, JpegImagePlugin

SOURCE = picture(300, 200)
# red, green, blue and yellow quarters, from the upper left one clockwise
QUARTERS = {(-1, -1): (220, 20, 20), (1, -1): (20, 200, 20), (1, 1): (30, 30, 220)}
QUARTERS[(-1, 1)] = (230, 220, 30)

Turn = Image.Transpose


def row(name: str, *values: object) -> object:
    return pytest.param(*values, id=f"3.0-{name}")


def quarters() -> Image.Image:
    drawn = Image.new("RGB", (300, 200))
    for (right, below), colour in QUARTERS.items():
        drawn.paste(colour, (75 + 75 * right, 50 + 50 * below, 225 + 75 * right, 150 + 50 * below))
    return drawn


def halves() -> Image.Image:
    """A black left half and a white right half."""
    drawn = Image.new("L", (30, 20))
    drawn.paste(255, (15, 0, 30, 20))
    return drawn


def glass() -> Image.Image:
    """An opaque left half and a clear right half."""
    drawn = Image.new("RGBA", (300, 200), (200, 40, 40, 255))
    drawn.paste((0, 0, 0, 0), (150, 0, 300, 200))
    return drawn


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image-api-3")
    SOURCE.save(folder / "picture.png")
    SOURCE.convert("L").save(folder / "gray.png")
    quarters().save(folder / "quarters.png")
    glass().save(folder / "glass.png")
    halves().save(folder / "halves.png")
    return folder


@pytest.fixture(scope="module")
def client(serve: Callable[..., FlaskClient], folder: Path) -> FlaskClient:
    return serve(folder)


def ask(client: FlaskClient, path: str, name: str = "picture.png") -> Image.Image:
    response = client.get(f"/iiif/3/{name}/{path}")
    assert response.status_code == 200, response.text
    shown = Image.open(io.BytesIO(response.data))
    shown.load()
    return shown


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the mean difference in levels, 0 to 255."""
    assert (one.size, one.mode) == (other.size, other.mode)
    return float(np.abs(np.asarray(one, float) - np.asarray(other, float)).mean())


# -- 4.1 region


@pytest.mark.parametrize(
    ("region", "box"),
    [
        row("4.1 full: without any cropping", "full", (0, 0, 300, 200)),
        row("4.1 square: as long as the shorter side", "square", (50, 0, 250, 200)),
        row("4.1 x,y,w,h", "125,15,120,140", (125, 15, 245, 155)),
        row("4.1 pct:x,y,w,h", "pct:41.6,7.5,40,70", (125, 15, 245, 155)),
        row("4.1 x,y,w,h cropped at the edge", "125,15,200,200", (125, 15, 300, 200)),
        row("4.1 pct: cropped at the edge", "pct:41.6,7.5,66.6,100", (125, 15, 300, 200)),
        row("4.1 the upper left pixel", "0,0,1,1", (0, 0, 1, 1)),
        row("4.1 the lower right pixel", "299,199,1,1", (299, 199, 300, 200)),
    ],
)
def test_the_region_has_exactly_its_pixels(client, region, box):
    assert difference(ask(client, f"{region}/max/0/default.png"), SOURCE.crop(box)) == 0


@pytest.mark.parametrize(
    "region",
    [
        row("4.1 width zero", "0,0,0,100"),
        row("4.1 height zero", "0,0,100,0"),
        row("4.1 pct: width zero", "pct:0,0,0,100"),
        row("4.1 entirely outside, to the right", "300,0,100,100"),
        row("4.1 entirely outside, below", "0,200,100,100"),
        row("4.1 pct: entirely outside", "pct:100,0,10,10"),
        row("4 not an integer", "0.5,0,10,10"),
        row("4 negative", "-1,0,10,10"),
        row("4.7 only decimal digits and .", "pct:+0,0,10,10"),
        row("7.3 incorrect syntax", "everything"),
    ],
)
def test_a_region_that_names_no_pixel_is_a_bad_request(client, region):
    response = client.get(f"/iiif/3/picture.png/{region}/max/0/default.jpg")
    assert (response.status_code, response.json["parameter"]) == (400, "region")
    assert response.json["specification"] == "https://iiif.io/api/image/3.0/#41-region"


# -- 4.2 size


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        row("4.2 max: the dimensions of the region", "max", (300, 200)),
        row("4.2 w, exactly w wide", "150,", (150, 100)),
        row("4.2 ^w, upscaled", "^360,", (360, 240)),
        row("4.2 ,h exactly h high", ",150", (225, 150)),
        row("4.2 ^,h upscaled", "^,240", (360, 240)),
        row("4.2 pct:n of width and height", "pct:50", (150, 100)),
        row("4.2 ^pct:n upscaled", "^pct:120", (360, 240)),
        row("4.2 w,h exactly, distorted", "225,100", (225, 100)),
        row("4.2 ^w,h exactly, distorted", "^360,360", (360, 360)),
        row("4.2 !w,h keeps the proportions", "!225,100", (150, 100)),
        row("4.2 !w,h not larger than the region", "!600,600", (300, 200)),
        row("4.2 ^!w,h as large as possible", "^!360,360", (360, 240)),
        row("4.2 one pixel", "1,1", (1, 1)),
    ],
)
def test_the_whole_region_is_scaled_to_the_size(client, size, expected):
    found = ask(client, f"full/{size}/0/default.png")
    assert found.size == expected
    larger = expected[0] > 300 or expected[1] > 200
    kernel = Image.Resampling.BICUBIC if larger else Image.Resampling.LANCZOS
    assert difference(found, SOURCE.resize(expected, kernel)) < 2


@pytest.mark.parametrize("size", ["^60,40", "^90,60", "^300,200", "^36,10", "^15,40"])
def test_4_2_an_upscaled_picture_is_not_shifted(client, size):
    expected = tuple(int(side) for side in size.lstrip("^").split(","))
    found = np.asarray(ask(client, f"full/{size}/0/gray.png", "halves.png"), int)
    column = found[expected[1] // 2]
    assert column[0] == 0
    assert column[-1] == 255
    # the edge stays in the middle: what is left of it mirrors what is right of it
    assert np.abs(column + column[::-1] - 255).max() <= 4
    row = found[:, expected[0] // 4]
    assert row.max() == 0


@pytest.mark.parametrize(("size", "factor"), [("150,100", 2), ("pct:25", 4), ("60,", 5)])
def test_4_2_a_whole_reduction_is_an_average(client, size, factor):
    assert difference(ask(client, f"full/{size}/0/default.png"), SOURCE.reduce(factor)) <= 1


def test_4_2_the_size_is_that_of_the_extracted_region(client):
    found = ask(client, "125,15,120,140/60,/0/default.png")
    assert difference(found, SOURCE.crop((125, 15, 245, 155)).reduce(2)) <= 1


def test_4_2_caret_max_is_as_large_as_the_limits_allow(serve, folder):
    found = ask(serve(folder, max_width=360), "full/^max/0/default.png")
    assert found.size == (360, 240)
    found = ask(serve(folder, max_area=5_000), "full/^max/0/default.png")
    assert 4_800 <= found.width * found.height <= 5_000
    assert found.width / found.height == pytest.approx(1.5, abs=0.03)


@pytest.mark.parametrize(
    "size",
    [
        row("4.2 w, greater than the region", "301,"),
        row("4.2 ,h greater than the region", ",201"),
        row("4.2 pct: greater than 100", "pct:101"),
        row("4.2 w,h with greater width", "301,200"),
        row("4.2 w,h with greater height", "300,201"),
        row("4.2 less than a pixel", "pct:0.1"),
        row("4.2 zero", "0,0"),
        row("4.2 greater than maxWidth", "^16384,"),
        row("4.2 greater than maxArea", "^10001,10000"),
        row("4.2 no longer full", "full"),
        row("4.2 ^ does not come second", "!^10,10"),
        row("4 not an integer", "10.5,"),
        row("4 negative", "-10,"),
        row("4.7 only decimal digits and .", "pct:1e1"),
    ],
)
def test_a_size_that_cannot_be_had_is_a_bad_request(client, size):
    response = client.get(f"/iiif/3/picture.png/full/{size}/0/default.jpg")
    assert (response.status_code, response.json["parameter"]) == (400, "size")
    assert response.json["specification"] == "https://iiif.io/api/image/3.0/#42-size"


@pytest.mark.parametrize(
    ("size", "status"),
    [
        row("4.2 ^w, that requires upscaling", "^360,", 501),
        row("4.2 ^,h that requires upscaling", "^,240", 501),
        row("4.2 ^pct:n that requires upscaling, example", "^pct:120", 501),
        row("4.2 ^w,h that requires upscaling", "^360,360", 501),
        row("4.2 ^!w,h that requires upscaling", "^!360,360", 501),
        row("4.2 ^max that requires upscaling", "^max", 501),
        row("4.2 ^w, that does not", "^150,", 200),
        row("4.2 ^pct:n that does not", "^pct:100", 200),
        row("4.2 ^!w,h that does not", "^!150,150", 200),
        row("4.2 other errors are bad requests", "^0,", 400),
        row("4.2 without ^ it is a bad request", "360,", 400),
    ],
)
def test_only_upscaling_is_not_implemented_where_it_is_off(serve, folder, size, status):
    response = serve(folder, upscaling=False).get(f"/iiif/3/picture.png/full/{size}/0/default.jpg")
    assert response.status_code == status
    if status == 501:
        assert response.json["parameter"] == "size"


# -- 4.3 rotation


@pytest.mark.parametrize(
    ("rotation", "turns"),
    [
        row("4.3 0", "0", []),
        row("4.3 90 clockwise", "90", [Turn.ROTATE_270]),
        row("4.3 180", "180", [Turn.ROTATE_180]),
        row("4.3 270 clockwise", "270", [Turn.ROTATE_90]),
        row("4.3 360", "360", []),
        row("4.3 90.0", "90.0", [Turn.ROTATE_270]),
        row("4.3 !0 reflects on the vertical axis", "!0", [Turn.FLIP_LEFT_RIGHT]),
        row("4.3 !90 reflects first", "!90", [Turn.FLIP_LEFT_RIGHT, Turn.ROTATE_270]),
        row("4.3 !180", "!180", [Turn.FLIP_LEFT_RIGHT, Turn.ROTATE_180]),
        row("4.3 !270", "!270", [Turn.FLIP_LEFT_RIGHT, Turn.ROTATE_90]),
    ],
)
def test_quarter_turns_and_mirrors_move_pixels_and_change_none(client, rotation, turns):
    judge = SOURCE
    for turn in turns:
        judge = judge.transpose(turn)
    assert difference(ask(client, f"full/max/{rotation}/default.png"), judge) == 0


@pytest.mark.parametrize("mirror", ["", "!"])
@pytest.mark.parametrize("degrees", ["22.5", "45", "135", "200", "345", "0.5"])
def test_4_3_any_degrees_turn_clockwise_about_the_middle(client, degrees, mirror):
    found = ask(client, f"full/max/{mirror}{degrees}/default.png", "quarters.png")
    angle = math.radians(float(degrees))
    sine, cosine = math.sin(angle), math.cos(angle)
    # no additional space, and not scaled: the bounding box to a pixel
    assert found.width == pytest.approx(300 * abs(cosine) + 200 * abs(sine), abs=1.01)
    assert found.height == pytest.approx(300 * abs(sine) + 200 * abs(cosine), abs=1.01)
    for (right, below), colour in QUARTERS.items():
        for far in (0.1, 0.5, 0.95):
            x, y = 150 * far * right * (-1 if mirror else 1), 100 * far * below
            place = (
                x * cosine - y * sine + found.width / 2,
                x * sine + y * cosine + found.height / 2,
            )
            pixel = found.getpixel((math.floor(place[0]), math.floor(place[1])))
            assert pixel == (*colour, 255), (degrees, far, right, below)


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "gif", "avif", "jp2"])
def test_4_3_corners_are_transparent_where_the_format_can(client, ending):
    found = ask(client, f"full/max/30/default.{ending}", "quarters.png").convert("RGBA")
    alpha = found.getchannel("A")
    right, below = found.width - 1, found.height - 1
    corners = [
        alpha.getpixel(corner) for corner in ((0, 0), (right, 0), (0, below), (right, below))
    ]
    assert max(corners) <= 8
    assert alpha.getpixel((found.width // 2, found.height // 2)) >= 250
    turned_area = sum(np.asarray(alpha).ravel() > 127)
    assert turned_area == pytest.approx(300 * 200, rel=0.01)


@pytest.mark.parametrize(
    ("background", "colour"), [("#ffffff", (255,) * 3), ("#204060", (32, 64, 96))]
)
def test_4_3_corners_have_the_background_where_the_format_cannot(serve, folder, background, colour):
    client = serve(folder, background=background)
    found = ask(client, "full/max/30/default.jpg", "quarters.png")
    assert np.abs(np.subtract(found.getpixel((2, 2)), colour)).max() <= 4
    through = ask(client, "full/max/0/default.jpg", "glass.png")
    assert np.abs(np.subtract(through.getpixel((280, 100)), colour)).max() <= 4


def test_a_transparent_picture_stays_so_and_its_edges_do_not_darken(client):
    exact = ask(client, "full/max/0/default.png", "glass.png")
    assert difference(exact, glass()) == 0
    small = ask(client, "full/60,/0/default.png", "glass.png")
    assert small.mode == "RGBA"
    pixels = np.asarray(small)
    shown = pixels[pixels[..., 3] > 0]
    assert np.abs(shown[:, :3].astype(int) - (200, 40, 40)).max() <= 2
    assert set(np.unique(pixels[..., 3])) <= {0, 255}


@pytest.mark.parametrize(
    "rotation",
    [
        row("4.3 out of range", "361"),
        row("4.3 just out of range", "360.1"),
        row("4.3 negative", "-90"),
        row("4.7 only decimal digits and .", "+90"),
        row("4.3 no number", "left"),
        row("4.3 ! comes first", "90!"),
    ],
)
def test_a_rotation_out_of_range_is_a_bad_request(client, rotation):
    response = client.get(f"/iiif/3/picture.png/full/max/{rotation}/default.jpg")
    assert (response.status_code, response.json["parameter"]) == (400, "rotation")


# -- 4.4 quality


def test_4_4_color_and_default_have_all_colour(client):
    color = ask(client, "full/max/0/color.png")
    assert difference(color, SOURCE) == 0
    assert client.get("/iiif/3/picture.png/full/max/0/default.png").data == (
        client.get("/iiif/3/picture.png/full/max/0/color.png").data
    )


def test_4_4_gray_is_the_luma_of_rec_601(client):
    found = ask(client, "full/max/0/gray.png")
    assert found.mode == "L"
    apart = np.abs(np.asarray(found, int) - np.asarray(SOURCE.convert("L"), int))
    assert apart.max() <= 1
    red, green, blue, yellow = (
        ask(client, f"{box}/max/0/gray.png", "quarters.png").getpixel((0, 0))
        for box in ("0,0,1,1", "299,0,1,1", "299,199,1,1", "0,199,1,1")
    )
    # 0.299 R + 0.587 G + 0.114 B of QUARTERS
    assert (red, green, blue, yellow) == (80, 126, 52, 201)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "avif", "tif", "gif", "jp2"])
def test_4_4_gray_has_no_colour_in_any_format(client, ending):
    found = np.asarray(ask(client, f"full/max/0/gray.{ending}").convert("RGB"), int)
    assert np.abs(found[..., 0] - found[..., 1]).max() <= 2
    assert np.abs(found[..., 1] - found[..., 2]).max() <= 2
    assert np.abs(found[..., 0] - np.asarray(SOURCE.convert("L"), int)).mean() < 6


@pytest.mark.parametrize("ending", ["png", "tif", "gif"])
def test_4_4_bitonal_is_black_or_white(client, ending):
    found = np.asarray(ask(client, f"full/max/0/bitonal.{ending}").convert("L"))
    assert set(np.unique(found)) == {0, 255}
    luma = np.asarray(SOURCE.convert("L"), int)
    assert (found[luma > 130] == 255).all()
    assert (found[luma < 126] == 0).all()


@pytest.mark.parametrize("quality", ["default", "color", "gray", "bitonal"])
def test_4_4_every_quality_of_a_gray_image_is_an_image(client, quality):
    found = ask(client, f"full/max/0/{quality}.png", "gray.png")
    assert found.size == (300, 200)
    if quality != "bitonal":
        assert difference(found.convert("L"), SOURCE.convert("L")) == 0


@pytest.mark.parametrize("quality", ["grey", "colour", "DEFAULT", "photo"])
def test_4_4_an_unsupported_quality_is_a_bad_request(client, quality):
    response = client.get(f"/iiif/3/picture.png/full/max/0/{quality}.jpg")
    assert (response.status_code, response.json["parameter"]) == (400, "quality")


# -- 4.5 format


@pytest.mark.parametrize(
    ("ending", "media_type", "name", "apart"),
    [
        row("4.5 jpg", "jpg", "image/jpeg", "JPEG", 7),
        row("4.5 tif", "tif", "image/tiff", "TIFF", 0),
        row("4.5 png", "png", "image/png", "PNG", 0),
        row("4.5 gif", "gif", "image/gif", "GIF", 12),
        row("4.5 jp2", "jp2", "image/jp2", "JPEG2000", 6),
        row("4.5 webp", "webp", "image/webp", "WEBP", 6),
        row("4.9 avif", "avif", "image/avif", "AVIF", 6),
    ],
)
def test_the_format_is_what_its_suffix_says(client, ending, media_type, name, apart):
    response = client.get(f"/iiif/3/picture.png/full/max/0/default.{ending}")
    assert (response.status_code, response.content_type) == (200, media_type)
    found = Image.open(io.BytesIO(response.data))
    assert (found.format, found.size) == (name, (300, 200))
    assert difference(found.convert("RGB"), SOURCE) <= apart


def _jpeg(client: FlaskClient) -> Image.Image:
    return Image.open(io.BytesIO(client.get("/iiif/3/picture.png/full/max/0/default.jpg").data))


@pytest.mark.parametrize("progressive", [True, False])
def test_jpeg_is_progressive_where_that_is_set(serve, folder, progressive):
    found = _jpeg(serve(folder, jpeg_progressive=progressive))
    assert bool(found.info.get("progressive")) is progressive


@pytest.mark.parametrize(
    ("subsampling", "quality", "sampling"),
    [("on", 95, 2), ("off", 60, 0), ("auto", 85, 2), ("auto", 95, 0)],
)
def test_chroma_is_subsampled_as_is_set(serve, folder, subsampling, quality, sampling):
    client = serve(folder, jpeg_subsampling=subsampling, jpeg_quality=quality)
    assert JpegImagePlugin.get_sampling(_jpeg(client)) == sampling


@pytest.mark.parametrize("ending", ["jpg", "webp", "avif"])
def test_a_higher_quality_is_nearer(serve, folder, ending):
    name = f"{'jpeg' if ending == 'jpg' else ending}_quality"
    path = f"full/max/0/default.{ending}"
    low, high = (ask(serve(folder, **{name: quality}), path) for quality in (20, 90))
    assert difference(high, SOURCE) < 0.7 * difference(low, SOURCE)


def test_4_5_pdf_is_one_page_with_the_picture(client):
    response = client.get("/iiif/3/picture.png/full/150,/90/default.pdf")
    assert (response.status_code, response.content_type) == (200, "application/pdf")
    assert response.data.startswith(b"%PDF-")
    assert re.findall(rb"/Count (\d+)", response.data) == [b"1"]
    assert re.findall(rb"/Width (\d+)", response.data) == [b"100"]
    assert re.findall(rb"/Height (\d+)", response.data) == [b"150"]
    box = re.search(rb"/MediaBox \[ ?([\d. ]+?) ?\]", response.data)[1].split()
    x, y, width, height = (float(number) for number in box)
    assert (x, y) == (0, 0)
    assert width / height == pytest.approx(100 / 150, abs=0.01)


@pytest.mark.parametrize("ending", ["jpeg", "JPG", "bmp", "svg", ""])
def test_4_5_an_unsupported_format_is_a_bad_request(client, ending):
    response = client.get(f"/iiif/3/picture.png/full/max/0/default.{ending}")
    assert (response.status_code, response.json["parameter"]) == (400, "format")


# -- 4.6 order of implementation


def test_4_6_region_then_size_then_rotation_then_quality_then_format(client):
    found = ask(client, "125,15,120,140/90,/!345/gray.jpg")
    # 90 x 105, turned: 90 cos 15 + 105 sin 15 = 114.1 and 90 sin 15 + 105 cos 15 = 124.7
    assert found.width == pytest.approx(114.1, abs=1.01)
    assert found.height == pytest.approx(124.7, abs=1.01)
    assert (found.mode, found.format) == ("L", "JPEG")


def test_4_6_the_region_is_that_of_the_image_before_it_is_mirrored_and_turned(client):
    found = ask(client, "0,0,150,100/75,/!90/default.png", "quarters.png")
    assert found.size == (50, 75)
    assert found.getcolors() == [(50 * 75, QUARTERS[(-1, -1)])]


# -- 4.8 canonical URI


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        row("4.8 as it is", "full/max/0/default.jpg", "full/max/0/default.jpg"),
        row("4.8 region", "0,0,300,200/max/0/default.jpg", "full/max/0/default.jpg"),
        row("4.8 region pct:", "pct:0,0,50,50/max/0/gray.png", "0,0,150,100/max/0/gray.png"),
        row("4.8 size w,h", "full/150,/0/default.jpg", "full/150,100/0/default.jpg"),
        row("4.8 size ^w,h", "full/^pct:120/0/default.jpg", "full/^360,240/0/default.jpg"),
        row("4.8 rotation", "full/150,/!90.0/default.jpg", "full/150,100/!90/default.jpg"),
        row("4.8 quality", "full/150,/22.50/color.png", "full/150,100/22.5/default.png"),
    ],
)
def test_the_link_header_names_the_canonical_uri(client, path, canonical):
    response = client.get(f"/iiif/3/picture/{path}")
    links = re.split(r", (?=<)", ", ".join(response.headers.getlist("Link")))
    assert f'<http://localhost/iiif/3/picture.png/{canonical}>;rel="canonical"' in links
    # 6: the compliance level, as the URI of the profile document
    assert '<http://iiif.io/api/image/3/level2.json>;rel="profile"' in links
    assert len(links) == 2
    again = client.get(f"/iiif/3/picture.png/{canonical}")
    assert (again.data, again.headers["ETag"]) == (response.data, response.headers["ETag"])


# -- 5 image information


def test_5_2_image_information(client):
    response = client.get("/iiif/3/picture.png/info.json")
    assert response.status_code == 200
    assert response.data.startswith(b'{"@context":"http://iiif.io/api/image/3/context.json"')
    found = response.get_json(force=True)
    assert found["id"] == "http://localhost/iiif/3/picture.png"
    assert (found["type"], found["profile"]) == ("ImageService3", "level2")
    assert (found["width"], found["height"]) == (300, 200)


def test_5_3_every_listed_size_can_be_asked_for(client):
    for size in client.get("/iiif/3/picture.png/info.json").get_json(force=True)["sizes"]:
        found = ask(client, f"full/{size['width']},{size['height']}/0/default.jpg")
        assert found.size == (size["width"], size["height"])
