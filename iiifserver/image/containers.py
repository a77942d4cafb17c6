"""Pictures inside PDF and HEIC files, which are taken out of them before they are served.

The wheels that read them are loaded when they are needed, by processes that decode, never by
those that answer HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iiifserver.errors import BrokenSource

from .pyramid import MOST_PICTURES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8]


def pdf_page_sizes(path: Path) -> list[tuple[float, float]]:
    """Return the width and height of each page of a PDF, in points of 1/72 inch.

    Raises:
        BrokenSource: it is damaged, locked by a password, or has more than `MOST_PICTURES` pages.
    """
    with _pdf(path) as document:
        if len(document) > MOST_PICTURES:
            raise BrokenSource(f"the PDF has more than {MOST_PICTURES} pages")
        return [document.get_page_size(number) for number in range(len(document))]


def draw_pdf_page(path: Path, leaf: int, scale: float) -> Pixels:
    """Return page *leaf*, from 0, on white: rows, columns, red green blue; *scale* 1 is 72 dpi.

    Raises:
        BrokenSource: it is damaged, or there is no such page.
    """
    with _pdf(path) as document:
        bitmap = document[leaf].render(scale=scale, rev_byteorder=True)
        pixels: Pixels = bitmap.to_numpy()[..., :3].copy()
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
    import pi_heif

    try:
        return np.asarray(pi_heif.open_heif(path))
    except (OSError, ValueError, RuntimeError, SyntaxError) as error:
        raise BrokenSource(f"the HEIC cannot be decoded: {error}") from error
