"""Regions of a pyramid's level, put together out of its JPEG tiles: without libtiff and libvips.

The pixels are those that libvips hands over, to the bit, in two thirds of the time. Where they are
made fewer, chroma that was halved is not smoothed before: that takes a sixth less, and what comes
out differs by less than JPEG makes of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import simplejpeg

from iiifserver.errors import BrokenSource
from iiifserver.image.headers import Header, Level
from iiifserver.image.places import Places
from iiifserver.image.plan import Box

_MOST_PIXELS = 16_000_000
"""Held at once; of larger boxes libvips holds no more than some rows."""
_MOST_ALONE = 225_000_000
"""Of files that libtiff does not read: what the largest picture is made of, by default."""


def read_tiles(
    path: Path, header: Header, number: int, box: Box, *, reduced: bool = False
) -> Any | None:
    """Return *box* of level *number*, to be *reduced* or not: an array of rows, columns and bands.

    None where that is libvips' work: large boxes, other codes than JPEG, profiles; and to say what
    is wrong where a tile is gone or damaged.
    """
    level = header.levels[number]
    pixels = box.width * box.height
    if not level.tile_width or header.profile or pixels > _MOST_ALONE:
        return None
    try:
        with path.open("rb", buffering=0) as file:
            places = Places(file, replace(header, levels=(level,)))
            if pixels > _MOST_PIXELS and not places.misnamed(0):
                return None
            return _joined(file, places, header, level, box, reduced=reduced)
    except (OSError, ValueError, BrokenSource):
        return None


def _joined(
    file: IO[bytes], places: Places, header: Header, level: Level, box: Box, *, reduced: bool
) -> Any | None:
    colours = "gray" if header.bands == 1 else "rgb"
    pixels = np.empty((box.height, box.width, header.bands), np.uint8)
    for top, above, shown_rows in _tiles(box.y, box.height, level.tile_height):
        for left, beside, shown_columns in _tiles(box.x, box.width, level.tile_width):
            found = places.find(0, Box(left, top, level.tile_width, level.tile_height))
            if not found or not found.sent or found.sent.kind.format != "jpg":
                return None
            sent = found.sent
            jpeg = sent.kind.prefix + os.pread(file.fileno(), sent.length, sent.offset)
            samples = simplejpeg.decode_jpeg(jpeg, colours, fastupsample=reduced)
            part = samples[shown_rows, shown_columns]
            pixels[above : above + part.shape[0], beside : beside + part.shape[1]] = part
    return pixels


def _tiles(start: int, length: int, side: int) -> Iterator[tuple[int, int, slice]]:
    """Yield where a tile begins, where its part of the span goes, and which part of it that is."""
    end = start + length
    for tile in range(start // side * side, end, side):
        first, last = max(tile, start), min(tile + side, end)
        yield tile, first - start, slice(first - tile, last - tile)
