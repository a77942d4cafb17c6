"""Limits on what is made and on what is read, and what a server survives."""

from __future__ import annotations

import io
import math
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import pyvips
from flask.testing import FlaskClient
from image_sources import make, picture
from PIL import Image

FORMATS = ["jpg", "png", "webp", "avif", "tif", "gif", "jp2", "pdf"]
SETTINGS = {"max_width": 150, "max_height": 120, "max_area": 12_000}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("limits")
    picture(300, 200).save(folder / "x.png")
    picture(64, 8).save(folder / "wide.png")
    picture(8, 64).save(folder / "high.png")
    return folder


@pytest.fixture(scope="module")
def client(serve: Callable[..., FlaskClient], folder: Path) -> FlaskClient:
    return serve(folder)


def size(client: FlaskClient, address: str) -> tuple[int, int]:
    response = client.get(address)
    assert response.status_code == 200, response.text
    return Image.open(io.BytesIO(response.data)).size


# -- what is made


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("name", "width", "height"), [("wide.png", 16_383, 8), ("high.png", 8, 16_383)]
)
def test_every_format_reaches_the_limit(client, ending, name, width, height):
    for version, size_asked in ((3, f"^{width},{height}"), (2, f"{width},{height}")):
        address = f"/iiif/{version}/{name}/full/{size_asked}/0/default.{ending}"
        if version == 2 or ending == "pdf":
            response = client.get(address)  # equal to the other version's, see test_image_api_2
            assert response.status_code == 200
        else:
            assert size(client, address) == (width, height)


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("name", "path"), [("wide.png", "16384,8"), ("high.png", "8,16384"), ("x.png", "10001,10000")]
)
def test_no_format_exceeds_it(client, ending, name, path):
    for version, caret in ((3, "^"), (2, "")):
        response = client.get(f"/iiif/{version}/{name}/full/{caret}{path}/0/default.{ending}")
        assert (response.status_code, response.json["parameter"]) == (400, "size")


@pytest.mark.parametrize(
    ("size_asked", "allowed"),
    [
        ("150,80", True),
        ("151,79", False),
        ("100,120", True),
        ("99,121", False),
        ("120,100", True),
        ("120,101", False),
    ],
)
@pytest.mark.parametrize("version", [3, 2])
def test_the_published_limits_are_the_enforced_ones(serve, folder, version, size_asked, allowed):
    client = serve(folder, **SETTINGS)
    found = client.get(f"/iiif/{version}/x.png/info.json").get_json(force=True)
    published = found if version == 3 else found["profile"][1]
    assert (published["maxWidth"], published["maxHeight"]) == (150, 120)
    assert published["maxArea"] == 12_000
    response = client.get(f"/iiif/{version}/x.png/full/{size_asked}/0/default.jpg")
    assert response.status_code == (200 if allowed else 400)


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_width": 150}, (150, 100)),
        ({"max_height": 50}, (75, 50)),
        ({"max_area": 15_000}, (150, 100)),
        (SETTINGS, (134, 89)),  # sqrt(12000 x 1.5) x sqrt(12000 / 1.5)
    ],
)
def test_max_is_reduced_in_both_versions_and_full_is_refused(serve, folder, limits, expected):
    client = serve(folder, **limits)
    assert size(client, "/iiif/3/x.png/full/max/0/default.png") == expected
    assert size(client, "/iiif/2/x.png/full/max/0/default.png") == expected
    assert size(client, "/iiif/3/x.png/full/!999,999/0/default.png") == expected
    assert size(client, "/iiif/3/x.png/full/^max/0/default.png") == expected
    assert client.get("/iiif/2/x.png/full/full/0/default.png").status_code == 400
    assert size(client, "/iiif/2/x.png/0,0,75,50/full/0/default.png") == (75, 50)


@pytest.mark.parametrize("version", [3, 2])
def test_every_tile_and_size_is_within_small_limits(serve, folder, version):
    client = serve(folder, max_width=100, max_area=8_000)
    found = client.get(f"/iiif/{version}/x.png/info.json").get_json(force=True)
    tile = found["tiles"][0]
    for factor in tile["scaleFactors"]:
        region = (min(tile["width"] * factor, 300), min(tile["height"] * factor, 200))
        expected = (math.ceil(region[0] / factor), math.ceil(region[1] / factor))
        path = f"0,0,{region[0]},{region[1]}/{expected[0]},{expected[1]}/0/default.png"
        assert size(client, f"/iiif/{version}/x.png/{path}") == expected
    for listed in found["sizes"]:
        path = f"full/{listed['width']},{listed['height']}/0/default.png"
        assert size(client, f"/iiif/{version}/x.png/{path}") == (listed["width"], listed["height"])


