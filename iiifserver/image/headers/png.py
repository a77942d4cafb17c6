"""What the header of a PNG says.

https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import zlib

from iiifserver.errors import BrokenSource

from .header import (
    MAX_SEGMENTS,
    MAX_SIDE,
    OVERHEAD_BYTES,
    Header,
    Level,
    streamed_bytes,
    turned,
)
from .tiff import exif_orientation
from .window import Window

_BANDS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}
_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}


def read_png(window: Window) -> Header:
    """Return the header of a PNG, from the chunks before its picture."""
    start = window.take(8, 25, "the PNG's header")
    width, height, bits, colour, _, _, interlaced = window.unpack(
        ">IIBBBBB", 16, "the PNG's header"
    )
    (checksum,) = window.unpack(">I", 29, "the PNG's header")
    if start[:8] != b"\0\0\0\rIHDR" or checksum != zlib.crc32(start[4:21]):
        raise BrokenSource("the PNG's header is damaged")
    if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
        raise BrokenSource(f"the PNG says that it is {width} x {height} pixels")
    if bits not in _BITS.get(colour, ()):
        raise BrokenSource(f"a PNG of colour type {colour} cannot have {bits} bits")
    chunks = _png_chunks(window)
    orientation = 1
    if b"eXIf" in chunks:
        orientation = exif_orientation(window.take(*chunks[b"eXIf"], "the PNG's EXIF"))
    shown = turned(width, height, orientation)
    alpha = colour in (4, 6) or b"tRNS" in chunks
    bands = _BANDS[colour] + (1 if b"tRNS" in chunks and colour < 4 else 0)
    pixel_bytes = bands * (2 if bits == 16 else 1)
    whole = OVERHEAD_BYTES + width * height * pixel_bytes
    return Header(
        format="png", width=shown[0], height=shown[1], orientation=orientation,
        levels=(Level(width, height, 1),), bands=bands, bits=bits, alpha=alpha, lossless=True,
        profile=b"iCCP" in chunks, streams=not interlaced,
        decode_bytes=whole if interlaced else streamed_bytes(width, pixel_bytes),
    )  # fmt: skip


def _png_chunks(window: Window) -> dict[bytes, tuple[int, int]]:
    """Return where the contents of the chunks before the picture lie: offset and length."""
    found: dict[bytes, tuple[int, int]] = {}
    offset = 33
    for _ in range(MAX_SEGMENTS):
        what = "the PNG's picture (no IDAT chunk before it)"
        (length,) = window.unpack(">I", offset, what)
        name = window.take(offset + 4, 4, what)
        if name == b"IDAT":
            window.check(offset, length + 12, "the PNG's picture")
            return found
        if not name.isalpha() or name == b"IEND":
            raise BrokenSource(f"the PNG has {name!r} at {offset}, and no picture before it")
        found.setdefault(name, (offset + 8, length))
        offset += length + 12
    raise BrokenSource(f"the PNG has more than {MAX_SEGMENTS} chunks before its picture")
