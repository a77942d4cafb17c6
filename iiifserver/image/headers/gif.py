"""What the header of a GIF says.

https://www.w3.org/Graphics/GIF/spec-gif89a.txt
"""

from __future__ import annotations

from iiifserver.errors import BrokenSource

from .header import MAX_SEGMENTS, Header, Level, streamed_bytes
from .window import Window

_MAX_EXTENSIONS = 100


def read_gif(window: Window) -> Header:
    """Return the header of a GIF's first frame, on the canvas as large as that frame needs."""
    width, height, flags = window.unpack("<HHB", 6, "the GIF's screen")
    offset = 13 + (3 << (flags & 7) + 1 if flags & 0x80 else 0)
    transparent = False
    for _ in range(_MAX_EXTENSIONS):
        (kind,) = window.unpack("B", offset, "the GIF's first frame")
        if kind == 0x2C:
            left, top, across, down = window.unpack("<HHHH", offset + 1, "the GIF's first frame")
            size = max(width, left + across), max(height, top + down)
            return _gif_header(window, size, transparent)
        if kind != 0x21:
            raise BrokenSource(f"the GIF has {kind:#04x} at {offset}, and no frame before it")
        (label,) = window.unpack("B", offset + 1, "a GIF extension")
        if label == 0xF9:
            (control,) = window.unpack("B", offset + 3, "a GIF extension")
            transparent = bool(control & 1)
        offset = _after_blocks(window, offset + 2)
    raise BrokenSource(f"the GIF has more than {_MAX_EXTENSIONS} extensions before its frame")


def _after_blocks(window: Window, offset: int) -> int:
    """Return the offset after a chain of sub-blocks, each at most 255 bytes."""
    for _ in range(MAX_SEGMENTS):
        (length,) = window.unpack("B", offset, "a GIF extension")
        offset += 1 + length
        if not length:
            return offset
    raise BrokenSource("the GIF has an extension without an end")


def _gif_header(window: Window, size: tuple[int, int], transparent: bool) -> Header:
    width, height = size
    if not width or not height:
        raise BrokenSource(f"the GIF says that it is {width} x {height} pixels")
    canvas = 4 * width * height
    return Header(
        format="gif", width=width, height=height, orientation=1,
        levels=(Level(width, height, 1),), bands=4 if transparent else 3, bits=8,
        alpha=transparent, lossless=True, profile=False, streams=False,
        decode_bytes=streamed_bytes(width, 4) + canvas + window.size_bytes,
    )  # fmt: skip
