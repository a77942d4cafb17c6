"""What the header of a JPEG says: frame, EXIF orientation, profile, and what decoding costs.

ITU-T T.81, annex B: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from iiifserver.errors import BrokenSource

from .header import MAX_SEGMENTS, Header, Level, streamed_bytes, turned
from .tiff import exif_orientation
from .window import Window

_SOF_NAMES = {
    0xC3: "lossless", 0xC5: "differential", 0xC6: "differential", 0xC7: "differential",
    0xC9: "arithmetic", 0xCA: "arithmetic", 0xCB: "arithmetic",
    0xCD: "differential", 0xCE: "differential", 0xCF: "differential",
}  # fmt: skip
_SOF_READ = (0xC0, 0xC1, 0xC2)
_SOS, _EOI, _APP1, _APP2 = 0xDA, 0xD9, 0xE1, 0xE2
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True, slots=True)
class _Frame:
    progressive: bool
    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]

    @property
    def coefficient_bytes(self) -> int:
        """What a decoder holds that needs every scan before the first row: 16 bits a sample."""
        widest = max(across for across, _ in self.sampling)
        tallest = max(down for _, down in self.sampling)
        columns, rows = -(-self.width // (8 * widest)), -(-self.height // (8 * tallest))
        return sum(2 * 64 * columns * across * rows * down for across, down in self.sampling)


def read_jpeg(window: Window) -> Header:
    """Return the header of a JPEG: its EXIF orientation, profile, frame and first scan."""
    frame: _Frame | None = None
    exif, profile = b"", False
    offset = 2
    for _ in range(MAX_SEGMENTS):
        offset, marker = _next_marker(window, offset, frame)
        if marker in _STANDALONE:
            continue
        (length,) = window.unpack(">H", offset, "a segment of the JPEG")
        body, size = offset + 2, length - 2
        if marker in _SOF_NAMES:
            raise BrokenSource(f"a JPEG of {_SOF_NAMES[marker]} coding, which is not read")
        if marker in _SOF_READ:
            frame = _read_frame(window, marker, body)
        elif marker == _APP1 and not exif and _starts(window, body, size, b"Exif\0"):
            exif = window.take(body + 6, size - 6, "the JPEG's EXIF")
        elif marker == _APP2 and _starts(window, body, size, b"ICC_PROFILE\0"):
            profile = True
        elif marker == _SOS and frame:
            (components,) = window.unpack("B", body, "the JPEG's first scan")
            whole = frame.progressive or components < len(frame.sampling)
            return _jpeg_header(window, frame, exif_orientation(exif), profile, whole)
        offset += max(2, length)
    raise BrokenSource(f"the JPEG has more than {MAX_SEGMENTS} segments before its picture")


def _next_marker(window: Window, offset: int, frame: _Frame | None) -> tuple[int, int]:
    """Return the offset after the next marker and its code, as libjpeg skips what is between."""
    missing = "picture" if frame else "frame header"
    rest = window.size_bytes - offset
    if rest > 0:
        block = window.take(offset, min(rest, 2048), "a marker of the JPEG")
        found = re.search(rb"\xff+([^\x00\xff])", block)
        if found and found[1][0] != _EOI:
            return offset + found.end(), found[1][0]
    raise BrokenSource(f"the JPEG ends before its {missing}")


def _starts(window: Window, offset: int, size: int, name: bytes) -> bool:
    return size > len(name) + 1 and window.take(offset, len(name), "a JPEG segment") == name


def _read_frame(window: Window, marker: int, offset: int) -> _Frame:
    what = "the JPEG's frame header"
    precision, height, width, count = window.unpack(">BHHB", offset, what)
    if precision != 8:
        raise BrokenSource(f"a JPEG of {precision} bits, which is not read")
    if not width or not height:
        raise BrokenSource(f"the JPEG says that it is {width} x {height} pixels")
    if count not in (1, 3, 4):
        raise BrokenSource(f"a JPEG of {count} components, which is not read")
    components = window.take(offset + 6, 3 * count, what)
    sampling = tuple((factors >> 4, factors & 15) for factors in components[1::3])
    if not all(1 <= across <= 4 and 1 <= down <= 4 for across, down in sampling):
        raise BrokenSource(f"the JPEG's sampling factors are {sampling}, not 1 to 4")
    return _Frame(marker == 0xC2, width, height, sampling)


def _jpeg_header(
    window: Window, frame: _Frame, orientation: int, profile: bool, whole: bool
) -> Header:
    width, height = turned(frame.width, frame.height, orientation)
    bands = len(frame.sampling)
    cost = streamed_bytes(frame.width, bands)
    if whole:
        cost += frame.coefficient_bytes + window.size_bytes
    levels = tuple(
        Level(frame.width // scale, frame.height // scale, scale)
        for scale in (1, 2, 4, 8)
        if min(frame.width, frame.height) >= scale
    )
    return Header(
        format="jpeg", width=width, height=height, orientation=orientation, levels=levels,
        bands=bands, bits=8, alpha=False, lossless=False, profile=profile,
        decode_bytes=cost, streams=not whole,
    )  # fmt: skip
