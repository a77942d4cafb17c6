"""Where a plan's pixels lie in a file: the levels, the stored boxes, the grid.

A box is given in the image as shown; files store pixels in another orientation and in several
sizes. All arithmetic, no pixel.

Tiles of a scale factor k are averaged on one grid: cells of k x k pixels that start at the image's
origin, the last column and row averaging what is left of the image. So tiles meet without a seam,
whatever was asked for in one request. The last cells are pieces of their own: a stored level whose
size was rounded down lacks their pixels, and what stands beside it in the file is padding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

from .headers import Header, Level
from .plan import Box

# A low-pass band of a wavelet is near the average of its cells only where two of its pixels a side
# go into one of the output. Those of the reversible wavelet are also lighter than the picture, by
# half a level of 255 in noise, and more with each band. Measured in tests/image/test_stitched.py.
_WAVELET_CELL = 2
_REVERSIBLE_SCALE = 4
# Where the grid does not help, a level's pixels must be so much smaller than the output's. Then
# what levels lose, by averaging and by JPEG, is no more than what JPEG takes from pictures of the
# finest one: they are 43 dB from the scan, those 42. It would be 37 dB if this were 1.
_OVERSAMPLED = 1.5
_OVERSAMPLED_WAVELETS = 4
# Pixels beyond the box that a reduction may take in, to fall on the output's pixels
_BESIDE = 6
_MOST_REDUCED = 4
# Larger scans get pyramids. Until that is there, speed is worth more than the last bit: a wavelet's
# band of the very size that is asked for (a third of the time), and of the last cells of a JPEG
# only what its levels have (half of the time). Measured in tests/image/test_stitched.py as well.
_LARGE_PIXELS = 4_000_000


class Reduction(NamedTuple):
    """How pixels of one axis are reduced: *factor* of them to one, the first *skip* left out."""

    factor: float
    skip: int


class Piece(NamedTuple):
    """Pixels of one level that become *width* x *height* of the output, all as stored.

    Where the box's sides are multiples of the output's, cells of pixels are averaged; else the box
    is resampled.
    """

    level: int
    box: Box
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Crop:
    """What to read: rows of pieces that lie side by side in the output, as stored.

    With *reductions*, of columns and of rows, the box of the only piece is reduced by them, and is
    so much larger than what is shown that the output's pixels come to lie where they should.
    """

    rows: tuple[tuple[Piece, ...], ...]
    reductions: tuple[Reduction, Reduction] | None = None

    @property
    def pieces(self) -> tuple[Piece, ...]:
        """All pieces, row by row."""
        return tuple(piece for row in self.rows for piece in row)


class _Span(NamedTuple):
    """Pixels of one axis, as stored at full size, and how many of the output they become."""

    start: int
    length: int
    out: int
    cell: int
    """Full-size pixels a cell of the grid; the last one may hold fewer."""


def crop_for(header: Header, box: Box, width: int, height: int) -> Crop:
    """Return what to read so that *box* of the shown image becomes *width* x *height*.

    For tiles, the coarsest level is taken that has exactly the cells asked for. Else it is the
    coarsest of which at least four pixels a side go into one of the output.
    """
    stored = stored_box(box, header)
    factor = _factor(header, box, width, height)
    if header.orientation > 4:
        width, height = height, width
    if not factor:
        return _resampled(header, stored, width, height)
    against_x, against_y = _against(header.orientation)
    columns = _spans(stored.x, stored.width, width, factor, against=against_x)
    rows = _spans(stored.y, stored.height, height, factor, against=against_y)
    levels = _levels(header)
    if not header.levels[0].tile_width:
        # a stream is read from its beginning for each level: one for all pieces
        levels = [
            level
            for level in levels
            if all(_holds(header, level, across, down) for down in rows for across in columns)
        ]
    return Crop(
        tuple(tuple(_piece(header, levels, across, down) for across in columns) for down in rows)
    )


def stored_box(box: Box, header: Header) -> Box:
    """Return *box* of the shown image in stored pixels: EXIF's orientation undone."""
    x, y, width, height = box
    right, below = header.width - x - width, header.height - y - height
    match header.orientation:
        case 2:
            return Box(right, y, width, height)
        case 3:
            return Box(right, below, width, height)
        case 4:
            return Box(x, below, width, height)
        case 5:
            return Box(y, x, height, width)
        case 6:
            return Box(y, right, height, width)
        case 7:
            return Box(below, right, height, width)
        case 8:
            return Box(below, x, height, width)
    return box


def _against(orientation: int) -> tuple[bool, bool]:
    """Return whether the stored columns and rows run against the shown grid."""
    return orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7)


def _factor(header: Header, box: Box, width: int, height: int) -> int:
    """Return the scale factor, a power of two, of a viewer's tile; 0 where *box* is none."""
    factor = 1
    while factor < 2 * max(box.width, box.height):
        if _divides(box.x, box.width, width, header.width, factor) and _divides(
            box.y, box.height, height, header.height, factor
        ):
            return factor
        factor *= 2
    return 0


