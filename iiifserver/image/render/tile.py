"""Gray, mirrored and quarter-turned tiles, out of one stored tile, without libvips.

The pixels are those of the pipeline, to the bit; a tile costs about half.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from iiifserver.image.job import Encoding
from iiifserver.image.plan import Plan
from iiifserver.sources import Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

_LUMA = np.array([299, 587, 114, 0], np.float32)  # thousandths: ITU-R BT.601, as in colour.py
_SUBSAMPLED = {"on": "420", "off": "444"}
_COLOURS = {1: "gray", 3: "rgb", 4: "rgbx"}
_ROWS = 16
_LOWEST_FULL_QUALITY = 90  # where libvips' "auto" begins to keep all of the colours


def from_stored(place: Place, plan: Plan, encoding: Encoding) -> bytes | None:
    """Return the picture of *plan* as JPEG, made of its stored tile: upright and in colour.

    None where that is the pipeline's work: bitonal, other formats, turns by other angles, and to
    say what is wrong where the tile is gone or damaged.
    """
    degrees = plan.rotation.degrees
    if degrees % 90 or plan.quality == "bitonal" or plan.format != "jpg":
        return None
    if encoding.jpeg_progressive:
        return None
    try:
        pixels = decoded(place.read())
    except (OSError, ValueError):
        return None
    if plan.quality == "gray":
        pixels = gray(pixels)
    if plan.rotation.mirror:
        pixels = pixels[:, ::-1]
    return encoded(_turned(pixels, int(degrees) // 90), encoding)


def decoded(jpeg: bytes) -> Pixels:
    """Return rows, columns and bands of a JPEG: gray, or red, green, blue and one that is unused.

    Raises:
        ValueError: it is damaged.
    """
    *_, colours, _ = simplejpeg.decode_jpeg_header(jpeg)
    pixels: Pixels = simplejpeg.decode_jpeg(jpeg, "gray" if colours.lower() == "gray" else "rgbx")
    return pixels


def gray(pixels: Pixels) -> Pixels:
    """Return the luma, rounded as `colour.in_quality` does: halves to the even number."""
    if pixels.shape[2] == 1:
        return pixels
    # whole numbers, which float32 holds exactly
    luma: NDArray[np.float32] = pixels.astype(np.float32) @ _LUMA
    luma /= np.float32(1000)
    return np.rint(luma, out=luma).astype(np.uint8)[..., None]


def encoded(pixels: Pixels, encoding: Encoding) -> bytes:
    """Return *pixels*, gray, RGB or as `decoded` returns them, as a baseline JPEG."""
    full = encoding.jpeg_quality >= _LOWEST_FULL_QUALITY
    subsampling = _SUBSAMPLED.get(encoding.jpeg_subsampling, "444" if full else "420")
    colours = _COLOURS[pixels.shape[2]]
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels),
        quality=encoding.jpeg_quality,
        colorspace=colours,
        colorsubsampling="gray" if colours == "gray" else subsampling,
    )
    return jpeg


def _turned(pixels: Pixels, quarters: int) -> Pixels:
    """Return *pixels* after so many quarter turns clockwise."""
    if quarters % 2 == 0:
        return pixels[::-1, ::-1] if quarters else pixels
    height, width, bands = pixels.shape
    shown = np.rot90(pixels, -quarters)
    turned = np.empty((width, height, bands), np.uint8)
    for start in range(0, height, _ROWS):  # few rows at once: they stay in the processor's cache
        turned[:, start : start + _ROWS] = shown[:, start : start + _ROWS]
    return turned
