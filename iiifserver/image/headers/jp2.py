"""What the header of a JPEG 2000 says: boxes of a JP2, markers of its codestream.

ISO/IEC 15444-1 (ITU-T T.800): annex A for markers, annex I for boxes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from iiifserver.errors import BrokenSource

from .boxes import Box, read_boxes
from .header import MAX_SIDE, OVERHEAD_BYTES, Header, Level
from .window import Window

Colour = Literal["gray", "rgb", "ycc", "cmyk"]

AREA_BYTES = 128 * 1024 * 1024  # what OpenJPEG may hold of the area that it decodes at once
SAMPLE_BYTES = 12  # of that area: 32-bit samples, wavelet coefficients, blocks that it cuts

_CODESTREAM = b"\xff\x4f\xff\x51"
_COLOUR_BANDS: dict[Colour, int] = {"gray": 1, "rgb": 3, "ycc": 3, "cmyk": 4}
_ENUMERATED: dict[int, Colour] = {12: "cmyk", 16: "rgb", 17: "gray", 18: "ycc"}
_PROFILES: dict[bytes, Colour] = {b"GRAY": "gray", b"RGB ": "rgb", b"CMYK": "cmyk"}
_BLOCK_BYTES, _TILE_BYTES, _COMPONENT_BYTES = 200, 6000, 1200  # OpenJPEG's own records
_MAX_MARKERS = 1000


@dataclass(frozen=True, slots=True)
class Jp2:
    """A JPEG 2000 image. `boxed` is False for a bare codestream.

    `area` is the picture on the reference grid: left, top, right, bottom; `spacing` how far
    the samples of the sparsest component lie apart on it. `colour` says what
    the first components mean; one more is opacity if `alpha`, any others are not shown.
    `profile` is where the ICC profile lies: offset and length.
    """

    boxed: bool
    area: tuple[int, int, int, int]
    tile: tuple[int, int]
    spacing: tuple[int, int]
    components: int
    bits: int
    resolutions: int
    lossless: bool
    colour: Colour
    alpha: bool
    profile: tuple[int, int] | None
    record_bytes: int

    @property
    def bands(self) -> int:
        """How many bands are shown: those of the colour, and opacity."""
        return _COLOUR_BANDS[self.colour] + self.alpha


@dataclass(frozen=True, slots=True)
class _Stream:
    area: tuple[int, int, int, int]
    tile: tuple[int, int]
    spacing: tuple[int, int]
    components: int
    bits: int
    resolutions: int = 0
    lossless: bool = False
    record_bytes: int = 0


@dataclass(slots=True)
class _Colours:
    """What the boxes of a JP2 header say of its colours, as far as they are read."""

    colour: Colour | None = None
    profile: tuple[int, int] | None = None
    palette: tuple[int, int] | None = None  # bands and bits
    alpha: bool = False


def read_jp2_header(window: Window) -> Header:
    """Return the header of a JPEG 2000, its levels being the resolutions of its codestream."""
    jp2 = read_jp2_info(window)
    left, top, right, bottom = jp2.area
    width, height = right - left, bottom - top
    tiled = jp2.tile[0] < width or jp2.tile[1] < height
    levels = tuple(
        Level(
            width=_halved(right, page) - _halved(left, page),
            height=_halved(bottom, page) - _halved(top, page),
            scale=1 << page,
            page=page,
            tile_width=max(1, jp2.tile[0] >> page) if tiled else 0,
            tile_height=max(1, jp2.tile[1] >> page) if tiled else 0,
        )
        for page in range(jp2.resolutions + 1)
    )
    share = min(1.0, jp2.tile[0] * jp2.tile[1] / (width * height))
    area = min(AREA_BYTES, width * height * jp2.components * SAMPLE_BYTES)
    stored = int(1.25 * window.size_bytes * share)
    return Header(
        format="jp2", width=width, height=height, orientation=1,
        levels=tuple(level for level in levels if level.width > 0 and level.height > 0),
        bands=jp2.bands, bits=jp2.bits, alpha=jp2.alpha, lossless=jp2.lossless,
        profile=jp2.profile is not None, streams=True,
        decode_bytes=OVERHEAD_BYTES + stored + area + jp2.record_bytes,
    )  # fmt: skip


def read_jp2_info(window: Window) -> Jp2:
    """Return what the boxes and the codestream's main header say.

    Raises:
        BrokenSource: the file is damaged, or has colours or samples that are not read.
    """
    colours = _Colours()
    start: int | None = 0 if window.take(0, 4, "the JPEG 2000's start") == _CODESTREAM else None
    boxed = start is None
    for box in read_boxes(window, 0, window.size_bytes) if boxed else ():
        if box.name == b"jp2h":
            colours = _read_colours(window, box)
        if box.name == b"jp2c":
            start = box.start
            break
    if start is None:
        raise BrokenSource("the JP2 has no codestream")
    stream = _read_stream(window, start)
    bands, bits = colours.palette or (stream.components, stream.bits)
    alpha = (colours.alpha and bands > 1) if boxed else bands in (2, 4)
    colour = colours.colour or ("gray" if bands - alpha < 3 else "rgb")
    if bands < _COLOUR_BANDS[colour] + alpha:
        raise BrokenSource(f"the JPEG 2000 has {bands} components, too few for {colour}")
    return Jp2(
        boxed=boxed, area=stream.area, tile=stream.tile, spacing=stream.spacing,
        components=bands, bits=bits, resolutions=stream.resolutions,
        lossless=stream.lossless, colour=colour, alpha=alpha, profile=colours.profile,
        record_bytes=stream.record_bytes,
    )  # fmt: skip


def _halved(value: int, times: int) -> int:
    return -(-value >> times)


def _read_colours(window: Window, header: Box) -> _Colours:
    found = _Colours()
    for box in read_boxes(window, header.start, header.end):
        if box.name == b"colr" and not found.colour:
            _read_colour(window, box, found)
        elif box.name == b"pclr":
            entries, bands = window.unpack(">HB", box.start, "the JP2's palette")
            depths = window.take(box.start + 3, max(1, bands), "the JP2's palette")
            if not 0 < entries <= 1024 or not bands:
                raise BrokenSource(f"the JP2 has a palette of {entries} x {bands}")
            found.palette = bands, max((depth & 0x7F) + 1 for depth in depths)
        elif box.name == b"cdef":
            (count,) = window.unpack(">H", box.start, "the JP2's channels")
            values = window.unpack(f">{3 * min(count, 64)}H", box.start + 2, "the JP2's channels")
            found.alpha = any(kind in (1, 2) for kind in values[1::3])
    return found


def _read_colour(window: Window, box: Box, found: _Colours) -> None:
    """Take the first colour specification that is understood; I.5.3.3."""
    (method,) = window.unpack("B", box.start, "the JP2's colours")
    if method == 1:
        (space,) = window.unpack(">I", box.start + 3, "the JP2's colours")
        if space not in _ENUMERATED:
            raise BrokenSource(f"the JP2 has colours that are not read: code {space}")
        found.colour = _ENUMERATED[space]
    elif method in (2, 3) and box.length > 3 + 128:
        space_name = window.take(box.start + 3 + 16, 4, "the JP2's profile")
        found.colour = _PROFILES.get(space_name)
        found.profile = (box.start + 3, box.length - 3) if found.colour else None


def _read_stream(window: Window, start: int) -> _Stream:
    """Return what the main header says, from SOC up to the first tile-part."""
    what = "the JPEG 2000's main header"
    if window.take(start, 4, what) != _CODESTREAM:
        raise BrokenSource("the JPEG 2000's codestream does not begin with SOC and SIZ")
    stream = _read_size(window, start + 4)
    coded: _Stream | None = None
    offset = start + 2
    for _ in range(_MAX_MARKERS):
        marker, length = window.unpack(">HH", offset, what)
        if marker == 0xFF90:  # SOT
            if not coded:
                raise BrokenSource("the JPEG 2000 does not say how it is coded (no COD)")
            (tile_part,) = window.unpack(">I", offset + 6, what)
            window.check(offset, tile_part, "the JPEG 2000's first tile-part")
            return coded
        if marker < 0xFF00 or length < 2:
            raise BrokenSource(f"{what} is damaged at {offset}")
        if marker == 0xFF52:
            coded = _read_coding(window, offset + 2, stream)
        offset += 2 + length
    raise BrokenSource(f"{what} has more than {_MAX_MARKERS} segments")


def _read_size(window: Window, offset: int) -> _Stream:
    """Return what SIZ says, A.5.1; *offset* is that of its length."""
    what = "the JPEG 2000's size"
    values = window.unpack(">HHIIIIIIIIH", offset, what)
    right, bottom, left, top, across, down, tile_left, tile_top, components = values[2:]
    if not (left < right <= MAX_SIDE and top < bottom <= MAX_SIDE):
        raise BrokenSource(f"{what} is {right} x {bottom} from {left}, {top}")
    if not (across and down and tile_left <= left and tile_top <= top):
        raise BrokenSource(f"{what} has tiles of {across} x {down} from {tile_left}, {tile_top}")
    if not (tile_left + across > left and tile_top + down > top and 0 < components <= 64):
        raise BrokenSource(f"{what} leaves its first tile or its components empty")
    parts = window.take(offset + 38, 3 * components, what)
    bits = max((depth & 0x7F) + 1 for depth in parts[0::3])
    if bits > 16:
        raise BrokenSource(f"a JPEG 2000 of {bits} bits, which is not read")
    if 0 in parts[1::3] or 0 in parts[2::3]:
        raise BrokenSource(f"{what} has a component without samples")
    tiles = -(-(right - tile_left) // across) * -(-(bottom - tile_top) // down)
    if tiles > 65535:
        raise BrokenSource(f"{what} asks for {tiles} tiles, more than 65535")
    return _Stream(
        area=(left, top, right, bottom),
        tile=(min(across, right - left), min(down, bottom - top)),
        spacing=(max(parts[1::3]), max(parts[2::3])),
        components=components,
        bits=bits,
        record_bytes=tiles * (_TILE_BYTES + _COMPONENT_BYTES * components),
    )


def _read_coding(window: Window, offset: int, stream: _Stream) -> _Stream:
    """Return *stream* with what COD says, A.6.1; *offset* is that of its length."""
    what = "the JPEG 2000's coding"
    values = window.unpack(">HBBHBBBBBB", offset, what)
    style, resolutions, block_width, block_height, reversible = (
        values[1], values[5], values[6], values[7], values[9],
    )  # fmt: skip
    if resolutions > 32 or block_width > 8 or block_height > 8:
        raise BrokenSource(f"{what} is damaged")
    exponents = block_width + block_height + 4
    sizes = window.take(offset + 12, resolutions + 1, what) if style & 1 else b""
    samples = stream.tile[0] * stream.tile[1] * stream.components
    blocks = 0
    for discarded in range(resolutions + 1):
        precinct = 30
        if sizes:
            byte = sizes[resolutions - discarded]
            precinct = max(0, (byte & 15) + (byte >> 4) - 2)
        blocks += (samples >> 2 * discarded >> min(exponents, precinct)) + 1
    return replace(
        stream,
        resolutions=resolutions,
        lossless=reversible == 1,
        record_bytes=stream.record_bytes + blocks * _BLOCK_BYTES,
    )
