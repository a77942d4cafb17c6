"""Gray, mirrored and quarter-turned tiles, out of one stored tile, without libvips.

Where a library can do it the tile is not even decoded (`image/lossless.py`). Else colours are
those of the pipeline, to the bit; and gray is the luma that the tile stores, which the pipeline
computes again from colours that were rounded and cut off: docs/decisions/0012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import simplejpeg

from iiifserver.image.job import Encoding, Picture, fits_tile
from iiifserver.image.lossless import check, transformed
from iiifserver.image.plan import Plan
from iiifserver.sources import Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]
    Numbers = NDArray[np.uint8 | np.uint32]

_COLOURS = {1: "gray", 3: "rgb", 4: "rgbx"}
_LUMA_FIRST = ("gray", "ycbcr")
_NUMBERS = {1: np.uint8, 4: np.uint32}
_COLUMNS = 16
_LOWEST_FULL_QUALITY = 90  # where libvips' "auto" begins to keep all of the colours


def from_stored(job: Picture, place: Place) -> bytes | None:
    """Return the picture of *job* as JPEG, made of its stored tile: upright and in colour.

    None where that is the pipeline's work: bitonal, other formats, turns by other angles, and to
    say what is wrong where the tile is gone or damaged.
    """
    plan, encoding = job.plan, job.encoding
    if not fits_tile(plan, encoding):
        return None
    try:
        jpeg = place.read()
        return _lossless(jpeg, job) or _decoded_and_encoded(jpeg, plan, encoding)
    except (OSError, ValueError):
        return None


def decoded(jpeg: bytes, *, luma: bool = False) -> Pixels:
    """Return rows, columns and bands of a JPEG: gray, or red, green, blue and one that is unused.

    With *luma*, what stores luma and chroma gives its luma only.

    Raises:
        ValueError: it is damaged.
    """
    *_, colours, _ = simplejpeg.decode_jpeg_header(jpeg)
    gray = colours.lower() in _LUMA_FIRST[: 1 + luma]
    pixels: Pixels = simplejpeg.decode_jpeg(jpeg, "gray" if gray else "rgbx")
    return pixels


def encoded(pixels: Pixels, encoding: Encoding, *, gray: bool = False) -> bytes:
    """Return *pixels*, gray, RGB or as `decoded` returns them, as a baseline JPEG."""
    subsampling = "420" if halves_chroma(encoding) else "444"
    colours = _COLOURS[pixels.shape[2]]
    jpeg: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(pixels),
        quality=encoding.jpeg_quality,
        colorspace=colours,
        colorsubsampling="gray" if gray or colours == "gray" else subsampling,
    )
    return jpeg


def halves_chroma(encoding: Encoding) -> bool:
    """Return whether colours are kept at half of the size, across and down."""
    auto = encoding.jpeg_quality < _LOWEST_FULL_QUALITY
    return {"on": True, "off": False}.get(encoding.jpeg_subsampling, auto)


def _lossless(jpeg: bytes, job: Picture) -> bytes | None:
    if not job.lossless:
        return None
    check(job.lossless)
    plan, rotation = job.plan, job.plan.rotation
    size, quarters, gray = (plan.width, plan.height), int(rotation.degrees) // 90, _is_gray(plan)
    return transformed(jpeg, size, quarters, mirror=rotation.mirror, gray=gray)


def _decoded_and_encoded(jpeg: bytes, plan: Plan, encoding: Encoding) -> bytes:
    gray = _is_gray(plan)
    return encoded(_moved(decoded(jpeg, luma=gray), plan), encoding, gray=gray)


def _is_gray(plan: Plan) -> bool:
    return plan.quality == "gray"


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
