"""Tiles turned and made gray without decoding: what Pillow sees, and what is left to others."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from in_this_process import InThisProcess
from PIL import Image

from iiifserver.config import Config
from iiifserver.errors import Busy
from iiifserver.image import lossless
from iiifserver.image.job import Encoding, Picture
from iiifserver.image.lossless import found, here, joined, planes, transformed
from iiifserver.image.open import describe
from iiifserver.image.plan import Box, Plan
from iiifserver.image.render import render
from iiifserver.image.render.tile import from_stored
from iiifserver.image.request import ImageRequest, Quality, Rotation
from iiifserver.image.service import Images
from iiifserver.sources import Folder, Place

SIDE = 64
TURNED = {
    (False, 0): None,
    (False, 1): Image.Transpose.ROTATE_270,  # Pillow turns the other way
    (False, 2): Image.Transpose.ROTATE_180,
    (False, 3): Image.Transpose.ROTATE_90,
    (True, 0): Image.Transpose.FLIP_LEFT_RIGHT,
    (True, 1): Image.Transpose.TRANSVERSE,
    (True, 2): Image.Transpose.FLIP_TOP_BOTTOM,
    (True, 3): Image.Transpose.TRANSPOSE,
}

needs_library = pytest.mark.skipif(
    not here(), reason="no libturbojpeg: apt-get install libturbojpeg0"
)


def scan(width: int, height: int) -> Image.Image:
    """Return smooth colours of all kinds, none of them at either end of the scale."""
    y, x = np.mgrid[:height, :width]
    bands = [128 + 90 * np.sin(x / (7 + n) + n) * np.cos(y / (11 - n)) for n in range(3)]
    return Image.fromarray(np.stack(bands, -1).astype(np.uint8))


def jpeg(width: int = SIDE, height: int = SIDE, mode: str = "RGB", **options: Any) -> bytes:
    made = io.BytesIO()
    scan(width, height).convert(mode).save(made, "JPEG", **{"quality": 85} | options)
    return made.getvalue()


def opened(data: bytes) -> Image.Image:
    with Image.open(io.BytesIO(data)) as image:
        image.load()
        return image


def turned(image: Image.Image, mirror: bool, quarters: int) -> Image.Image:
    way = TURNED[mirror, quarters]
    return image if way is None else image.transpose(way)


def apart(one: Image.Image, other: Image.Image) -> Any:
    assert (one.size, one.mode) == (other.size, other.mode)
    return np.abs(np.asarray(one).astype(int) - np.asarray(other))


@needs_library
@pytest.mark.parametrize(
    "options", [{}, {"subsampling": 0}, {"mode": "L"}, {"quality": 50}], ids=str
)
@pytest.mark.parametrize(("mirror", "quarters"), TURNED)
def test_a_turned_tile_shows_what_the_upright_one_does(
    mirror: bool, quarters: int, options: dict[str, Any]
) -> None:
    upright = jpeg(96, 64, **options)
    made = transformed(upright, (96, 64), quarters, mirror=mirror, gray=False)
    assert made is not None
    differ = apart(opened(made), turned(opened(upright), mirror, quarters))
    # blocks are decoded in whole numbers, one way before the other, and chroma rounds by turns
    assert differ.max() <= 3
    assert differ.mean() < 0.5


@needs_library
@pytest.mark.parametrize(("mirror", "quarters"), TURNED)
def test_turned_back_it_is_the_same_to_the_bit(mirror: bool, quarters: int) -> None:
    upright = jpeg()
    there = transformed(upright, (SIDE, SIDE), quarters, mirror=mirror, gray=False)
    assert there is not None
    back = quarters if mirror else -quarters
    again = transformed(there, (SIDE, SIDE), back, mirror=mirror, gray=False)
    same = transformed(upright, (SIDE, SIDE), 0, mirror=False, gray=False)
    assert again == same
    assert (apart(opened(same), opened(upright)) == 0).all()


@needs_library
def test_gray_is_the_luma_of_what_is_seen() -> None:
    upright = jpeg()
    made = transformed(upright, (SIDE, SIDE), 0, mirror=False, gray=True)
    assert made is not None
    differ = apart(opened(made), opened(upright).convert("L"))
    assert differ.max() <= 1


@needs_library
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"mode": "L"}], ids=str)
def test_it_is_baseline_and_says_its_colours(options: dict[str, Any]) -> None:
    made = transformed(jpeg(**options), (SIDE, SIDE), 1, mirror=False, gray=False)
    assert made is not None
    assert made[2:4] == b"\xff\xe0"  # JFIF: luma and chroma, or gray
    assert b"\xff\xc0" in made
    assert "progressive" not in opened(made).info


@needs_library
def test_red_green_and_blue_stay_so_and_give_no_gray() -> None:
    upright = jpeg(keep_rgb=True)
    made = transformed(upright, (SIDE, SIDE), 1, mirror=False, gray=False)
    assert made is not None
    assert opened(made).info["adobe_transform"] == 0
    assert apart(opened(made), turned(opened(upright), False, 1)).max() <= 2
    assert transformed(upright, (SIDE, SIDE), 0, mirror=False, gray=True) is None


@needs_library
@pytest.mark.parametrize(
    ("size", "quarters", "mirror", "whole"),
    [
        ((60, 64), 0, True, False),  # its right edge would come to the left
        ((60, 64), 1, False, True),  # and here above
        ((64, 60), 1, False, False),
        ((64, 60), 0, True, True),
        ((60, 60), 2, False, False),
        ((60, 60), 0, False, True),
    ],
)
def test_parts_of_blocks_are_never_moved_inwards(
    size: tuple[int, int], quarters: int, mirror: bool, whole: bool
) -> None:
    made = transformed(jpeg(*size), size, quarters, mirror=mirror, gray=False)
    assert (made is not None) == whole


@needs_library
@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"no picture",
        jpeg()[:200],
        jpeg()[:-200],
        jpeg().replace(b"\xff\xda", b"\xff\xd9"),
        # it says that it is as large as can be
        jpeg().replace(
            b"\xff\xc0\x00\x11\x08\x00\x40\x00\x40", b"\xff\xc0\x00\x11\x08\xff\xdc\xff\xdc"
        ),
    ],
    ids=["empty", "other", "no scan", "cut", "no scan at all", "huge"],
)
@pytest.mark.parametrize("gray", [False, True])
def test_what_is_damaged_is_left_to_others(damaged: bytes, gray: bool) -> None:
    assert transformed(damaged, (SIDE, SIDE), 1, mirror=False, gray=gray) is None
    assert transformed(damaged, (65_500, 65_500), 1, mirror=False, gray=gray) is None


@needs_library
def test_noise_within_a_tile_harms_nobody() -> None:
    whole, random = jpeg(quality=95), np.random.default_rng(1)
    for _ in range(300):
        noisy = bytearray(whole)
        for place in random.integers(2, len(whole), 8):
            noisy[place] = random.integers(256)
        made = transformed(bytes(noisy), (SIDE, SIDE), 1, mirror=False, gray=False)
        assert made is None or made[:2] == b"\xff\xd8"


# -- where a part of a block comes to the other side


@needs_library
@pytest.mark.parametrize("size", [(45, 64), (64, 45), (45, 45), (46, 39), (1, 1), (17, 2)], ids=str)
@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_what_a_tile_stores_is_joined_to_the_same_again(
    size: tuple[int, int], subsampling: str
) -> None:
    upright = jpeg(*size, quality=95, subsampling=subsampling)
    stored = planes(upright, size)
    assert stored is not None
    made = joined(stored, 95)
    assert made is not None
    assert apart(opened(made), opened(upright)).max() <= 4
    assert made == joined(stored, 95)


@needs_library
@pytest.mark.parametrize("options", [{"mode": "L"}, {"keep_rgb": True}], ids=str)
def test_other_colours_have_no_luma_and_chroma(options: dict[str, Any]) -> None:
    assert planes(jpeg(**options), (SIDE, SIDE)) is None


@needs_library
def test_what_is_damaged_or_of_another_size_has_no_planes() -> None:
    for damaged in (b"", b"no picture", jpeg()[:200], jpeg()[:-200]):
        assert planes(damaged, (SIDE, SIDE)) is None
    assert planes(jpeg(), (SIDE, SIDE - 1)) is None
    assert planes(jpeg(), (65_500, 65_500)) is None


def coloured(width: int, height: int) -> Image.Image:
    """Return stripes of colours of one luma, so that chroma at a wrong place is seen."""
    y, x = np.mgrid[:height, :width]
    bands = [np.full((height, width), 128), 128 + 60 * np.sin(x / 9), 128 + 60 * np.sin(y / 9)]
    return Image.fromarray(np.stack(bands, -1).astype(np.uint8), "YCbCr")


@needs_library
@pytest.mark.parametrize("size", [(61, 64), (64, 61), (61, 59), (60, 62), (23, 21)], ids=str)
@pytest.mark.parametrize("stored", ["4:4:4", "4:2:2", "4:4:0", "4:2:0"])
@pytest.mark.parametrize(("mirror", "quarters"), TURNED)
def test_an_edge_tile_shows_what_the_upright_one_does(
    mirror: bool, quarters: int, stored: str, size: tuple[int, int], tmp_path: Path
) -> None:
    if (mirror, quarters) == (False, 0):
        return  # it is sent as it is
    upright = stored_as(stored, coloured(*size))
    rotation = Rotation(90 * quarters, mirror)
    job = picture(tmp_path, data=upright, size=size, rotation=rotation, jpeg_quality=97)
    assert job.stored is not None
    made = from_stored(job, job.stored)
    assert made is not None
    differ = apart(opened(made), turned(opened(upright), mirror, quarters))
    assert differ.mean() < 1.2  # chroma that is off by a column is off by 3
    assert made == from_stored(job, job.stored)


def stored_as(subsampling: str, image: Image.Image) -> bytes:
    """Return *image* as a JPEG; 4:4:0 is 4:2:2 turned by a quarter."""
    made = io.BytesIO()
    upright = subsampling != "4:4:0"
    shown = image if upright else image.transpose(Image.Transpose.TRANSPOSE)
    shown.save(made, "JPEG", quality=97, subsampling=subsampling if upright else "4:2:2")
    if upright:
        return made.getvalue()
    return transformed(made.getvalue(), shown.size, 3, mirror=True, gray=False) or b""


# -- in a server


def picture(folder: Path, **other: Any) -> Picture:
    path = folder / "scan.jpg"
    path.write_bytes(other.pop("data", jpeg()))
    with path.open("rb") as file:
        header = describe(lambda offset, length: _read(file, offset, length), path.stat().st_size)
    width, height = other.pop("size", (SIDE, SIDE))
    encoding = Encoding(jpeg_quality=other.pop("jpeg_quality", 85))
    values = {"rotation": Rotation(90), "quality": "default", "format": "jpg"} | other
    plan = Plan(Box(0, 0, width, height), width, height, canonical="", **values)
    place = Place(str(path), 0, path.stat().st_size)
    return Picture("p", path, header, plan, encoding, stored=place, lossless=here())


def _read(file: Any, offset: int, length: int) -> bytes:
    file.seek(offset)
    return bytes(file.read(length))


@needs_library
@pytest.mark.parametrize("quality", ["default", "gray"])
def test_a_picture_of_a_tile_is_not_decoded(quality: Quality, tmp_path: Path) -> None:
    job = picture(tmp_path, quality=quality)
    gray = quality == "gray"
    assert render(job) == transformed(jpeg(), (SIDE, SIDE), 1, mirror=False, gray=gray)


@needs_library
def test_a_process_with_another_library_makes_nothing(tmp_path: Path) -> None:
    job = picture(tmp_path)
    other = Picture(
        "p", job.path, job.header, job.plan, job.encoding, stored=job.stored, lossless="x"
    )
    with pytest.raises(Busy, match="libturbojpeg was replaced"):
        render(other)


@needs_library
def test_the_library_is_found_by_a_process_of_its_own() -> None:
    assert found() == here()


def test_without_a_library_nothing_is_transformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lossless, "_NAMES", ("libthere-is-none.so.0",))
    lossless._library.cache_clear()
    try:
        assert transformed(jpeg(), (SIDE, SIDE), 1, mirror=False, gray=False) is None
    finally:
        lossless._library.cache_clear()


@pytest.mark.parametrize(
    ("path", "differs"),
    [
        ("full/max/0/default.jpg", False),
        ("full/max/90/default.jpg", True),
        ("full/max/!0/default.jpg", True),
        ("full/max/0/gray.jpg", True),
    ],
)
def test_the_tag_of_what_is_turned_tells_by_which_library(
    path: str, differs: bool, tmp_path: Path
) -> None:
    (tmp_path / "scan.jpg").write_bytes(jpeg())
    config = Config(folder=str(tmp_path), data=tmp_path / ".data")
    off = Config(folder=str(tmp_path), data=tmp_path / ".data", lossless_turns=False)
    asked = ImageRequest.parse(3, *path.split("/"))
    tags = [
        Images(Folder(tmp_path), each, InThisProcess(), lossless=name).plan("scan.jpg", asked).etag
        for each, name in ((config, ""), (config, "one"), (config, "other"), (off, "one"))
    ]
    assert tags[0] == tags[3]
    assert len(set(tags)) == (3 if differs else 1)
