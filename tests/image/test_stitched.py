"""Any tile equals the same region of the full image: tiles as viewers ask for them, stitched.

Pillow judges: its box reduction of the whole picture, as it decodes the file itself. Lossless
sources: at full size equal, reduced at most 2 levels apart on average. No column or row beside a
tile's border, and no last one, may be much worse than the others: that is where seams, padding and
dark edges show.

What is allowed to others, and why (measured, about a third added):
- JPEG is scaled while it is decoded, by DCT; with chroma subsampling that scales chroma directly,
  where a decoder at full size first interpolates it.
- A pyramid's stored levels are lossy themselves, where its maker made them so.
- AVIF: libheif repeats subsampled chroma, the decoder in Pillow interpolates it.
- CMYK is converted after averaging.
- Pillow cannot read WebP in TIFF: it is judged by what was put in.
- A large JPEG 2000 (see geometry.py) is answered with its own bands, which are no averages.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_sources import KINDS, make, picture, shown, white
from PIL import Image
from pixels import (
    as_srgb,
    asked,
    average,
    cmyk_profile,
    decoded,
    difference,
    seen,
    served,
    stitched,
    tiles_of,
)

MEAN_LOSSLESS = 2.0
MEAN = {
    "avif": 1.8,
    "avif-rgba": 1.0,
    "jpeg-cmyk": 3.0,
    "tiff-cmyk": 3.0,
    "tiff-pyramid-pages-jpeg": 3.5,
    "tiff-webp": 6.0,
}
MEAN_LOSSY = 1.8
MEAN_LARGE_WAVELET = 3.5
LARGE_PIXELS = 4_000_000
WORSE_AT_A_BORDER = 1.0
FEW = 24
# a wavelet's last low-pass pixel mirrors the picture instead of ending with it
WORSE = {kind: 2.5 for kind in KINDS if kind.startswith(("jp2", "j2k"))}
# its chroma is interpolated otherwise, which shows where strokes lie
WORSE |= {"avif": 3.0, "avif-rgba": 3.0}
# judged by what was put in; a lossy code is worst at the last pixels
WORSE["tiff-webp"] = 40.0

# what the source's format changes in the way to its pixels
WAYS = (
    "png",
    "jpeg-baseline-444",
    "jpeg-progressive",
    "tiff-strips-deflate",
    "tiff-tiled-deflate",
    "tiff-pyramid-pages-deflate",
    "tiff-pyramid-subifd-deflate",
    "jp2-tiled-lossless",
)


def check_borders(differs: np.ndarray[Any, Any], side: int, kind: str) -> None:
    """Check that no column or row at a tile's border is much worse than the others."""
    for axis in (1, 0):
        lines = differs.mean(axis=(1 - axis, 2))
        across = differs.shape[1 - axis]
        if across < FEW:
            continue  # the mean of so few pixels says nothing
        borders = {0, len(lines) - 1} | {
            at - beside for at in range(side, len(lines), side) for beside in (0, 1)
        }
        others = np.delete(lines, sorted(borders))
        usual = np.median(others) if others.size else lines.mean()
        worst = max(borders, key=lambda line: lines[line])
        assert lines[worst] <= usual + WORSE.get(kind, WORSE_AT_A_BORDER), (
            f"{'column' if axis else 'row'} {worst} of {len(lines)}"
        )


def check_levels(folder: Path, kind: str, source: Image.Image, side: int) -> None:
    """Check every tile of every scale factor against Pillow's reduction."""
    path = make(kind, folder, source)
    images = served(folder)
    full = expected(kind, path, source)
    for factor, tiles in tiles_of(images, path.name, side).items():
        level = stitched(images, path.name, tiles, side)
        check(kind, level, average(full, factor), factor, side, mean_of(kind, full))


