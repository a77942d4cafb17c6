"""What the header of a WebP says.

https://www.rfc-editor.org/rfc/rfc9649
"""

from __future__ import annotations

from iiifserver.errors import BrokenSource

from .header import OVERHEAD_BYTES, Header, Level, turned
from .tiff import exif_orientation
from .window import Window

_MAX_CHUNKS = 256  # EXIF behind more frames of an animation is not looked for
_PIXEL_BYTES = 9  # RGBA, the planes before it, and the copy that libvips keeps


def read_webp(window: Window) -> Header:
    """Return the header of a WebP, or of the first frame of an animated one."""
    what = "the WebP's picture"
    (length,) = window.unpack("<I", 16, what)
    window.check(20, length, what)
    name = window.take(12, 4, what)
    head = window.take(20, 10, what)
    if name == b"VP8X":
        return _extended_webp(window, head)
    if name == b"VP8L" and head[0] == 0x2F:
        packed = int.from_bytes(head[1:5], "little")
        size = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        return _webp_header(window, size, alpha=bool(packed >> 28 & 1), lossless=True)
    if name == b"VP8 " and head[3:6] == b"\x9d\x01\x2a":
        size = head[6] | (head[7] & 0x3F) << 8, head[8] | (head[9] & 0x3F) << 8
        return _webp_header(window, size, alpha=False, lossless=False)
    raise BrokenSource(f"the WebP begins with a damaged chunk {name!r}")


def _extended_webp(window: Window, head: bytes) -> Header:
    chunks = _webp_chunks(window)
    if not chunks.keys() & {b"VP8 ", b"VP8L", b"ANMF"}:
        raise BrokenSource("the WebP ends before its picture")
    exif = b""
    if b"EXIF" in chunks and head[0] & 0x08:
        exif = window.take(*chunks[b"EXIF"], "the WebP's EXIF").removeprefix(b"Exif\0\0")
    return _webp_header(
        window,
        (1 + int.from_bytes(head[4:7], "little"), 1 + int.from_bytes(head[7:10], "little")),
        alpha=bool(head[0] & 0x10),
        lossless=b"VP8L" in chunks,
        orientation=exif_orientation(exif),
        profile=b"ICCP" in chunks,
    )


def _webp_chunks(window: Window) -> dict[bytes, tuple[int, int]]:
    """Return where the contents of the chunks after the header lie: offset and length."""
    found: dict[bytes, tuple[int, int]] = {}
    offset = 30
    for _ in range(_MAX_CHUNKS):
        if offset + 8 > window.size_bytes:
            break
        name = window.take(offset, 4, "a WebP chunk")
        (length,) = window.unpack("<I", offset + 4, "a WebP chunk")
        window.check(offset + 8, length, f"the WebP's chunk {name!r}")
        found.setdefault(name, (offset + 8, length))
        offset += 8 + length + (length & 1)
    return found


def _webp_header(
    window: Window,
    size: tuple[int, int],
    *,
    alpha: bool,
    lossless: bool,
    orientation: int = 1,
    profile: bool = False,
) -> Header:
    width, height = size
    if not width or not height:
        raise BrokenSource(f"the WebP says that it is {width} x {height} pixels")
    shown = turned(width, height, orientation)
    return Header(
        format="webp", width=shown[0], height=shown[1], orientation=orientation,
        levels=(Level(width, height, 1),), bands=4 if alpha else 3, bits=8, alpha=alpha,
        lossless=lossless, profile=profile, streams=False,
        decode_bytes=OVERHEAD_BYTES + _PIXEL_BYTES * width * height + window.size_bytes,
    )  # fmt: skip
