"""Which scans need a pyramid, how it is written, and what it is called; no pixel is touched.

A pyramid's name is that of its content: the scan's checksum, the picture in it, and the form. So a
replaced scan never meets an old pyramid, and a scan that was moved keeps its own.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass

from iiifserver.config import Config, background_rgb

from .headers import Header
from .info import DEFAULT_TILE
from .plan import Dimensions

EDITION_OF_PYRAMIDS = 1
"""Part of every name: raised when the same scan begins to give another pyramid."""
_SMALL_TILES = 4
_MOST_STEP = 4


@dataclass(frozen=True, slots=True)
class Form:
    """How pyramids are written: side of a tile, quality of JPEG, colour behind what is clear."""

    tile: int = 512
    quality: int = 85
    background: tuple[int, int, int] = (255, 255, 255)

    @property
    def small_pixels(self) -> int:
        """The size up to which a picture is served as it is."""
        return _SMALL_TILES * self.tile**2

    @classmethod
    def of(cls, config: Config) -> Form:
        """Return the form that *config* sets."""
        background = background_rgb(config.background)
        return cls(config.pyramid_tile, config.pyramid_quality, background)


def needs_pyramid(header: Header, leaf: int, form: Form) -> bool:
    """Return whether a scan is to be served from a pyramid of our own.

    It is not if it is a pyramid whose tiles can be sent as they are, or small: a tile from a flat
    JPEG of four tiles costs twice as much as one from its pyramid, and more the larger it is.
    """
    if leaf or header.format in ("pdf", "heic"):
        return True
    if header.width * header.height <= form.small_pixels:
        return False
    coarsest = header.levels[-1]
    return not (
        header.format == "tiff"
        and header.tile_size is not None
        and all(128 <= side <= 2048 for side in header.tile_size)
        and header.bits == 8
        and header.orientation == 1
        and not header.profile
        and not header.raw_ycbcr
        and coarsest.width * coarsest.height <= form.small_pixels
        and all(b.scale <= _MOST_STEP * a.scale for a, b in itertools.pairwise(header.levels))
    )


def tile_of(header: Header) -> Dimensions:
    """Return the tile size to advertise of a file as it is: its own where it is tiled."""
    stored = header.tile_size
    own = stored and min(stored) >= 128 and max(stored) <= 2048
    return Dimensions(*stored) if stored and own else DEFAULT_TILE


def pyramid_name(checksum: str, leaf: int, form: Form) -> str:
    """Return the name of the pyramid of picture *leaf* of a scan with this checksum."""
    text = repr((EDITION_OF_PYRAMIDS, checksum, leaf, form))
    return f"{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}.tif"
