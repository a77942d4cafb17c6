"""The TIFFs that we write, as Pillow and libvips read them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from PIL import Image

from iiifserver.image import tiled
from iiifserver.image.containers import describe_page
from iiifserver.image.plan import Dimensions
from iiifserver.image.tiled import Samples, TiledTiff

TILE = 64
LEVELS = [Dimensions(150, 70), Dimensions(75, 35), Dimensions(38, 18)]


def jpeg(shade: int, mode: str = "RGB", subsampling: int = 2) -> bytes:
    target = io.BytesIO()
    colour = shade if mode == "L" else (shade, 255 - shade, shade // 2)
    chroma = {} if mode == "L" else {"subsampling": subsampling}
    Image.new(mode, (TILE, TILE), colour).save(target, "JPEG", quality=95, **chroma)
    return target.getvalue()


def written(path: Path, samples: Samples) -> Path:
    """Write a pyramid, the coarsest level first, of which each tile has another shade."""
    mode, subsampling = "L" if samples.gray else "RGB", 2 if samples.halved else 0
    with path.open("wb") as file:
        tiff = TiledTiff(file, LEVELS, TILE, samples)
        for level in reversed(range(len(LEVELS))):
            for number in range(tiff.counts[level]):
                tiff.add(level, number, jpeg(20 * (level + number + 1), mode, subsampling))
        front = tiff.finish()
    assert path.read_bytes().startswith(front)
    return path


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    "samples", [Samples(gray=True, halved=True), Samples(False, True), Samples(False, False)]
)
def test_others_read_every_level(
    samples: Samples, big: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if big:
        monkeypatch.setattr(tiled, "_CLASSIC_PIXELS", 0)
    path = written(tmp_path / "p.tif", samples)
    assert path.read_bytes()[2] == (43 if big else 42)
    with Image.open(path) as file:
        assert file.n_frames == len(LEVELS)
        for level, size in enumerate(LEVELS):
            file.seek(level)
            by_vips = pyvips.Image.tiffload(str(path), page=level, fail_on="warning")
            assert (file.size, (by_vips.width, by_vips.height)) == (size, size)
            by_pillow = np.asarray(file)
            assert np.array_equal(by_pillow, np.squeeze(by_vips.numpy()))
            for number in range(-(-size.width // TILE)):
                shade = by_pillow[0, number * TILE]
                assert abs(int(np.ravel(shade)[0]) - 20 * (level + number + 1)) <= 2
    header = describe_page(path)
    assert [(level.width, level.height) for level in header.levels] == LEVELS
    assert header.bands == (1 if samples.gray else 3)


def test_each_tile_is_a_jpeg_of_its_own(tmp_path: Path) -> None:
    path = written(tmp_path / "p.tif", Samples(gray=False, halved=True))
    body = path.read_bytes()
    with Image.open(path) as file:
        for level in range(file.n_frames):
            file.seek(level)
            tags: Any = file.tag_v2
            assert 347 not in tags
            assert tags.get(254, 0) == (1 if level else 0)
            for number, (offset, length) in enumerate(zip(tags[324], tags[325], strict=True)):
                assert body[offset : offset + length] == jpeg(20 * (level + number + 1))


def test_a_table_that_fits_its_entry_lies_in_it(tmp_path: Path) -> None:
    with (tmp_path / "p.tif").open("wb") as file:
        tiff = TiledTiff(file, [Dimensions(9, 9)], TILE, Samples(gray=True, halved=False))
        offset = tiff.add(0, 0, jpeg(90, "L"))
        front = tiff.finish()
    assert offset == len(front) < 300
    with Image.open(tmp_path / "p.tif") as shown:
        assert shown.tag_v2[324] == (offset,)
        assert abs(shown.getpixel((8, 8)) - 90) <= 2
