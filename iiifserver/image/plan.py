"""What a request means for one image: request + dimensions + limits -> `Plan`.

Arithmetic only, in whole numbers and fractions; no pixel is touched and no file is opened.
Rounding follows viewers where the specification leaves it open: sizes that keep the proportions
are those of a viewer's level where they can be, else rounded to the nearest pixel, never to none.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

from iiifserver.errors import BadRequest, NotSupported

from .request import (
    ImageRequest,
    Number,
    OutputFormat,
    Quality,
    Region,
    Rotation,
    Size,
    Version,
    refuse,
    section,
)

# what the formats themselves can hold, in pixels a side
LONGEST_SIDE: dict[OutputFormat, int] = {
    "jpg": 65_535,
    "webp": 16_383,
    "avif": 65_535,
    "gif": 65_535,
}
# what their encoders do in the memory (2 GiB) and time of a render process, in pixels; measured,
# JPEG 2000 takes 36 bytes a pixel and AVIF 17, GIF a second for 4 megapixels
LARGEST_AREA: dict[OutputFormat, int] = {
    "jp2": 40_000_000,
    "gif": 40_000_000,
    "avif": 64_000_000,
}


class Dimensions(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int


class Box(NamedTuple):
    """Pixels of an image: left, top, width and height."""

    x: int
    y: int
    width: int
    height: int


class Limits(NamedTuple):
    """The largest picture that is made, in pixels: published in info.json, always enforced.

    Image API 3.0, 5.3: https://iiif.io/api/image/3.0/#53-sizes
    """

    max_width: int = 16_383
    max_height: int = 16_383
    max_area: int = 100_000_000
    upscaling: bool = True

    def allow(self, width: int, height: int) -> bool:
        """Return whether a picture of this size may be made."""
        return (
            width <= self.max_width
            and height <= self.max_height
            and width * height <= self.max_area
        )


class Plan(NamedTuple):
    """A request, resolved for one image.

    `box` is the region in the image as shown, `width` and `height` what it is scaled to before
    mirroring and rotation; `canonical` is the request's one spelling, four segments without the
    identifier.
    """

    box: Box
    width: int
    height: int
    rotation: Rotation
    quality: Quality
    format: OutputFormat
    canonical: str

    @property
    def pixels(self) -> str:
        """One spelling for all requests, of either version, that ask for the same pixels."""
        x, y, width, height = self.box
        # the colours of the source are the default
        quality = "default" if self.quality == "color" else self.quality
        return (
            f"{x}.{y}.{width}.{height}-{self.width}.{self.height}"
            f"-{self.rotation.canonical()}-{quality}.{self.format}"
        )


def make_plan(request: ImageRequest, image: Dimensions, limits: Limits) -> Plan:
    """Return what *request* means for an image of these dimensions.

    Raises:
        BadRequest: no pixel lies in the region, or the result is larger than a limit.
        NotSupported: a `^` size needs upscaling and upscaling is off.
    """
    version = request.version
    box = resolve_region(request.region, image, version)
    region = Dimensions(box.width, box.height)
    width, height = size = resolve_size(request.size, region, limits, version)
    _check_canvas(request, size, limits)
    left, top, _, _ = box
    cropped = "full" if region == image else f"{left},{top},{region.width},{region.height}"
    scaled = _canonical_size(size, region, limits, version)
    # the colours of the source are the default
    quality = "default" if request.quality == "color" else request.quality
    canonical = f"{cropped}/{scaled}/{request.rotation.canonical()}/{quality}.{request.format}"
    return Plan(box, width, height, request.rotation, request.quality, request.format, canonical)


def resolve_region(region: Region, image: Dimensions, version: Version = 3) -> Box:
    """Return the source pixels that *region* names, cropped at the image's edges.

    Percentages are of the full image, 0 to 100, rounded to the nearest pixel; what lies inside
    the image and is thinner than a pixel is that pixel.

    Raises:
        BadRequest: no pixel of the image lies inside the region.

    Image API 3.0, 4.1: https://iiif.io/api/image/3.0/#41-region
    """
    if region.kind == "full":
        return Box(0, 0, *image)
    if region.kind == "square":
        side = min(image)
        return Box((image.width - side) // 2, (image.height - side) // 2, side, side)
    x, y, width, height = region.numbers
    if region.kind == "percent":
        if x >= 100 or y >= 100:
            raise _outside(image, version)
        x = min(_percent(x, image.width), image.width - 1)
        y = min(_percent(y, image.height), image.height - 1)
        width = max(_percent(width, image.width), 1)
        height = max(_percent(height, image.height), 1)
    left, top = int(x), int(y)
    right, below = image.width - left, image.height - top
    if right <= 0 or below <= 0:
        raise _outside(image, version)
    return Box(left, top, min(int(width), right), min(int(height), below))


def resolve_size(
    size: Size, region: Dimensions, limits: Limits, version: Version = 3
) -> Dimensions:
    """Return the pixels, before rotation, that a region is scaled to.

    Raises:
        BadRequest: none is left, it would be larger than a limit, or larger than the region
            where that was not asked for.
        NotSupported: a `^` size needs upscaling and upscaling is off.

    Image API 3.0, 4.2: https://iiif.io/api/image/3.0/#42-size
    """
    # 2.1's !w,h never fails for want of enlarging; 3.0's ^!w,h says that it wants it
    enlarge = size.upscale and (limits.upscaling or version == 3)
    wanted = _scaled(size, region, limits, enlarge=enlarge)
    if not (wanted.width and wanted.height):
        raise refuse(version, "size", "the size leaves no pixel")
    larger = wanted.width > region.width or wanted.height > region.height or size.percent > 100
    if larger and not size.upscale:
        why = f"{wanted.width}x{wanted.height} is larger than the region, {_by(region)}"
        raise refuse(version, "size", f"{why}; put ^ before the size to enlarge it")
    if larger and not limits.upscaling:
        kind = NotSupported if version == 3 else BadRequest
        why = (
            f"{_by(wanted)} is larger than the region, {_by(region)}, and nothing is enlarged here"
        )
        raise kind(why, parameter="size", spec=section(version, "size"))
    if not limits.allow(*wanted):
        why = f"{_by(wanted)} is larger than maxWidth, maxHeight or maxArea in info.json"
        raise refuse(version, "size", why)
    return wanted


def _scaled(size: Size, region: Dimensions, limits: Limits, *, enlarge: bool) -> Dimensions:
    if size.kind == "max":
        return _largest(region, limits, enlarge=size.upscale)
    if size.kind == "percent":
        return Dimensions(*(_percent(size.percent, side) for side in region))
    width, height = size.width, size.height
    if width and height:
        wanted = Dimensions(width, height)
        if size.kind == "confined":
            return _confined(wanted, region, _largest(region, limits, enlarge=enlarge))
        return wanted
    if width:
        return Dimensions(width, _proportional(width, region.height, region.width))
    if height:
        return Dimensions(_proportional(height, region.width, region.height), height)
    return region


def _largest(region: Dimensions, limits: Limits, *, enlarge: bool) -> Dimensions:
    """Return the largest allowed size of the region's proportions, rounded down."""
    if not enlarge and limits.allow(*region):
        return region
    width, height = region
    by_width = (limits.max_width, limits.max_width * height // width)
    by_height = (limits.max_height * width // height, limits.max_height)
    by_area = (
        math.isqrt(limits.max_area * width // height),
        math.isqrt(limits.max_area * height // width),
    )
    best = min(by_width, by_height, by_area)
    # what is thinner than a pixel is one pixel thick, and its length alone makes the area
    return Dimensions(max(min(best[0], limits.max_area), 1), max(min(best[1], limits.max_area), 1))


def _confined(wanted: Dimensions, region: Dimensions, ceiling: Dimensions) -> Dimensions:
    width, height = min(wanted.width, ceiling.width), min(wanted.height, ceiling.height)
    if width * region.height <= height * region.width:
        return Dimensions(width, min(_proportional(width, region.height, region.width), height))
    return Dimensions(min(_proportional(height, region.width, region.height), width), height)


def _canonical_size(size: Dimensions, region: Dimensions, limits: Limits, version: Version) -> str:
    if version == 2:
        if size == region:
            return "full"
        kept = _proportional(size.width, region.height, region.width) == size.height
        return f"{size.width}," if kept else f"{size.width},{size.height}"
    if size == _largest(region, limits, enlarge=False):
        return "max"
    if size.width <= region.width and size.height <= region.height:
        return f"{size.width},{size.height}"
    if size == _largest(region, limits, enlarge=True):
        return "^max"
    return f"^{size.width},{size.height}"


def _check_canvas(request: ImageRequest, size: Dimensions, limits: Limits) -> None:
    canvas = rotated(size, request.rotation.degrees)
    side = max(limits.max_width, limits.max_height)
    if request.rotation.degrees % 90 and (
        max(canvas) > side or canvas.width * canvas.height > limits.max_area
    ):
        why = f"turned, {_by(size)} needs {_by(canvas)} pixels: more than info.json allows"
        raise refuse(request.version, "rotation", why)
    longest = LONGEST_SIDE.get(request.format)
    if longest and max(canvas) > longest:
        why = f"{_by(canvas)} is larger than {request.format} can hold: {longest} a side"
        raise refuse(request.version, "format", why)
    largest = LARGEST_AREA.get(request.format)
    if largest and canvas.width * canvas.height > largest:
        why = f"{_by(canvas)} is larger than {request.format} is made here: {largest:,} pixels"
        raise refuse(request.version, "format", why)


def rotated(size: Dimensions, degrees: Number) -> Dimensions:
    """Return the smallest upright rectangle that holds *size* turned by *degrees*."""
    if degrees % 90 == 0:
        return size if degrees % 180 == 0 else Dimensions(size.height, size.width)
    angle = math.radians(float(degrees))
    sine, cosine = abs(math.sin(angle)), abs(math.cos(angle))
    return Dimensions(
        math.ceil(size.width * cosine + size.height * sine),
        math.ceil(size.width * sine + size.height * cosine),
    )


def _proportional(known: int, other: int, of: int) -> int:
    """Return *other* scaled as *of* is to *known*, to the nearest pixel and at least one.

    Where *known* is the size of a viewer's level, so is the result: viewers round levels up, and
    `w,` and `w,h` then ask for the same pixels.
    """
    nearest = max((2 * known * other + of) // (2 * of), 1)
    factor = 1
    while -(-of // factor) > known:
        factor *= 2
    level = -(-other // factor)
    return level if -(-of // factor) == known and abs(level - nearest) <= 1 else nearest


def _percent(percent: Number, of: int) -> int:
    return math.floor(Fraction(percent * of, 100) + Fraction(1, 2))


def _outside(image: Dimensions, version: Version) -> BadRequest:
    return refuse(version, "region", f"the region lies outside the image, {_by(image)}")


def _by(size: Dimensions) -> str:
    return f"{size.width}x{size.height}"
