"""The pictures of a document: pages of a TIFF, of a PDF; and HEIC.

Those of PDF and HEIC are taken out of them before they are served. The wheels that read them are
loaded when they are needed, by processes that decode, never by those that answer HTTP.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iiifserver.errors import BrokenSource

from .headers.header import OVERHEAD_BYTES, Header, Level
from .headers.window import Read
from .open import container, describe
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
    if leaf >= len(pages):
        raise BrokenSource(f"the file has {len(pages)} pages; there is no page {leaf + 1}")
    return pages[leaf]


def describe_pages(path: Path) -> list[Header]:
    """Return what all pictures of a PDF or a HEIC are.

    Raises:
        BrokenSource: it cannot be read, or has more than `MOST_PICTURES` pages.
    """
    with path.open("rb") as file:
        if container(file.read(64)) == "heic":
            return [_heic_header(path)]
    return [_pdf_header(points, leaf) for leaf, points in enumerate(pdf_page_sizes(path))]


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


def _heic_header(path: Path) -> Header:
    with _heic(path) as heic:
        width, height = heic.size
        bands = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "RGBa": 4}.get(heic.mode, 4)
        held = OVERHEAD_BYTES + width * height * _HEIC_PIXEL_BYTES + path.stat().st_size
        return Header(
            format="heic", width=width, height=height, orientation=1,
            levels=(Level(width, height, 1),), bands=bands, bits=8, alpha=heic.has_alpha,
            lossless=False, profile=bool(heic.info.get("icc_profile")), decode_bytes=held,
            streams=False,
        )  # fmt: skip


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


def pdf_page_sizes(path: Path) -> list[tuple[float, float]]:
    """Return the width and height of each page of a PDF, in points of 1/72 inch.

    Raises:
        BrokenSource: it is damaged, locked by a password, or has more than `MOST_PICTURES` pages.
    """
    with _pdf(path) as document:
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
def _pdf(path: Path) -> Iterator[Any]:
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(path) as document:
            yield document
    except (pypdfium2.PdfiumError, IndexError) as error:
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
def _heic(path: Path) -> Iterator[Any]:
    import pi_heif

    try:
        yield pi_heif.open_heif(path)
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:
        raise BrokenSource(f"the HEIC cannot be decoded: {error}") from error


def libraries() -> Iterator[tuple[str, str]]:
    """Yield the names and versions of the libraries for PDF and HEIC."""
    import pi_heif
    import pypdfium2

    yield "pdfium", str(pypdfium2.version.PDFIUM_INFO)
    yield "libheif", str(pi_heif.libheif_version())
