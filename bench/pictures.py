"""Pictures that are drawn: paper, strokes of writing, the noise of a scanner; never twice the same.

A texture is drawn once; each picture is a part of it, from a place and in a tint that its seed
names. Files stay in a scratch folder and are drawn again only where they are not there.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy
import pyvips
from PIL import Image

SIDE = 3_000


@functools.lru_cache(maxsize=1)
def texture() -> Any:
    """Return paper with lines of strokes, uneven light and noise; it repeats without a seam."""
    rng = numpy.random.default_rng(7)
    rows, columns = numpy.mgrid[0:SIDE, 0:SIDE].astype(numpy.float32)
    wave = 2 * numpy.pi / SIDE
    paper = 195 + 25 * numpy.sin(rows * wave * 3) * numpy.cos(columns * wave * 2)
    ink = numpy.zeros((SIDE, SIDE), numpy.float32)
    for top in range(20, SIDE - 40, 50):
        for left in range(30, SIDE - 40, 28):
            for _ in range(rng.integers(0, 4)):
                y, x = top + rng.integers(0, 26), left + rng.integers(0, 18)
                down, across = rng.integers(2, 22), rng.integers(2, 5)
                if rng.random() < 0.4:
                    down, across = across, down
                ink[y : y + down, x : x + across] = rng.integers(70, 150)
    noise = rng.normal(0, 4, (SIDE, SIDE)).astype(numpy.float32)
    bands = [paper - ink * share + noise + tint for share, tint in ((1, 12), (1, 0), (0.9, -22))]
    samples = numpy.clip(numpy.dstack(bands), 0, 255).astype(numpy.uint8)
    return pyvips.Image.new_from_array(samples).copy(interpretation="srgb")


def picture(width: int, height: int, seed: int) -> Any:
    """Return picture number *seed* of this size; no pixel is made before they are asked."""
    rng = numpy.random.default_rng(seed)
    left, top = (int(each) for each in rng.integers(0, SIDE, 2))
    tint = [int(each) for each in rng.integers(-12, 12, 3)]
    across, down = -(-(left + width) // SIDE), -(-(top + height) // SIDE)
    part = texture().replicate(across, down).crop(left, top, width, height)
    return part.linear([1, 1, 1], tint, uchar=True).copy(interpretation="srgb")


def jpeg(path: Path, width: int, height: int, seed: int) -> Path:
    """Return *path*, a baseline JPEG of quality 90."""
    return _drawn(path, lambda made: picture(width, height, seed).jpegsave(str(made), Q=90))


def jp2(path: Path, width: int, height: int, seed: int) -> Path:
    """Return *path*, a JPEG 2000 as archives keep it: irreversible, 1:10, in tiles of 1024."""

    def draw(made: Path) -> None:
        image = Image.fromarray(picture(width, height, seed).numpy())
        options = {"quality_mode": "rates", "quality_layers": [10], "irreversible": True}
        image.save(made, "JPEG2000", tile_size=(1024, 1024), num_resolutions=6, **options)

    return _drawn(path, draw)


def _drawn(path: Path, draw: Any) -> Path:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        made = path.with_name(f"making-{path.name}")
        draw(made)
        made.replace(path)
    return path