def check_last_tiles(folder: Path, kind: str, source: Image.Image, side: int) -> None:
    """Check the first tile and the last ones, right and below, of every scale factor."""
    path = make(kind, folder, source)
    images = served(folder)
    full = expected(kind, path, source)
    for factor, tiles in tiles_of(images, path.name, side).items():
        level = average(full, factor)
        last = max(tile.column for tile in tiles), max(tile.row for tile in tiles)
        for tile in tiles:
            if (tile.column, tile.row) in {(0, 0), (last[0], last[1] // 2), (0, last[1]), last}:
                x, y = tile.column * side, tile.row * side
                part = level.crop((x, y, x + tile.width, y + tile.height))
                given = seen(asked(images, path.name, tile.path))
                check(kind, given, part, factor, side, mean_of(kind, full))


def mean_of(kind: str, full: Image.Image) -> float:
    """Return how far from the averages reduced tiles of the picture may be."""
    if kind.startswith("jp2") and full.width * full.height > LARGE_PIXELS:
        return MEAN_LARGE_WAVELET
    return MEAN_LOSSLESS if KINDS[kind].lossless else MEAN.get(kind, MEAN_LOSSY)


def check(
    kind: str, given: Image.Image, full: Image.Image, factor: int, side: int, mean: float
) -> None:
    lossless = KINDS[kind].lossless
    differs = difference(given, full)
    if factor == 1 and lossless and KINDS[kind].mode != "CMYK":
        assert differs.max() == 0
    if min(given.size) < FEW:  # of the image's last columns or rows only
        mean += WORSE.get(kind, WORSE_AT_A_BORDER)
    assert differs.mean() <= mean, f"1/{factor}"
    check_borders(differs, side, kind)


def expected(kind: str, path: Path, source: Image.Image) -> Image.Image:
    """Return what Pillow sees in the file, or, where it cannot read it, what was put there."""
    if kind == "tiff-webp":
        return shown(kind, source)
    full = decoded(path)
    return as_srgb(full, cmyk_profile()) if full.mode == "CMYK" else full


@functools.lru_cache(maxsize=1)
def scan() -> Image.Image:
    return picture(3977, 5923)


@pytest.mark.parametrize("kind", KINDS)
def test_tiles_are_the_whole_s_at_every_scale_factor(kind: str, tmp_path: Path) -> None:
    check_last_tiles(tmp_path, kind, picture(257, 511), 64)


@pytest.mark.parametrize("size", [(397, 593), (65, 33), (1, 1), (1, 2000), (2000, 1)], ids=str)
@pytest.mark.parametrize("kind", WAYS)
def test_tiles_make_the_whole_at_sizes_that_hurt(
    kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    check_levels(tmp_path, kind, picture(*size), 64)


@pytest.mark.parametrize("kind", WAYS)
def test_white_stays_white_in_every_tile(kind: str, tmp_path: Path) -> None:
    path = make(kind, tmp_path, white(2049, 2049))
    images = served(tmp_path)
    for tiles in tiles_of(images, path.name, 512).values():
        for tile in tiles:
            given = seen(asked(images, path.name, tile.path))
            assert given.size == (tile.width, tile.height)
            assert given.getextrema() == ((255, 255),) * 3, tile.path


@pytest.mark.parametrize("kind", ["jpeg-baseline-444", "tiff-pyramid-pages-deflate"])
def test_the_last_tiles_of_a_large_scan_are_the_whole_s(kind: str, tmp_path: Path) -> None:
    check_last_tiles(tmp_path, kind, scan(), 512)


@pytest.mark.long
@pytest.mark.parametrize("size", [(3977, 5923), (6001, 3999), (2049, 2049)], ids=str)
@pytest.mark.parametrize("kind", WAYS)
def test_tiles_of_large_scans_make_the_whole(
    kind: str, size: tuple[int, int], tmp_path: Path
) -> None:
    check_levels(tmp_path, kind, picture(*size), 512)


@pytest.mark.parametrize("kind", ["png", "jpeg-baseline-444", "tiff-strips-none"])
def test_a_line_of_20000_pixels_is_tiled(kind: str, tmp_path: Path) -> None:
    check_levels(tmp_path, kind, picture(1, 20_000), 512)
