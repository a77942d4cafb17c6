"""What a file is, told by its first bytes and its header.

Nothing is guessed: the signature names the format, the format names its one reader, and what
has no reader is refused by name. It needs no decoder and no pixel, so that processes which answer
HTTP can use it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from iiifserver.errors import BrokenSource

from .headers.avif import read_avif
from .headers.gif import read_gif
from .headers.header import OVERHEAD_BYTES, Format, Header, streamed_bytes, turned
from .headers.jp2 import read_jp2_header
from .headers.jpeg import read_jpeg
from .headers.png import read_png
from .headers.webp import read_webp
from .headers.window import Read, Window
from .pyramid import picture_pages, read_tiff

__all__ = ["Format", "Header", "container", "count_leaves", "describe", "identify"]

_SIGNATURE_BYTES = 64
_SIGNATURES: tuple[tuple[bytes, Format], ...] = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "jp2"),
    (b"\xff\x4f\xff\x51", "jp2"),
)
_HEIC = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_AVIF = {b"avif", b"avis"}
_EITHER = {b"mif1", b"msf1"}
_NOT_READ = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"%PDF-", "PDF"),
    (b"8BPS", "Photoshop"),
    (b"BM", "BMP"),
)


def identify(first: bytes) -> Format | None:
    """Return the format that a file's first bytes are the signature of; 64 bytes are enough."""
    for signature, form in _SIGNATURES:
        if first.startswith(signature):
            return form
    if first[:4] == b"RIFF" and first[8:12] == b"WEBP":
        return "webp"
    brands = _brands(first)
    if brands & _AVIF or (brands & _EITHER and not brands & _HEIC):
        return "avif"
    return None


def describe(read: Read, size_bytes: int, leaf: int = 0) -> Header:
    """Return what the file is, from a few reads of its header.

    *read* returns the bytes at an offset, fewer than asked only at the end of the file. *leaf* is
    the place, from 0, of the picture in a TIFF of several pages.

    Raises:
        BrokenSource: it is no image of a format that we read, or its header is damaged.
    """
    window, form = _opened(read, size_bytes)
    if not leaf:
        return _READERS[form](window)
    starts = picture_pages(window) if form == "tiff" else [0]
    if leaf >= len(starts):
        raise BrokenSource(f"the file has {len(starts)} pages; there is no page {leaf + 1}")
    return _tiff_header(window, starts[leaf])


def count_leaves(read: Read, size_bytes: int) -> int:
    """Return how many pictures the file holds; more than one only in a TIFF of several pages.

    Raises:
        BrokenSource: as `describe` does.
    """
    window, form = _opened(read, size_bytes)
    return len(picture_pages(window)) if form == "tiff" else 1


def _opened(read: Read, size_bytes: int) -> tuple[Window, Format]:
    if not size_bytes:
        raise BrokenSource("the file is empty")
    window = Window(read, size_bytes)
    first = window.take(0, min(size_bytes, _SIGNATURE_BYTES), "the signature")
    form = identify(first)
    if form is None:
        raise BrokenSource(_refusal(first))
    return window, form


def _brands(first: bytes) -> set[bytes]:
    """Return the brands of an ISO base media file, as far as they are in its first bytes."""
    if first[4:8] != b"ftyp":
        return set()
    end = min(int.from_bytes(first[:4], "big"), len(first))
    return {first[8:12], *(first[place : place + 4] for place in range(16, end - 3, 4))}


def _refusal(first: bytes) -> str:
    name = next((name for signature, name in _NOT_READ if first.startswith(signature)), None)
    if _brands(first) & _HEIC:
        name = "HEIC"
    if name:
        return f"{name} is not read yet"
    return f"not an image of a format that we read: starts with {first[:12]!r}"


def _tiff_header(window: Window, first: int = 0) -> Header:
    tiff = read_tiff(window, first)
    finest = tiff.levels[0]
    across, down = tiff.chunk
    pixel_bytes = tiff.bands * (2 if tiff.samples.bits == 16 else 1)
    if finest.tile_width:
        row = -(-finest.width // across) * across * down * pixel_bytes
        held = OVERHEAD_BYTES + 2 * row
    else:
        held = streamed_bytes(finest.width, pixel_bytes)
    if tiff.samples.subsampled:
        held += across * down * pixel_bytes
    width, height = turned(finest.width, finest.height, tiff.orientation)
    return Header(
        format="tiff", width=width, height=height, orientation=tiff.orientation,
        levels=tiff.levels, bands=tiff.bands, bits=tiff.samples.bits, alpha=tiff.alpha,
        lossless=tiff.lossless, profile=tiff.profile, decode_bytes=held + tiff.stored_bytes,
        streams=True, raw_ycbcr=tiff.raw_ycbcr,
    )  # fmt: skip


_READERS: dict[Format, Callable[[Window], Header]] = {
    "jpeg": read_jpeg,
    "tiff": _tiff_header,
    "png": read_png,
    "gif": read_gif,
    "webp": read_webp,
    "avif": read_avif,
    "jp2": read_jp2_header,
}


def container(first: bytes) -> Literal["pdf", "heic"] | None:
    """Return which container a file's first 64 bytes are the signature of."""
    if first.startswith(b"%PDF-"):
        return "pdf"
    return "heic" if _brands(first) & _HEIC else None