def _divides(start: int, length: int, out: int, end: int, factor: int) -> bool:
    """Return whether the pixels are *out* cells, the last of them whole or at the image's end."""
    last = start + length == end
    return -(-length // factor) == out and (last or length % factor == 0)


def _spans(start: int, length: int, out: int, cell: int, *, against: bool) -> tuple[_Span, ...]:
    """Return the whole cells and, apart, the last one if the image ends within it."""
    left = length % cell
    if not left:
        return (_Span(start, length, out, cell),)
    if against:
        last, whole = _Span(start, left, 1, cell), _Span(start + left, length - left, out - 1, cell)
        return (last, whole) if out > 1 else (last,)
    last = _Span(start + length - left, left, 1, cell)
    return (_Span(start, length - left, out - 1, cell), last) if out > 1 else (last,)


def _levels(header: Header) -> list[Level]:
    """Return the levels that are near the average of the full-size pixels, coarsest first."""
    levels = sorted(header.levels, key=lambda level: -level.scale)
    if header.format == "jp2" and header.lossless and not _large(header):
        return [level for level in levels if level.scale <= _REVERSIBLE_SCALE]
    return levels


def _piece(header: Header, levels: list[Level], across: _Span, down: _Span) -> Piece:
    level = next(level for level in levels if _holds(header, level, across, down))
    x, width = _on_level(across, level.scale, level.width)
    y, height = _on_level(down, level.scale, level.height)
    return Piece(header.levels.index(level), Box(x, y, width, height), across.out, down.out)


def _on_level(span: _Span, scale: int, stored: int) -> tuple[int, int]:
    start = span.start // scale
    return start, min(-(-span.length // scale), stored - start)


def _large(header: Header) -> bool:
    return header.width * header.height > _LARGE_PIXELS


def _holds(header: Header, level: Level, across: _Span, down: _Span) -> bool:
    """Return whether *level* has just the pixels of both spans, no more and no less.

    Of a large JPEG it may lack less than one pixel at the end of the last cell.
    """
    exact = header.format == "jp2" and level.scale > 1 and not _large(header)
    if exact and across.cell < level.scale * _WAVELET_CELL:
        return False
    full = header.levels[0]
    nearly = header.format == "jpeg" and _large(header)
    return _has(level.scale, level.width, full.width, across, nearly=nearly) and _has(
        level.scale, level.height, full.height, down, nearly=nearly
    )


def _has(scale: int, stored: int, full: int, span: _Span, *, nearly: bool) -> bool:
    end = span.start + span.length
    if span.start % scale or span.cell % scale:
        return False
    if end % scale == 0:
        return end <= stored * scale
    # rounded up: the level's last pixel is what is left; rounded down: it is not there
    return end == full and (stored == -(-full // scale) or (nearly and span.length >= scale))


def _resampled(header: Header, stored: Box, width: int, height: int) -> Crop:
    """Return what to read of a picture that is no tile: one piece.

    Where no reduction is found, the box is rounded to the level's pixels. A level whose size was
    rounded down lacks less than one of its pixels: as little as that rounding takes or adds.
    """
    ratio = min(stored.width / width, stored.height / height)
    oversampled = _oversampled(header)
    level = next(
        level for level in _levels(header) if level.scale == 1 or level.scale * oversampled <= ratio
    )
    number, scale = header.levels.index(level), level.scale
    columns = _window(stored.x / scale, stored.width / scale, width, level.width)
    rows = _window(stored.y / scale, stored.height / scale, height, level.height)
    if columns and rows:
        box = Box(columns.start, rows.start, columns.length, rows.length)
        reductions = columns.reduction, rows.reduction
        return Crop(((Piece(number, box, width, height),),), reductions)
    left = min(stored.x // scale, level.width - 1)
    top = min(stored.y // scale, level.height - 1)
    right = min(-(-(stored.x + stored.width) // scale), level.width)
    bottom = min(-(-(stored.y + stored.height) // scale), level.height)
    box = Box(left, top, max(right - left, 1), max(bottom - top, 1))
    return Crop(((Piece(number, box, width, height),),))


def _oversampled(header: Header) -> float:
    if header.format != "jp2":
        return _OVERSAMPLED
    return 1 if _large(header) else _OVERSAMPLED_WAVELETS


class _Window(NamedTuple):
    """Whole pixels of one axis of a level, and how they are reduced."""

    start: int
    length: int
    reduction: Reduction


def _window(start: float, length: float, out: int, size: int) -> _Window | None:
    """Return the window, around a part of an axis of *size* pixels, that gives *out* best.

    libvips reduces so that the middles of what goes in and of what comes out meet. So a window is
    looked for whose pixels then come to lie nearest to those asked for: within a twentieth of one
    nearly always, while the part itself, rounded to whole pixels, is beside by up to a half.
    """
    factor, end = length / out, start + length
    if not 1 <= factor < _MOST_REDUCED:
        return None
    best, least = None, math.inf
    for first in range(int(start), max(int(start) - _BESIDE, -1), -1):
        for last in range(math.ceil(end), min(math.ceil(end) + _BESIDE, size + 1)):
            reduced = math.floor((last - first) / factor + 0.5)
            before = (start - (first + last) / 2) / factor + reduced / 2
            skip = round(before)
            if 0 <= skip <= reduced - out and abs(before - skip) < least:
                least = abs(before - skip)
                best = _Window(first, last - first, Reduction(factor, skip))
    return best
