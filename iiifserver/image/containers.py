"""The pictures of a document: pages of a TIFF, of a PDF; and HEIC.

Those of PDF and HEIC are taken out of them before they are served. The wheels that read them are
loaded when they are needed, by processes that decode, never by those that answer HTTP.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from iiifserver.errors import BrokenSource
from iiifserver.stores.ranges import Ranges

from .headers.boxes import read_boxes
from .headers.header import OVERHEAD_BYTES, Header, Level
from .headers.window import Read, Window
from .open import container, count_leaves, describe
from .pyramid import MOST_PICTURES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]

PDF_DPI = 300
_POINTS_AN_INCH = 72
_MOST_PDF_PIXELS = 150_000_000  # A0 at 300 dpi has 139 million
_STRIP_BYTES = 64 << 20
_SMALLEST_LEVEL = 256
_HEIC_PIXEL_BYTES = 20  # planes of 4:4:4, and RGB; measured: 9 to 16
_MOST_HEIC_BYTES = 1 << 30
_pdfium = threading.RLock()  # it does one thing at a time


def describe_page(path: Path, leaf: int = 0) -> Header:
    """Return what picture *leaf*, from 0, of a file is; files of every format are known here.

    Raises:
        BrokenSource: it cannot be read, or is no image.
    """
    try:
        with path.open("rb", buffering=0) as file:
            read = _reader(file.fileno())
            if container(read(0, 64)) is None:
                return describe(read, os.fstat(file.fileno()).st_size, leaf)
        pages = describe_pages(path)
    except OSError as error:
        raise BrokenSource(error.strerror or str(error)) from error
    return _page(pages, leaf)


def describe_leaf(file: Ranges, leaf: int = 0) -> Header:
    """Return what picture *leaf*, from 0, of a file in a store is; only its header is read.

    Raises:
        BrokenSource: it cannot be read, or is no image.
        RequestError: as stores do.
    """
    kind = container(file.pread(0, 64))
    if kind is None:
        return describe(file.pread, file.size_bytes, leaf)
    return _page(_pages(file, kind), leaf)


def page_sizes(file: Ranges) -> Iterator[tuple[int, int]]:
    """Yield the size in pixels of each picture of a file in a store; only headers are read.

    Raises:
        RequestError: as `describe_leaf` does.
    """
    kind = container(file.pread(0, 64))
    if kind is not None:
        yield from ((header.width, header.height) for header in _pages(file, kind))
        return
    for leaf in range(count_leaves(file.pread, file.size_bytes)):
        header = describe(file.pread, file.size_bytes, leaf)
        yield header.width, header.height


def describe_pages(path: Path) -> list[Header]:
    """Return what all pictures of a PDF or a HEIC are.

    Raises:
        BrokenSource: it cannot be read, or has more than `MOST_PICTURES` pages.
    """
    with path.open("rb") as file:
        kind = container(file.read(64))
    return _pages(path, "heic" if kind == "heic" else "pdf")


def _pages(file: Path | Ranges, kind: Literal["pdf", "heic"]) -> list[Header]:
    if kind == "heic":
        return [_heic_header(file)]
    return [_pdf_header(points, leaf) for leaf, points in enumerate(pdf_page_sizes(file))]


def _page(pages: list[Header], leaf: int) -> Header:
    if leaf >= len(pages):
        raise BrokenSource(f"the file has {len(pages)} pages; there is no page {leaf + 1}")
    return pages[leaf]


def _reader(handle: int) -> Read:
    return lambda offset, length: os.pread(handle, length, offset)


def _pdf_header(points: tuple[float, float], leaf: int) -> Header:
    """Return the header of a page; its levels are drawn as large as they are asked for."""
    width, height = pdf_page_pixels(points)
    scales = [1]
    while max(width, height) > _SMALLEST_LEVEL * scales[-1]:
        scales.append(2 * scales[-1])
    return Header(
        format="pdf", width=width, height=height, orientation=1,
        levels=tuple(Level(-(-width // k), -(-height // k), k, leaf) for k in scales),
        bands=3, bits=8, alpha=False, lossless=True, profile=False,
        decode_bytes=OVERHEAD_BYTES + 2 * _STRIP_BYTES,  # the file itself is not held
        streams=True,
    )  # fmt: skip


def _heic_header(file: Path | Ranges) -> Header:
    size_bytes = file.size_bytes if isinstance(file, Ranges) else file.stat().st_size
    with _heic(_without_pixels(file) if isinstance(file, Ranges) else file) as heic:
        width, height = heic.size
        bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}.get(heic.mode, 4)
        held = OVERHEAD_BYTES + width * height * _HEIC_PIXEL_BYTES + size_bytes
        return Header(
            format="heic", width=width, height=height, orientation=1,
            levels=(Level(width, height, 1),), bands=bands, bits=8, alpha=heic.has_alpha,
            lossless=False, profile=bool(heic.info.get("icc_profile")), decode_bytes=held,
            streams=False,
        )  # fmt: skip


def _without_pixels(file: Ranges) -> bytes:
    """Return a HEIC with nothing where its pixels are: libheif tells from it what it is."""
    if file.size_bytes > _MOST_HEIC_BYTES:
        raise BrokenSource(f"the HEIC has {file.size_bytes:,} bytes")
    window = Window(file.pread, file.size_bytes)
    made = bytearray(file.size_bytes)
    start = 0
    for box in read_boxes(window, 0, file.size_bytes):
        end = box.start if box.name == b"mdat" else box.end
        made[start:end] = window.take(start, end - start, f"the box {box.name!r}")
        start = box.end
    return bytes(made)


def pdf_page_pixels(points: tuple[float, float]) -> tuple[int, int]:
    """Return the size in pixels of a PDF's page: at 300 dpi, or fewer where it is very large."""
    scale = _pdf_scale(points)
    return math.ceil(points[0] * scale), math.ceil(points[1] * scale)


