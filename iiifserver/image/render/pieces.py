"""Pieces of a JPEG at an eighth: decoded each by itself, and put together as bright as they are.

docs/decisions/0019-the-middle-of-a-jpeg.md
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import simplejpeg

from .baseline import Baseline
from .sections import Section

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.uint8]

SCALE = 8
GRAY = 128
"""What a decoder shows where there are no data: the mean of all samples."""
HIGHEST = 255
EOI = b"\xff\xd9"
MOST_BYTES = 64 << 20
"""Of a piece: what is larger is no picture of those that are divided."""
_PIECE_BYTES = 1 << 20
_MOST_PIECES = 64
_COLOURS = {1: "gray", 3: "rgb"}
# of both chroma, in red, green and blue: ITU-T T.871, 7
_SHARES = ((0, 1.402), (-0.344136, -0.714136), (1.772, 0))
_FRACTION_BITS = 6  # of a level, of which there are less than 512
_FRACTION = 1 << _FRACTION_BITS


class Decoded(NamedTuple):
    """The samples of a section, of luma and chroma, decoded from some *means*; gray behind its end.

    So many MCUs *before* it are not of the picture.
    """

    samples: Samples
    before: int
    means: tuple[int, ...]


class Found(NamedTuple):
    """How many MCUs a decoder has shown before the end, and the mean there of each component."""

    mcus: int
    means: tuple[int, ...]


def number_of(file: int, jpeg: Baseline) -> int:
    """Return into how many pieces the open *file* should be divided."""
    return max(1, min((os.fstat(file).st_size - jpeg.start) // _PIECE_BYTES, _MOST_PIECES))


def decoded(jpeg: Baseline, rows: int, *data: bytes) -> Samples:
    """Return so many rows of MCUs at an eighth, gray where there are no data."""
    samples: Samples = simplejpeg.decode_jpeg(
        b"".join((jpeg.head(rows), *data)),
        _COLOURS[len(jpeg.components)],
        min_height=rows * jpeg.down,
        min_width=jpeg.columns * jpeg.across,
        min_factor=SCALE,
        strict=False,
    )
    return samples


def own(jpeg: Baseline, shown: Decoded, found: Found) -> Samples:
    """Return what a section has of the picture, MCU after MCU, a row of it for each of blocks."""
    samples = shown.samples
    lines = samples.reshape(-1, jpeg.down, *samples.shape[1:]).transpose(1, 0, 2, 3)
    in_order = np.ascontiguousarray(lines).reshape(jpeg.down, -1, samples.shape[2])
    return in_order[:, shown.before * jpeg.across : found.mcus * jpeg.across]


class Picture:
    """A picture at an eighth, whose sections come one after the other."""

    def __init__(self, jpeg: Baseline) -> None:
        self._jpeg = jpeg
        bands = len(jpeg.components)
        self._mcus = np.empty((jpeg.down, jpeg.mcus * jpeg.across, bands), np.uint8)

    def lay_down(self, section: Section, shown: Decoded, found: Found) -> None:
        """Put a section into its place, as bright as it is there."""
        samples, start = own(self._jpeg, shown, found), section.mcu * self._jpeg.across
        if samples.size:
            more = [mean - then for mean, then in zip(section.means, shown.means, strict=True)]
            levels = _levels(self._jpeg, samples, more)
            self._mcus[:, start : start + samples.shape[1]] = levels

    def samples(self) -> Samples:
        """Return all rows, the last MCUs of each whole."""
        jpeg = self._jpeg
        lines = self._mcus.reshape(jpeg.down, jpeg.rows, jpeg.columns * jpeg.across, -1)
        rows = np.ascontiguousarray(lines.transpose(1, 0, 2, 3))
        return rows.reshape(jpeg.rows * jpeg.down, *lines.shape[2:])


def _levels(jpeg: Baseline, samples: Samples, means: Sequence[int]) -> Samples:
    """Return *samples*, coarse and from other means, as they are *means* later; as RGB."""
    shown = np.arange(HIGHEST + 1) - GRAY
    exact = []  # but whole and cut off, as those of a decoder are
    for each, mean in zip(jpeg.components, means, strict=True):
        # a decoder rounds halves up: a sample stands for means that are less, on average
        coded = np.arange(SCALE) * each.coarser
        more = ((coded + SCALE // 2 >> 3) * SCALE - coded).mean()
        coarse = (shown * SCALE - more) / each.coarser
        levels = np.rint((coarse + mean) * each.quantizer / SCALE)
        exact.append(levels.clip(-GRAY, HIGHEST - GRAY))
    planes = np.ascontiguousarray(samples.reshape(-1, samples.shape[-1]).T)
    luma = _fixed(exact[0] + GRAY).take(planes[0])
    if len(exact) == 1:
        mixed = luma[:, None]
    else:
        parts = [
            [(share, plane) for share, plane in zip(shares, (1, 2), strict=True) if share]
            for shares in _SHARES
        ]
        colours = [
            sum((_fixed(share * exact[plane]).take(planes[plane]) for share, plane in part), luma)
            for part in parts
        ]
        mixed = np.stack(colours, -1)
    rounded: Samples = (mixed + _FRACTION // 2 >> _FRACTION_BITS).clip(0, HIGHEST).astype(np.uint8)
    return rounded.reshape(samples.shape)


def _fixed(levels: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return *levels* as whole numbers with a fraction."""
    fixed: NDArray[np.int16] = np.rint(levels * _FRACTION).astype(np.int16)
    return fixed