def test_the_larger_canvas_of_a_turned_picture_is_bounded(client):
    # 11,590 x 11,590 pixels for 16,383 x 8
    response = client.get("/iiif/3/wide.png/full/^16383,8/45/default.png")
    assert (response.status_code, response.json["parameter"]) == (400, "rotation")
    assert response.json["specification"] == "https://iiif.io/api/image/3.0/#43-rotation"
    assert size(client, "/iiif/3/wide.png/full/^16383,8/!90/default.png") == (8, 16_383)
    assert client.get("/iiif/3/wide.png/full/^2000,8/45/default.png").status_code == 200


# -- what is read


def _png(width: int, height: int, interlaced: int = 0) -> bytes:
    """Return a PNG whose header promises more than its data holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    data = zlib.compress(bytes(10_000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    )


def _tiff(**entries: int) -> bytes:
    """Return a TIFF of 64 x 64 gray pixels in one strip, with some entries telling lies."""
    tags = {"width": 256, "height": 257, "bits": 258, "compression": 259, "photometric": 262}
    tags |= {"offset": 273, "samples": 277, "rows": 278, "count": 279}
    told = {"width": 64, "height": 64, "bits": 8, "compression": 1, "photometric": 1}
    told |= {"offset": 200, "samples": 1, "rows": 64, "count": 4096} | entries
    directory = b"".join(
        struct.pack("<HHII", tags[name], 4, 1, told[name]) for name in sorted(tags, key=tags.get)
    )
    next_directory = told.get("next", 0)
    body = struct.pack("<H", len(tags)) + directory + struct.pack("<I", next_directory)
    return (b"II*\x00" + struct.pack("<I", 8) + body).ljust(200, b"\0") + bytes(range(256)) * 16


def _jpeg(share: float, **options: object) -> bytes:
    target = io.BytesIO()
    picture(600, 400).save(target, "JPEG", quality=90, **options)
    return target.getvalue()[: int(len(target.getvalue()) * share)]


def _saved(kind: str, share: float) -> bytes:
    target = io.BytesIO()
    picture(300, 200).save(target, kind)
    return target.getvalue()[: int(len(target.getvalue()) * share)]


BROKEN = {
    "empty.tif": b"",
    "empty.jpg": b"",
    "text.tif": b"A text that somebody called an image.\n" * 20,
    "text.jpg": b"<html><body>not found</body></html>",
    "zeros.png": bytes(5_000),
    "signature.png": b"\x89PNG\r\n\x1a\n",
    "signature.jpg": b"\xff\xd8\xff",
    "signature.tif": b"II*\x00\x08\x00\x00\x00",
    "signature.webp": b"RIFF\x00\x00\x00\x00WEBP",
    "signature.avif": b"\x00\x00\x00\x20ftypavif",
    "signature.gif": b"GIF89a",
    "signature.jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n",
    "bomb.png": _png(60_000, 60_000),
    "wide-bomb.png": _png(2**31 - 1, 1),
    "interlaced-bomb.png": _png(40_000, 40_000, 1),
    "short.png": _png(2_000, 2_000),
    "no-size.png": _png(0, 10),
    "half.jpg": _jpeg(0.5),
    "half-progressive.jpg": _jpeg(0.5, progressive=True),
    "head.jpg": _jpeg(0.02),
    "half.png": _saved("PNG", 0.5),
    "half.gif": _saved("GIF", 0.5),
    "half.webp": _saved("WEBP", 0.5),
    "half.avif": _saved("AVIF", 0.5),
    "half.jp2": _saved("JPEG2000", 0.1),
    "huge.tif": _tiff(width=2**31 - 1, height=2**31 - 1),
    "wide.tif": _tiff(width=60_000, height=60_000),
    "nothing.tif": _tiff(width=0),
    "beyond.tif": _tiff(offset=2**31),
    "long-strip.tif": _tiff(count=2**32 - 1, rows=2**32 - 1, height=3_000),
    "loop.tif": _tiff(next=8, offset=2**31),
    "bits.tif": _tiff(bits=12_345),
    "compression.tif": _tiff(compression=54_321),
    "cut-directory.tif": _tiff()[:60],
    "cut.tif": _tiff()[:1_000],
}


@pytest.fixture(scope="module")
def broken(
    serve: Callable[..., FlaskClient], tmp_path_factory: pytest.TempPathFactory
) -> FlaskClient:
    folder = tmp_path_factory.mktemp("broken")
    for name, data in BROKEN.items():
        (folder / name).write_bytes(data)
    picture(60, 40).save(folder / "good.png")
    (folder / "sound.tif").write_bytes(_tiff())
    return serve(folder)


def test_the_tiff_that_tells_no_lies_is_served(broken):
    assert size(broken, "/iiif/3/sound.tif/full/max/0/default.png") == (64, 64)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_source_is_a_clear_error_and_the_server_goes_on(broken, name):
    started = time.monotonic()
    response = broken.get(f"/iiif/3/{name}/full/max/0/default.png")
    assert time.monotonic() - started < 5
    assert response.status_code == 500
    assert response.content_type == "application/problem+json"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.json["parameter"] == "identifier"
    assert name in response.json["detail"]
    assert "/" not in response.json["detail"], "a path of this machine"
    for version in (3, 2):
        about = broken.get(f"/iiif/{version}/{name}/info.json")
        assert about.status_code in (200, 500)
        assert about.headers["Access-Control-Allow-Origin"] == "*"
    assert size(broken, "/iiif/3/good.png/full/max/0/default.jpg") == (60, 40)


@pytest.mark.parametrize("kind", ["png", "jpeg-baseline-444", "webp-lossless", "tiff-strips-lzw"])
@pytest.mark.parametrize("called", ["x.jpg", "x.tif", "x.gif", "x.jp2"])
def test_what_a_file_is_shows_in_its_signature_and_not_in_its_name(serve, tmp_path, kind, called):
    make(kind, tmp_path, picture(60, 40)).rename(tmp_path / called)
    assert size(serve(tmp_path), f"/iiif/3/{called}/full/max/0/default.png") == (60, 40)


def test_a_picture_of_more_pixels_than_are_allowed_is_refused(serve, folder):
    client = serve(folder, max_source_pixels=59_999)
    for path in ("info.json", "full/1,1/0/default.jpg"):
        response = client.get(f"/iiif/3/x.png/{path}")
        assert (response.status_code, response.json["parameter"]) == (500, "identifier")
        assert "60,000" in response.json["detail"]
    assert serve(folder, max_source_pixels=60_000).get("/iiif/3/x.png/info.json").status_code == 200


@pytest.fixture(scope="module")
def costly(
    serve: Callable[..., FlaskClient], tmp_path_factory: pytest.TempPathFactory
) -> FlaskClient:
    """Files of 27 MB decoded, where 16 MiB are allowed."""
    folder = tmp_path_factory.mktemp("costly")
    plain = Image.new("RGB", (3_000, 3_000), (40, 90, 200))
    plain.save(folder / "progressive.jpg", progressive=True)
    plain.save(folder / "lossless.webp", lossless=True, quality=0, method=0)
    plain.save(folder / "one-strip.tif", compression="tiff_lzw", strip_size=2**30)
    plain.save(folder / "baseline.jpg")
    plain.save(folder / "plain.png", compress_level=1)
    plain.save(folder / "strips.tif", compression="tiff_lzw")
    make("png-interlaced", folder, plain).rename(folder / "interlaced.png")
    make("tiff-tiled-deflate", folder, plain).rename(folder / "tiled.tif")
    giant = {"tile": True, "tile_width": 3_008, "tile_height": 3_008, "compression": "deflate"}
    pyvips.Image.new_from_array(np.asarray(plain)).tiffsave(str(folder / "one-tile.tif"), **giant)
    return serve(folder, max_decoder_mib=16)


@pytest.mark.parametrize(
    "name", ["progressive.jpg", "interlaced.png", "lossless.webp", "one-tile.tif"]
)
def test_what_must_be_decoded_whole_counts_whole(costly, name):
    for path in ("info.json", "full/30,/0/default.jpg", "0,0,10,10/max/0/default.jpg"):
        response = costly.get(f"/iiif/3/{name}/{path}")
        assert (response.status_code, response.json["parameter"]) == (500, "identifier")
        assert "MiB" in response.json["detail"]


@pytest.mark.parametrize(
    "name", ["baseline.jpg", "plain.png", "strips.tif", "one-strip.tif", "tiled.tif"]
)
def test_what_can_be_streamed_does_not(costly, name):
    assert size(costly, f"/iiif/3/{name}/full/30,/0/default.jpg") == (30, 30)
    assert size(costly, f"/iiif/3/{name}/2990,2990,10,10/max/0/default.jpg") == (10, 10)
