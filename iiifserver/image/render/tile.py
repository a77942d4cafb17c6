"""Gray, mirrored and quarter-turned tiles, out of one stored tile, without libvips.

The pixels are those of the pipeline, to the bit; a tile costs about half.

libjpeg computes gray while it encodes, in whole numbers, just as `colour.in_quality` rounds it.
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
    Numbers = NDArray[np.uint8 | np.uint32]

_SUBSAMPLED = {"on": "420", "off": "444"}
_COLOURS = {1: "gray", 3: "rgb", 4: "rgbx"}
_NUMBERS = {1: np.uint8, 4: np.uint32}
_COLUMNS = 16
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
    return encoded(_moved(pixels, plan), encoding, gray=plan.quality == "gray")


def decoded(jpeg: bytes) -> Pixels:
    """Return rows, columns and bands of a JPEG: gray, or red, green, blue and one that is unused.

    Raises:
        ValueError: it is damaged.
    """
    *_, colours, _ = simplejpeg.decode_jpeg_header(jpeg)
    pixels: Pixels = simplejpeg.decode_jpeg(jpeg, "gray" if colours.lower() == "gray" else "rgbx")
    return pixels


def encoded(pixels: Pixels, encoding: Encoding, *, gray: bool = False) -> bytes:
    """Return *pixels*, gray, RGB or as `decoded` returns them, as a baseline JPEG."""
    full = encoding.jpeg_quality >= _LOWEST_FULL_QUALITY
    subsampling = _SUBSAMPLED.get(encoding.jpeg_subsampling, "444" if full else "420")
    colours = _COLOURS[pixels.shape[2]]
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels),
        quality=encoding.jpeg_quality,
        colorspace=colours,
        colorsubsampling="gray" if gray or colours == "gray" else subsampling,
    )
    return jpeg


def _moved(pixels: Pixels, plan: Plan) -> Pixels:
    """Return *pixels* mirrored and turned: each as one number, which is many times as fast."""
    bands = pixels.shape[2]
    shown = pixels.view(_NUMBERS[bands])[..., 0]
    if plan.rotation.mirror:
        shown = shown[:, ::-1]
    shown = _turned(shown, int(plan.rotation.degrees) // 90)
    return np.ascontiguousarray(shown).view(np.uint8).reshape(*shown.shape, bands)


def _turned(numbers: Numbers, quarters: int) -> Numbers:
    """Return what is clockwise from *numbers* by so many quarter turns."""
    shown = np.rot90(numbers, -quarters)
    if quarters % 2 == 0:
        return shown
    turned = np.empty(shown.shape, shown.dtype)
    for start in range(0, shown.shape[1], _COLUMNS):  # few at once stay in the processor's cache
        turned[:, start : start + _COLUMNS] = shown[:, start : start + _COLUMNS]
    return turned
