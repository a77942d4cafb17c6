"""The pixels of a whole picture from the top to the bottom, as rows of numbers, one a pixel.

A number is a byte of gray, or four bytes: red, green, blue, and one that is unused.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvips
import simplejpeg

from iiifserver.image.headers import Header

from .reading import shows_srgb
from .turning import TURNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.uint8 | np.uint32]

_KINDS = {1: np.uint8, 3: np.uint32}
_PIECE_BYTES = 96 << 10
"""Computed at a time: more leaves the processor's cache, and is memory that the system clears."""
_TURNED_ROWS = 64  # of a picture that lies on its side: with each piece, all is passed through
_BATCH, _AHEAD = 16, 16  # pieces that are handed over together, and such batches: 24 MiB
_MOST_WHOLE_BYTES = 224 << 20  # 50 megapixels and their file
_MOVES: dict[str, Callable[[Any], Any]] = {
    "fliphor": lambda numbers: numbers[:, ::-1],
    "flipver": lambda numbers: numbers[::-1],
    "rot90": lambda numbers: np.rot90(numbers, -1),
    "rot180": lambda numbers: np.rot90(numbers, 2),
    "rot270": np.rot90,
}


def computed(
    image: Any, seen: Callable[[int], object], *, turned: bool = False
) -> Iterator[Numbers]:
    """Yield *image*, of one or three bands, some rows at a time; *seen* is told the percent."""
    kind, width, height = _KINDS[image.bands], image.width, image.height
    row_bytes = width * np.dtype(kind).itemsize
    most = _TURNED_ROWS if turned else max(1, _PIECE_BYTES // row_bytes)
    region = pyvips.Region.new(image.bandjoin(255) if image.bands == 3 else image)
    for top in range(0, height, most):
        rows = min(most, height - top)
        seen(100 * top // height)
        yield np.frombuffer(region.fetch(0, top, width, rows), kind).reshape(rows, width)


def read_ahead(pieces: Iterator[Numbers]) -> Iterator[Numbers]:
    """Yield *pieces*, computed in a thread of their own while those before are worked on."""
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(_batch, pieces) for _ in range(_AHEAD))
        while batch := coming.popleft().result():
            coming.append(thread.submit(_batch, pieces))
            yield from batch


def _batch(pieces: Iterator[Numbers]) -> list[Numbers]:
    return list(islice(pieces, _BATCH))


def decoded_whole(path: Path, header: Header) -> Numbers | None:
    """Return the picture of a JPEG as it is shown: upright; in two thirds of the time.

    None where that is libvips' work: other formats, profiles, what is too large to be held; and to
    say whether a file that is damaged can be read all the same.
    """
    level = header.levels[0]
    kind = _KINDS.get(header.bands)
    if header.format != "jpeg" or kind is None or not shows_srgb(path, header):
        return None
    size_bytes = level.width * level.height * np.dtype(kind).itemsize
    if size_bytes + header.decode_bytes + path.stat().st_size > _MOST_WHOLE_BYTES:
        return None
    try:
        colours = "gray" if kind is np.uint8 else "rgbx"
        samples = simplejpeg.decode_jpeg(path.read_bytes(), colours)
    except ValueError:
        return None
    if samples.shape[:2] != (level.height, level.width):
        return None
    numbers: Numbers = samples.view(kind)[..., 0]
    for turn in TURNS[header.orientation]:
        numbers = _MOVES[turn](numbers)
    return numbers
