"""Pixels out of files: the one loader for each format, and none besides.

libvips has loaders for CSV, SVG, ImageMagick's formats and many more; all that are not named here
are blocked for the whole process, whatever a file's content says.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyvips

from iiifserver.errors import BrokenSource
from iiifserver.image.containers import draw_pdf_page, heic_profile, read_heic
from iiifserver.image.headers import Header
from iiifserver.image.jp2 import jp2_profile, read_jp2
from iiifserver.image.plan import Box

from .colour import has_srgb, with_profile
from .mosaic import read_tiles
from .stream import streamed

pyvips.cache_set_max(0)
_LOADERS = {
    "jpeg": ("jpegload_source", "VipsForeignLoadJpegSource"),
    "tiff": ("tiffload", "VipsForeignLoadTiffFile"),
    "png": ("pngload", "VipsForeignLoadPngFile"),
    "webp": ("webpload", "VipsForeignLoadWebpFile"),
    "avif": ("heifload", "VipsForeignLoadHeifFile"),
    "gif": ("gifload", "VipsForeignLoadNsgifFile"),
}
pyvips.operation_block_set("VipsForeignLoad", True)
for _, _class in _LOADERS.values():
    pyvips.operation_block_set(_class, False)
# bands that are colours, where they are not three; those after opacity are not shown
_COLOURS = {"b-w": 1, "grey16": 1, "cmyk": 4}
# YCbCr as JPEG and TIFF write it, Cb and Cr less 128
_YCBCR_TO_RGB = [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]


class ReadLevel(Protocol):
    """What reads the levels of a file."""

    def __call__(
        self, path: Path, header: Header, number: int, box: Box, *, reduced: bool = False
    ) -> Any:
        """Return *box* of level *number*; *reduced* where its pixels only serve to make fewer."""
        ...


def read_level(path: Path, header: Header, number: int, box: Box, *, reduced: bool = False) -> Any:
    """Return *box* of level *number*, as stored; nothing is decoded yet by those of libvips."""
    level = header.levels[number]
    match header.format:
        case "jp2":
            return _read_jp2(path, header, number, box)
        case "pdf":
            return from_samples(draw_pdf_page(path, level.page, (level.width, level.height), box))
        case "heic":
            return from_samples(read_heic(path), heic_profile(path)).crop(*box)
        case "tiff":
            pixels = read_tiles(path, header, number, box, reduced=reduced)
            if pixels is not None:
                return from_samples(pixels)
    options: dict[str, Any] = {"access": "random" if level.tile_width else "sequential"}
    if header.format == "jpeg":
        options["shrink"] = level.scale
    if header.format == "tiff":
        options["page"] = level.page
        if level.subifd >= 0:
            options["subifd"] = level.subifd
    operation, _ = _LOADERS[header.format]
    load: Callable[..., Any] = getattr(pyvips.Image, operation)
    file = streamed(path) if header.format == "jpeg" else str(path)
    image = load(file, fail_on="error", **options)
    if image.width < box.x + box.width or image.height < box.y + box.height:
        raise BrokenSource(f"{path.name} is smaller than its header says", parameter="identifier")
    image = image.crop(*box)
    shown = _COLOURS.get(image.interpretation, 3) + header.alpha
    if image.bands > shown:
        image = image.extract_band(0, n=shown)
    if header.raw_ycbcr:
        image = image.linear(1, [0, -128, -128]).recomb(_YCBCR_TO_RGB).rint().cast("uchar")
    return image


def shows_srgb(path: Path, header: Header) -> bool:
    """Return whether the samples of all levels are shown as they are: no profile changes them."""
    try:
        return not header.profile or all(
            has_srgb(read_level(path, header, number, Box(0, 0, 1, 1)))
            for number in range(len(header.levels))
        )
    except pyvips.Error as error:
        raise BrokenSource(f"its profile cannot be read: {error}") from error


def _read_jp2(path: Path, header: Header, number: int, box: Box) -> Any:
    """Return *box* of a JPEG 2000's resolution *number*, its pixels where an average's would be.

    A pixel of a reduced resolution stands for the first pixel of its cell, not for the cell's
    middle; so it is mixed with its neighbours to the right and below.
    """
    level = header.levels[number]
    beside = int(level.scale > 1)
    right = min(box.x + box.width + beside, level.width)
    bottom = min(box.y + box.height + beside, level.height)
    pixels = read_jp2(path, level.page, (box.x, box.y, right, bottom))
    if level.scale > 1:
        kind = pixels.dtype
        share = np.float32((level.scale - 1) / (2 * level.scale))
        beyond = [(0, box.height + 1 - pixels.shape[0]), (0, box.width + 1 - pixels.shape[1])]
        pixels = np.pad(pixels, beyond + [(0, 0)] * (pixels.ndim - 2), "edge").astype(np.float32)
        pixels = pixels[:, :-1] * (1 - share) + pixels[:, 1:] * share
        pixels = pixels[:-1] * (1 - share) + pixels[1:] * share
        pixels = np.rint(pixels).astype(kind)
    profile = jp2_profile(path) if header.profile else None
    return from_samples(pixels[: box.height, : box.width], profile)


def from_samples(pixels: Any, profile: bytes | None = None) -> Any:
    """Return the picture of an array of 8 or 16 bits: rows, columns and, if several, bands."""
    gray = pixels.ndim == 2 or pixels.shape[2] < 3
    wide, narrow = ("grey16", "b-w") if gray else ("rgb16", "srgb")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    image = image.copy(interpretation=wide if pixels.dtype.itemsize == 2 else narrow)
    return with_profile(image, profile) if profile else image
