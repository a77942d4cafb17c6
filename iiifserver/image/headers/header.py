"""`Header`: what a file is, whatever its format, and what reading it will cost.

`decode_bytes` follows measurements of libvips 8.18 on pictures of 12 and 24 megapixels, opened
with `access="sequential"` and one thread; it errs to the high side, by half at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Format = Literal["jpeg", "tiff", "png", "webp", "avif", "gif", "jp2", "pdf", "heic"]

MAX_SIDE = 2**31 - 1
MAX_SEGMENTS = 10_000  # more before the picture is no header
OVERHEAD_BYTES = 4 * 1024 * 1024
_CACHED_ROWS = 600  # what libvips keeps of a picture that it reads from the top


@dataclass(frozen=True, slots=True)
class Level:
    """One stored resolution of an image, in stored (not yet oriented) pixels.

    `scale` is 1 for full size, 2 for half, and so on. `page` is the index of the top-level
    directory in a TIFF, the number of discarded resolutions in a JPEG 2000, else 0. `subifd` is
    the index among that directory's SubIFDs, -1 for the directory itself. The tile's sides are 0
    where the level is not stored in tiles.
    """

    width: int
    height: int
    scale: int
    page: int = 0
    subifd: int = -1
    tile_width: int = 0
    tile_height: int = 0


@dataclass(frozen=True, slots=True)
class Header:
    """What a file is, and what reading it will cost.

    `width` and `height` are as the picture is shown. `orientation`, 1 to 8 as in EXIF, is what
    the renderer still has to apply to come there: libvips leaves it to its caller for JPEG,
    TIFF, PNG and WebP, and turns AVIF itself, where it is 1.

    `levels` are finest first and in stored pixels. JPEG: what shrink-on-load gives, 1/1 to 1/8,
    rounded down as libvips does. JPEG 2000: its resolutions, rounded up.

    `bands` are those that the loader hands over, a palette applied; `bits` those of a stored
    sample. `alpha` is False where further bands are no opacity. `raw_ycbcr`: libvips hands over
    YCbCr samples and calls them RGB; the renderer has to convert them.

    `decode_bytes` is an upper estimate of the decoder's memory for any region of the finest
    level read from the top, without the output. `streams` is False if the whole picture is held
    to read any part of it.
    """

    format: Format
    width: int
    height: int
    orientation: int
    levels: tuple[Level, ...]
    bands: int
    bits: int
    alpha: bool
    lossless: bool
    profile: bool
    decode_bytes: int
    streams: bool
    raw_ycbcr: bool = False

    @property
    def tile_size(self) -> tuple[int, int] | None:
        """The width and height of the finest level's tiles; None if it has none."""
        finest = self.levels[0]
        return (finest.tile_width, finest.tile_height) if finest.tile_width else None

    def as_json(self) -> dict[str, Any]:
        """Return it as values that JSON holds, for `from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Header:
        """Return the header that `as_json` was asked of; raise TypeError or KeyError if none."""
        levels = tuple(Level(**level) for level in values["levels"])
        return cls(**{**values, "levels": levels})


def streamed_bytes(width: int, bytes_per_pixel: int) -> int:
    """Return what a decoder that goes from row to row holds of a picture so wide."""
    return OVERHEAD_BYTES + _CACHED_ROWS * width * bytes_per_pixel


def turned(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Return the size of a picture after *orientation* is applied."""
    return (height, width) if orientation >= 5 else (width, height)
