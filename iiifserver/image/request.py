"""The grammar of image requests, of Image API 3.0 and 2.1.1 alike.

    {region}/{size}/{rotation}/{quality}.{format}

Nothing here knows an image: what a request means for one is worked out in plan.py. The two
versions differ in three places only: the `^` before a size, the size `full`, and whether a size
may exceed its region without saying so; `ImageRequest.version` carries the difference.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple, get_args

from iiifserver.errors import BadRequest

Version = Literal[3, 2]
Quality = Literal["default", "color", "gray", "bitonal"]
OutputFormat = Literal["jpg", "png", "webp", "avif", "tif", "gif", "jp2", "pdf"]

QUALITIES: tuple[Quality, ...] = get_args(Quality)
FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
SPEC = {3: "https://iiif.io/api/image/3.0/", 2: "https://iiif.io/api/image/2.1/"}
_SECTION = {
    3: {"region": "41-region", "size": "42-size", "rotation": "43-rotation"}
    | {"quality": "44-quality", "format": "45-format"},
    2: {"region": "region", "size": "size", "rotation": "rotation"}
    | {"quality": "quality", "format": "format"},
}

Number = int | Fraction
"""Exact, and whole where it can be: whole numbers are much faster."""

_INT = r"[0-9]{1,9}"  # not \d, which matches the digits of every script
_DECIMAL = r"(?:[0-9]{1,9}(?:\.[0-9]{1,12})?|\.[0-9]{1,12})"
_PIXELS = re.compile(rf"({_INT}),({_INT}),({_INT}),({_INT})")
_PERCENT = re.compile(rf"pct:({_DECIMAL}),({_DECIMAL}),({_DECIMAL}),({_DECIMAL})")
_SIZE_PERCENT = re.compile(rf"pct:({_DECIMAL})")
_SIZE_PIXELS = re.compile(rf"(!?)({_INT})?,({_INT})?")
_ROTATION = re.compile(rf"(!?)({_DECIMAL})")

LONGEST_SEGMENT = 128
"""Characters; the longest region that the grammar can hold is shorter."""
_KEPT, _KEPT_SEGMENTS = 4_096, 1_024
"""Requests, and segments of each kind, that are kept parsed: images have most in common."""


def section(version: Version, parameter: str) -> str:
    """Return the address of the specification's section on *parameter*."""
    return f"{SPEC[version]}#{_SECTION[version][parameter]}"


def refuse(version: Version, parameter: str, why: str) -> BadRequest:
    """Return the error that refuses a request because of *parameter*."""
    return BadRequest(why, parameter=parameter, spec=section(version, parameter))


class Region(NamedTuple):
    """The part of the image that is asked for; *numbers* are x, y, width, height."""

    kind: Literal["full", "square", "pixels", "percent"]
    numbers: tuple[Number, ...] = ()

    @classmethod
    def parse(cls, text: str, version: Version = 3) -> Region:
        """Return the region that *text* names.

        Raises:
            BadRequest: not a region, or one without width or height.

        Image API 3.0, 4.1: https://iiif.io/api/image/3.0/#41-region
        """
        if text == "full":
            return cls("full")
        if text == "square":
            return cls("square")
        region: Region | None = None
        if match := _PIXELS.fullmatch(text):
            region = cls("pixels", tuple(int(number) for number in match.groups()))
        elif match := _PERCENT.fullmatch(text):
            region = cls("percent", tuple(_number(text) for text in match.groups()))
        if region is None:
            forms = "full, square, x,y,w,h or pct:x,y,w,h"
            raise refuse(version, "region", f"not a region: {_show(text)}; {forms}")
        if not (region.numbers[2] and region.numbers[3]):
            raise refuse(version, "region", f"a region without extent: {_show(text)}")
        return region


class Size(NamedTuple):
    """The size that the region is scaled to, in pixels before rotation."""

    kind: Literal["max", "full", "percent", "pixels", "confined"]
    width: int | None = None
    height: int | None = None
    percent: Number = 100
    upscale: bool = False
    """Whether the size may exceed the region's: a `^` in 3.0, always in 2.1."""

    @classmethod
    def parse(cls, text: str, version: Version = 3) -> Size:
        """Return the size that *text* names.

        Raises:
            BadRequest: not a size of this version, or one without width or height.

        Image API 3.0, 4.2: https://iiif.io/api/image/3.0/#42-size
        """
        caret = version == 3 and text.startswith("^")
        upscale = caret or version == 2
        body = text[1:] if caret else text
        if body == "max":
            # 2.1 has no `^max`: its `max` never exceeds the region
            return cls("max", upscale=caret)
        if body == "full" and version == 2:
            return cls("full")
        if match := _SIZE_PERCENT.fullmatch(body):
            percent = _number(match[1])
            if not percent:
                raise refuse(version, "size", f"a size without extent: {_show(text)}")
            return cls("percent", percent=percent, upscale=upscale)
        match = _SIZE_PIXELS.fullmatch(body)
        if not match or not (match[2] or match[3]) or (match[1] and not (match[2] and match[3])):
            forms = "max, w,, ,h, pct:n, w,h or !w,h" + (
                ", each after ^ too" if version == 3 else ""
            )
            raise refuse(version, "size", f"not a size: {_show(text)}; {forms}")
        width, height = (int(number) if number else None for number in (match[2], match[3]))
        if width == 0 or height == 0:
            raise refuse(version, "size", f"a size without extent: {_show(text)}")
        return cls("confined" if match[1] else "pixels", width, height, upscale=upscale)


