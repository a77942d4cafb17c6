"""The pixels of a whole picture in squares: row by row from the top, and each row from the left.

A square is rows, columns and bands of bytes: gray, or red, green, blue, which a fourth may follow
that is unused. Those at the edges are as small as what is left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyvips
import simplejpeg

from iiifserver.image.headers import Header
from iiifserver.image.plan import Box

from .reading import shows_srgb
from .turning import TURNS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Numbers = NDArray[np.uint8 | np.uint32]

_AHEAD_BYTES = 8 << 20
_MOST_BANDS = 3
_COLOURS = {1: "gray", 3: "rgb"}
# a pixel of four bytes is moved as one number, which takes half of the time
_TURNED_COLOURS = {1: "gray", 3: "rgbx"}
_NUMBERS = {1: np.uint8, 4: np.uint32}
_MOST_WHOLE_BYTES = 168 << 20  # 50 megapixels and their file
_MOVES: dict[str, Callable[[Any], Any]] = {
    "fliphor": lambda numbers: numbers[:, ::-1],
    "flipver": lambda numbers: numbers[::-1],
    "rot90": lambda numbers: np.rot90(numbers, -1),
    "rot180": lambda numbers: np.rot90(numbers, 2),
    "rot270": np.rot90,
}


def computed(image: Any, side: int, seen: Callable[[int], object]) -> Iterator[Pixels]:
    """Yield the squares of *image*; *seen* is told the percent.

    libvips holds a row of them: of a stream it keeps as many lines as were asked at once.
    """
    region = pyvips.Region.new(image)
    for box in _boxes(image.width, image.height, side):
        seen(100 * box.y // image.height)
        pixels = np.frombuffer(region.fetch(*box), np.uint8)
        yield pixels.reshape(box.height, box.width, image.bands)


def cut_up(picture: Numbers, side: int) -> Iterator[Pixels]:
    """Yield the squares of *picture*: rows and columns of bands, or of numbers, one a pixel."""
    height, width, *_ = picture.shape
    for x, y, wide, high in _boxes(width, height, side):
        part = np.ascontiguousarray(picture[y : y + high, x : x + wide])
        yield part.view(np.uint8).reshape(high, wide, -1)


def _boxes(width: int, height: int, side: int) -> Iterator[Box]:
    for top in range(0, height, side):
        for left in range(0, width, side):
            yield Box(left, top, min(side, width - left), min(side, height - top))


def read_ahead(squares: Iterator[Pixels], side: int, across: int) -> Iterator[Pixels]:
    """Yield *squares*, computed in a thread of their own while those before are worked on.

    A row of them, *across*, comes at once when its lines are decoded: while one row is worked on
    the next is decoded only if all of it finds room.
    """
    ahead = max(1, min(across, _AHEAD_BYTES // (_MOST_BANDS * side**2)))
    with ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, squares, None) for _ in range(ahead))
        while (square := coming.popleft().result()) is not None:
            coming.append(thread.submit(next, squares, None))
            yield square


def decoded_whole(path: Path, header: Header) -> Numbers | None:
    """Return the picture of a JPEG as it is shown: upright; in two thirds of the time.

    None where that is libvips' work: other formats, profiles, what is too large to be held; and to
    say whether a file that is damaged can be read all the same.
    """
    level, turns = header.levels[0], TURNS[header.orientation]
    if header.format != "jpeg" or header.bands not in _COLOURS or not shows_srgb(path, header):
        return None
    colours = (_TURNED_COLOURS if turns else _COLOURS)[header.bands]
    bands = 4 if colours == "rgbx" else header.bands
    size_bytes = level.width * level.height * bands
    if size_bytes + header.decode_bytes + path.stat().st_size > _MOST_WHOLE_BYTES:
        return None
    try:
        samples: Numbers = simplejpeg.decode_jpeg(path.read_bytes(), colours)
    except ValueError:
        return None
    if samples.shape[:2] != (level.height, level.width):
        return None
    if turns:
        samples = samples.view(_NUMBERS[bands])[..., 0]
    for turn in turns:
        samples = _MOVES[turn](samples)
    return samples
