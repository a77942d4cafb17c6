"""Gray, mirrored and quarter-turned tiles, out of one stored tile, without libvips.

Where a library can do it the tile is not even decoded (`image/lossless.py`), or luma and chroma are
moved as they are stored. Else colours are those of the pipeline, to the bit; and gray is the luma
that the tile stores, which the pipeline computes again from colours that were rounded and cut off:
docs/decisions/0012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import simplejpeg

from iiifserver.image.job import Encoding, Picture, fits_tile
from iiifserver.image.lossless import Planes, check, joined, planes, transformed
from iiifserver.image.plan import Plan
from iiifserver.sources import Place

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

N = TypeVar("N", np.uint8, np.uint32)

_COLOURS = {1: "gray", 3: "rgb", 4: "rgbx"}
_LUMA_FIRST = ("gray", "ycbcr")
_NUMBERS = {1: np.uint8, 4: np.uint32}
_PANEL_BYTES = 64  # a line of the processor's cache
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
        return _without_colours(jpeg, job) or _decoded_and_encoded(jpeg, plan, encoding)
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


def _without_colours(jpeg: bytes, job: Picture) -> bytes | None:
    """Return the picture as it is made where there is a library, None where that cannot be."""
    if not job.lossless:
        return None
    check(job.lossless)
    plan = job.plan
    quarters, mirror, gray = _quarters(plan), plan.rotation.mirror, _is_gray(plan)
    size = plan.width, plan.height
    made = transformed(jpeg, size, quarters, mirror=mirror, gray=gray)
    stored = None if made or gray else planes(jpeg, size)
    return joined(_moved_planes(stored, plan), job.encoding.jpeg_quality) if stored else made


def _moved_planes(stored: Planes, plan: Plan) -> Planes:
    quarters = _quarters(plan)
    # which come last of the rows and columns, and then first
    ends = (quarters in (1, 2), (quarters in (2, 3)) != plan.rotation.mirror)
    luma = np.frombuffer(stored.luma, np.uint8).reshape(stored.rows * stored.down, -1)
    chroma = [
        _paired_anew(np.frombuffer(each, np.uint8).reshape(stored.rows, -1), stored, ends)
        for each in (stored.blue, stored.red)
    ]
    shown = _moved(luma[: stored.height, : stored.width], plan)
    across, down = (stored.across, stored.down)[:: -1 if quarters % 2 else 1]
    moved = [_moved(each, plan) for each in chroma]
    rows, columns = moved[0].shape
    whole = _filled(shown, columns * across, rows * down)
    return Planes(shown.shape[1], shown.shape[0], across, down, whole, *moved)


def _paired_anew(chroma: Pixels, stored: Planes, ends: tuple[bool, bool]) -> Pixels:
    """Return *chroma* of the pairs that are counted from the *ends*, of rows and of columns.

    Pairs are counted from the first. Where there is an odd number, the last has no other; counted
    from there all pairs are others, and the chroma of each lies between two samples.
    """
    if ends[0] and stored.down == 2 and stored.height % 2:
        chroma = np.concatenate((chroma[:1], _between(chroma[:-1], chroma[1:])), 0)
    if ends[1] and stored.across == 2 and stored.width % 2:
        chroma = np.concatenate((chroma[:, :1], _between(chroma[:, :-1], chroma[:, 1:])), 1)
    return chroma


def _between(one: Pixels, other: Pixels) -> Pixels:
    """Return the means, rounded down, without leaving bytes."""
    return (one & other) + ((one ^ other) >> 1)


def _filled(plane: Pixels, columns: int, rows: int) -> Pixels:
    """Return *plane* with its last column and row again, where there are to be more of them."""
    height, width = plane.shape
    if (height, width) == (rows, columns):
        return plane
    filled = np.empty((rows, columns), np.uint8)
    filled[:height, :width] = plane
    filled[:height, width:] = plane[:, -1:]
    filled[height:] = filled[height - 1]
    return filled


def _decoded_and_encoded(jpeg: bytes, plan: Plan, encoding: Encoding) -> bytes:
    gray = _is_gray(plan)
    pixels = decoded(jpeg, luma=gray)
    bands = pixels.shape[2]
    # each pixel as one number, which is many times as fast
    shown = _moved(pixels.view(_NUMBERS[bands])[..., 0], plan)
    return encoded(shown.view(np.uint8).reshape(*shown.shape, bands), encoding, gray=gray)


def _is_gray(plan: Plan) -> bool:
    return plan.quality == "gray"


def _quarters(plan: Plan) -> int:
    return int(plan.rotation.degrees) // 90 % 4


def _moved(numbers: NDArray[N], plan: Plan) -> NDArray[N]:
    """Return rows and columns of *numbers* mirrored and turned."""
    shown = numbers[:, ::-1] if plan.rotation.mirror else numbers
    return np.ascontiguousarray(_turned(shown, _quarters(plan)))


def _turned(numbers: NDArray[N], quarters: int) -> NDArray[N]:
    """Return what is clockwise from *numbers* by so many quarter turns."""
    shown = np.rot90(numbers, -quarters)
    if quarters % 2 == 0:
        return shown
    turned = np.empty(shown.shape, shown.dtype)
    columns = _PANEL_BYTES // shown.itemsize
    for start in range(0, shown.shape[1], columns):  # few at once stay in the processor's cache
        turned[:, start : start + columns] = shown[:, start : start + columns]
    return turned