class Rotation(NamedTuple):
    """Mirroring on the vertical axis, then clockwise *degrees*, 0 or more and below 360."""

    degrees: Number = 0
    mirror: bool = False

    @classmethod
    def parse(cls, text: str, version: Version = 3) -> Rotation:
        """Return the rotation that *text* names; 360 is the same as 0.

        Raises:
            BadRequest: not a number from 0 to 360, with or without a `!` before it.

        Image API 3.0, 4.3: https://iiif.io/api/image/3.0/#43-rotation
        """
        match = _ROTATION.fullmatch(text)
        degrees = _number(match[2]) if match else -1
        if not match or degrees > 360:
            why = f"not a rotation: {_show(text)}; degrees from 0 to 360, after ! to mirror"
            raise refuse(version, "rotation", why)
        return cls(degrees % 360, bool(match[1]))

    def canonical(self) -> str:
        """Return the shortest spelling, with as few digits as the value needs."""
        return ("!" if self.mirror else "") + _decimal(self.degrees)


class ImageRequest(NamedTuple):
    """What a client asks of some image."""

    version: Version
    region: Region
    size: Size
    rotation: Rotation
    quality: Quality
    format: OutputFormat

    @classmethod
    def parse(
        cls, version: Version, region: str, size: str, rotation: str, quality_format: str
    ) -> ImageRequest:
        """Return the request that four path segments, decoded once, spell.

        Raises:
            BadRequest: a segment is malformed or names no feature of ours.

        Image API 3.0, 4: https://iiif.io/api/image/3.0/#4-image-requests
        """
        return _parsed(version, region, size, rotation, quality_format)


_region = lru_cache(_KEPT_SEGMENTS)(Region.parse)
_size = lru_cache(_KEPT_SEGMENTS)(Size.parse)
_rotation = lru_cache(_KEPT_SEGMENTS)(Rotation.parse)


@lru_cache(_KEPT)
def _parsed(
    version: Version, region: str, size: str, rotation: str, quality_format: str
) -> ImageRequest:
    _check_lengths(version, region, size, rotation, quality_format)
    return ImageRequest(
        version,
        _region(region, version),
        _size(size, version),
        _rotation(rotation, version),
        *_quality_format(quality_format, version),
    )


@lru_cache(_KEPT_SEGMENTS)
def _quality_format(text: str, version: Version) -> tuple[Quality, OutputFormat]:
    quality, _, output_format = text.rpartition(".")
    return _quality(quality, version), _format(output_format, version)


def _check_lengths(version: Version, *segments: str) -> None:
    if sum(map(len, segments)) <= LONGEST_SEGMENT:
        return
    for parameter, text in zip(("region", "size", "rotation", "quality"), segments, strict=True):
        if len(text) > LONGEST_SEGMENT:
            why = f"{len(text)} characters are too many for a {parameter}: {_show(text)}"
            raise refuse(version, parameter, why)


def _quality(text: str, version: Version) -> Quality:
    # Diva 6 asks for 1.1's `native`; an alias that info.json does not advertise
    for quality in QUALITIES:
        if text == quality or (text == "native" and quality == "default"):
            return quality
    raise refuse(version, "quality", f"not a quality: {_show(text)}; {', '.join(QUALITIES)}")


def _format(text: str, version: Version) -> OutputFormat:
    for output_format in FORMATS:
        if text == output_format:
            return output_format
    raise refuse(version, "format", f"not a format: {_show(text)}; {', '.join(FORMATS)}")


def _number(text: str) -> Number:
    exact = Fraction(text)
    return exact.numerator if exact.denominator == 1 else exact


def _decimal(value: Number) -> str:
    """Return *value* as a decimal number without needless zeros; it has at most 12 places."""
    if isinstance(value, int):
        return str(value)
    whole, rest = divmod(value, 1)
    if not rest:
        return str(whole)
    return f"{whole}.{int(rest * 10**12):012d}".rstrip("0")


def _show(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
