"""EXIF's orientation, 1 to 8: what is served stands upright, whole, in tiles, and reduced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from image_sources import ORIENTATION_TAG, picture
from PIL import Image
from pixels import asked, average, decoded, difference, seen, served, stitched, tiles_of


def save_with_exif(source: Image.Image, path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    lossless = {"lossless": True} if path.suffix == ".webp" else {"quality": 95}
    source.save(path, exif=exif, **({} if path.suffix == ".png" else lossless))


def save_tiff(source: Image.Image, path: Path, orientation: int) -> None:
    source.save(path, tiffinfo={ORIENTATION_TAG: orientation}, compression="tiff_lzw")


FORMATS: dict[str, Callable[[Image.Image, Path, int], None]] = {
    ".jpg": save_with_exif,
    ".tif": save_tiff,
    ".png": save_with_exif,
    ".webp": save_with_exif,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", FORMATS)
def test_tiles_stand_upright(suffix: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"scan{suffix}"
    FORMATS[suffix](picture(203, 131), path, orientation)
    upright = decoded(path)
    images = served(tmp_path)
    assert images.describe(path.name).dimensions == upright.size
    for factor, tiles in tiles_of(images, path.name, 64).items():
        level = stitched(images, path.name, tiles, 64)
        differs = difference(level, average(upright, factor))
        if factor == 1:
            assert differs.max() == 0
        assert differs.mean() < 1.8, f"1/{factor}"  # scaled as it is decoded: test_stitched.py


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_size_without_grid_stands_upright(orientation: int, tmp_path: Path) -> None:
    save_tiff(picture(203, 131), tmp_path / "scan.tif", orientation)
    upright = decoded(tmp_path / "scan.tif")
    given = seen(asked(served(tmp_path), "scan.tif", "full/50,70/0/default.png"))
    assert difference(given, upright.resize((50, 70), Image.Resampling.LANCZOS)).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_is_of_the_upright_image(orientation: int, tmp_path: Path) -> None:
    save_tiff(picture(61, 33), tmp_path / "scan.tif", orientation)
    upright = decoded(tmp_path / "scan.tif")
    given = seen(asked(served(tmp_path), "scan.tif", "full/max/!90/default.png"))
    mirrored = upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert difference(given, mirrored.transpose(Image.Transpose.ROTATE_270)).max() == 0


def test_an_orientation_that_does_not_exist_is_none(tmp_path: Path) -> None:
    save_with_exif(picture(40, 20), tmp_path / "scan.png", 9)
    given = seen(asked(served(tmp_path), "scan.png", "full/max/0/default.png"))
    assert difference(given, picture(40, 20)).max() == 0