def _pdf_scale(points: tuple[float, float]) -> float:
    area = points[0] * points[1]
    if area <= 0:
        raise BrokenSource(f"the PDF has a page of {points[0]:g} x {points[1]:g} points")
    scale = min(PDF_DPI / _POINTS_AN_INCH, math.sqrt(_MOST_PDF_PIXELS / area))
    # sizes are rounded up, and a PDF's are of 24 bits: 120 points are 500 pixels, not 501
    return scale * (1 - 1e-6)


def pdf_strips(path: Path, leaf: int) -> Iterator[Pixels]:
    """Yield the pixels of a PDF's page from top to bottom, few rows at a time, as they are drawn.

    Raises:
        BrokenSource: as `draw_pdf_page` does.
    """
    with _pdf(path) as document:
        page = document[leaf]
        width, height = pdf_page_pixels(document.get_page_size(leaf))
        step = max(1, _STRIP_BYTES // (3 * width))
        for top in range(0, height, step):
            yield _drawn(page, (width, height), (0, top, width, min(step, height - top)))


def pdf_page_sizes(file: Path | Ranges) -> list[tuple[float, float]]:
    """Return the width and height of each page of a PDF, in points of 1/72 inch.

    Raises:
        BrokenSource: it is damaged, locked by a password, or has more than `MOST_PICTURES` pages.
    """
    with _pdf(file) as document:
        if len(document) > MOST_PICTURES:
            raise BrokenSource(f"the PDF has more than {MOST_PICTURES} pages")
        return [document.get_page_size(number) for number in range(len(document))]


def draw_pdf_page(
    path: Path, leaf: int, size: tuple[int, int], box: tuple[int, int, int, int]
) -> Pixels:
    """Return a part of page *leaf*, from 0, drawn on white: rows, columns, red green blue.

    The page is *size* pixels large; of it *box* (left, top, width, height) is drawn.

    Raises:
        BrokenSource: it is damaged, or there is no such page.
    """
    with _pdf(path) as document:
        return _drawn(document[leaf], size, box)


def _drawn(page: Any, size: tuple[int, int], box: tuple[int, int, int, int]) -> Pixels:
    import pypdfium2
    from pypdfium2 import raw

    left, top, width, height = box
    bitmap = pypdfium2.PdfBitmap.new_native(width, height, raw.FPDFBitmap_BGR, rev_byteorder=True)
    bitmap.fill_rect((255, 255, 255, 255), 0, 0, width, height)
    flags = raw.FPDF_ANNOT | raw.FPDF_REVERSE_BYTE_ORDER
    raw.FPDF_RenderPageBitmap(bitmap, page, -left, -top, *size, 0, flags)
    pixels: Pixels = bitmap.to_numpy().copy()
    return pixels


@contextmanager
def _pdf(file: Path | Ranges) -> Iterator[Any]:
    import pypdfium2

    with _pdfium:
        try:
            with pypdfium2.PdfDocument(file) as document:
                yield document
        except (pypdfium2.PdfiumError, IndexError) as error:
            if isinstance(file, Ranges) and file.failed:
                raise file.failed from None  # it was not the PDF
            raise BrokenSource(f"the PDF cannot be read: {error}") from error


def read_heic(path: Path) -> Pixels:
    """Return the picture of a HEIC file, upright: rows, columns, bands.

    Raises:
        BrokenSource: it cannot be decoded.
    """
    import numpy as np

    with _heic(path) as heic:
        pixels: Pixels = np.asarray(heic)  # rows as libheif holds them: with some space behind
        return pixels[:, : heic.size[0]].copy()


def heic_profile(path: Path) -> bytes | None:
    """Return the ICC profile of a HEIC file, if it carries one."""
    with _heic(path) as heic:
        return heic.info.get("icc_profile") or None


@contextmanager
def _heic(source: Path | bytes) -> Iterator[Any]:
    import pi_heif

    try:
        yield pi_heif.open_heif(source)
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:
        raise BrokenSource(f"the HEIC cannot be decoded: {error}") from error


def libraries() -> Iterator[tuple[str, str]]:
    """Yield the names and versions of the libraries for PDF and HEIC."""
    import pi_heif
    import pypdfium2

    yield "pdfium", str(pypdfium2.version.PDFIUM_INFO)
    yield "libheif", str(pi_heif.libheif_version())
