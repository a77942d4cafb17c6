"""Regions put together of JPEG tiles: libvips' pixels, to the bit; nothing where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import pyvips
from image_sources import picture

from iiifserver.image.headers import Header
from iiifserver.image.open import describe
from iiifserver.image.plan import Box
from iiifserver.image.render import mosaic
from iiifserver.image.render.mosaic import read_tiles

WIDTH, HEIGHT, TILE = 700, 530, 128
BOXES = {
    "one tile": Box(128, 256, 128, 128),
    "within a tile": Box(130, 260, 5, 7),
    "over many tiles": Box(100, 120, 333, 300),
    "the right lower corner": Box(600, 500, 100, 30),
    "all": Box(0, 0, WIDTH, HEIGHT),
}


def pyramid(folder: Path, *, gray: bool = False, **options: object) -> Path:
    scan = picture(WIDTH, HEIGHT).convert("L") if gray else picture(WIDTH, HEIGHT)
    options = {"compression": "jpeg", "Q": 80, "pyramid": True, **options}
    path = folder / "scan.tif"
    image = pyvips.Image.new_from_array(np.asarray(scan))
    image = image.copy(interpretation="b-w" if gray else "srgb")
    image.tiffsave(str(path), tile=True, tile_width=TILE, tile_height=TILE, **options)
    return path


def header_of(path: Path) -> Header:
    with path.open("rb") as file:
        handle = file.fileno()
        size_bytes = path.stat().st_size
        return describe(lambda offset, length: os.pread(handle, length, offset), size_bytes)


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize(
    "options",
    [{}, {"Q": 95}, {"gray": True}, {"subifd": True}],  # chroma halved, and not; SubIFDs
    ids=str,
)
def test_pixels_are_those_of_libvips(options: dict[str, object], box: Box, tmp_path: Path) -> None:
    path = pyramid(tmp_path, **options)
    expected = pyvips.Image.tiffload(str(path)).crop(*box).numpy()
    found = read_tiles(path, header_of(path), 0, box)
    assert np.array_equal(found.reshape(expected.shape), expected)


def test_a_coarser_level_has_its_own_tiles(tmp_path: Path) -> None:
    path = pyramid(tmp_path)
    expected = pyvips.Image.tiffload(str(path), page=1).crop(10, 20, 300, 200).numpy()
    found = read_tiles(path, header_of(path), 1, Box(10, 20, 300, 200))
    assert np.array_equal(found, expected)


@pytest.mark.parametrize(
    "options",
    [{"compression": "deflate"}, {"compression": "webp"}, {"compression": "none"}],
    ids=str,
)
def test_other_codes_are_libvips_work(options: dict[str, object], tmp_path: Path) -> None:
    path = pyramid(tmp_path, **options)
    assert read_tiles(path, header_of(path), 0, BOXES["all"]) is None


def test_samples_with_a_profile_are_libvips_work(tmp_path: Path) -> None:
    path = pyramid(tmp_path, profile="srgb")
    assert read_tiles(path, header_of(path), 0, BOXES["all"]) is None


def test_more_than_may_be_held_is_libvips_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pyramid(tmp_path)
    monkeypatch.setattr(mosaic, "_MOST_PIXELS", 333 * 300)
    assert read_tiles(path, header_of(path), 0, BOXES["over many tiles"]) is not None
    assert read_tiles(path, header_of(path), 0, BOXES["all"]) is None


@pytest.mark.parametrize("damage", ["cut", "zeroed"])
def test_damaged_tiles_are_left_to_libvips(damage: str, tmp_path: Path) -> None:
    path = pyramid(tmp_path)
    header = header_of(path)
    data = bytearray(path.read_bytes())
    middle = len(data) // 4
    if damage == "cut":
        path.write_bytes(data[:middle])
    else:
        path.write_bytes(data[:middle] + bytes(5000) + data[middle + 5000 :])
    assert read_tiles(path, header, 0, BOXES["all"]) is None


def test_a_file_that_went_away_is_left_to_libvips(tmp_path: Path) -> None:
    path = pyramid(tmp_path)
    header = header_of(path)
    path.unlink()
    assert read_tiles(path, header, 0, BOXES["all"]) is None


def test_pixels_that_are_reduced_are_nearly_those(tmp_path: Path) -> None:
    path = pyramid(tmp_path)
    box = BOXES["over many tiles"]
    exact = read_tiles(path, header_of(path), 0, box).astype(int)
    found = read_tiles(path, header_of(path), 0, box, reduced=True).astype(int)
    assert np.abs(found.mean((0, 1)) - exact.mean((0, 1))).max() < 0.1
    assert np.abs(found - exact).mean() < 4
