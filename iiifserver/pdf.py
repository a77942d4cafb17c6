"""A record as a PDF: its pages as JPEG pictures, one a page, made when somebody asks and kept.

Pictures come from the Image service one after the other, so that each is made by a render process
within its bounds, and no more than one is held here. Equal records give equal bytes.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import math
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from iiifserver.errors import Busy, NotFound
from iiifserver.image.open import describe
from iiifserver.image.planned import Planned
from iiifserver.image.request import ImageRequest
from iiifserver.image.service import Images

MOST_PAGES = 1_000
MOST_BYTES = 256 << 20
"""Of one PDF; a longer one is refused."""
_MOST_KEPT_BYTES = 1 << 30
_MOST_SPARE_BYTES = 64 << 20  # beside the newest, which may be in memory
_NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
_MOST_KEPT = 1_000
_PIXELS = 1_600
_PIXELS_AN_INCH, _POINTS_AN_INCH = 150, 72
_AT_ONCE = 2  # in one process: each occupies a thread that could answer other requests
_ABANDONED_S = 3_600.0
_log = logging.getLogger(__name__)
_FORM = "1"  # raised when the same pictures begin to give another file


class Pdf(NamedTuple):
    """A file, and what tells its bytes from all others."""

    path: Path
    etag: str


class Pdfs:
    """Makes PDFs of *images* and keeps them, bounded, in *folder*."""

    def __init__(self, images: Images, folder: Path) -> None:
        self._images = images
        self._folder = folder
        self._places = threading.BoundedSemaphore(_AT_ONCE)
        self._lock = threading.Lock()
        self._other: tempfile.TemporaryDirectory[str] | None = None

    def of(self, title: Mapping[str, Sequence[str]], identifiers: Sequence[str]) -> Pdf:
        """Return the PDF of the pages *identifiers*; its title is the first text of *title*.

        Raises:
            NotFound: there are no pages, or more than a PDF holds.
            Busy: others are being made.
            RequestError: a page cannot be read or rendered.
        """
        if not 0 < len(identifiers) <= MOST_PAGES:
            why = f"a PDF has 1 to {MOST_PAGES:,} pages; this record has {len(identifiers):,}"
            raise NotFound(why, parameter="identifier")
        planned = [self._plan(identifier) for identifier in identifiers]
        language, texts = next(iter(title.items()), ("none", [""]))
        about = (_FORM, language, "; ".join(texts), *(each.etag for each in planned))
        key = hashlib.sha256(repr(about).encode()).hexdigest()[:32]
        head = _Head("; ".join(texts), language, key)
        try:
            return Pdf(self._kept(self._folder, head, planned, _MOST_KEPT_BYTES), key)
        except OSError as error:  # a disk that is full, or only to be read
            return Pdf(self._kept(self._spare(error), head, planned, _MOST_SPARE_BYTES), key)

    def _kept(self, folder: Path, head: _Head, planned: Sequence[Planned], most_bytes: int) -> Path:
        """Return the path of a PDF in *folder*, where it is or is made now."""
        path = folder / f"{head.key}.pdf"
        if path.exists():
            with contextlib.suppress(OSError):
                os.utime(path)  # those that were not asked for lately go first
        else:
            self._make(path, head, planned, most_bytes)
        return path

    def _spare(self, error: OSError) -> Path:
        """Return another folder, which ends with this process, where *error* is no accident."""
        if error.errno not in _NO_PLACE:
            raise error
        with self._lock:
            if self._other is None:
                _log.warning("PDFs cannot be kept in %s: %s", self._folder, error.strerror)
                self._other = tempfile.TemporaryDirectory(prefix="iiifserver-pdf-")
        return Path(self._other.name)

    def _plan(self, identifier: str) -> Planned:
        limits = self._images.limits
        side = min(_PIXELS, limits.max_width, limits.max_height, math.isqrt(limits.max_area))
        request = ImageRequest.parse(3, "full", f"!{side},{side}", "0", "default.jpg")
        return self._images.plan(identifier, request)

    def _make(self, path: Path, head: _Head, planned: Sequence[Planned], most_bytes: int) -> None:
        if not self._places.acquire(blocking=False):
            raise Busy("other PDFs are being made at this moment")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".aside-")
            try:
                with os.fdopen(handle, "wb") as file:
                    _write(file, head, len(planned), map(self._images.render, planned))
                Path(name).replace(path)
            finally:
                Path(name).unlink(missing_ok=True)
            _bound(path, most_bytes)
        finally:
            self._places.release()


def _bound(newest: Path, most_bytes: int) -> None:
    """Delete what was asked for longest ago until what is kept is within its bounds."""
    kept = sorted(_ages(newest.parent), reverse=True)
    total = 0
    for number, (used_at, size_bytes, path) in enumerate(kept):
        total += size_bytes
        beyond = number >= _MOST_KEPT or total > most_bytes
        in_work = path.suffix != ".pdf" and used_at > time.time() - _ABANDONED_S
        if (beyond or path.suffix != ".pdf") and not in_work and path != newest:
            path.unlink(missing_ok=True)


def _ages(folder: Path) -> Iterator[tuple[float, int, Path]]:
    for entry in os.scandir(folder):
        try:
            status = entry.stat()
        except FileNotFoundError:
            continue  # another process was faster
        yield status.st_mtime, status.st_size, Path(entry.path)


# -- the format: ISO 32000-1, of which this is the least that every reader shows


class _Head(NamedTuple):
    title: str
    language: str
    key: str


class _Objects:
    """Writes numbered objects and remembers where each begins."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places: dict[int, int] = {}

    def write(self, number: int, dictionary: str, stream: bytes | None = None) -> None:
        self._places[number] = self._file.tell()
        self._file.write(f"{number} 0 obj\n{dictionary}\n".encode("ascii"))
        if stream is not None:
            self._file.write(b"stream\n" + stream + b"\nendstream\n")
        self._file.write(b"endobj\n")
        if self._file.tell() > MOST_BYTES:
            raise NotFound(f"the PDF would be larger than {MOST_BYTES >> 20} MiB")

    def end(self, head: _Head) -> None:
        start, count = self._file.tell(), len(self._places) + 1
        rows = "".join(f"{self._places[number]:010} 00000 n \n" for number in range(1, count))
        trailer = f"<< /Size {count} /Root 1 0 R /Info 3 0 R /ID [<{head.key}> <{head.key}>] >>"
        table = f"xref\n0 {count}\n0000000000 65535 f \n{rows}"
        self._file.write(f"{table}trailer\n{trailer}\nstartxref\n{start}\n%%EOF\n".encode("ascii"))


def _write(file: BinaryIO, head: _Head, count: int, pictures: Iterator[bytes]) -> None:
    """Write *count* pages, each a JPEG of *pictures*."""
    file.write(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    objects = _Objects(file)
    language = "" if head.language == "none" else f" /Lang {_text(head.language)}"
    objects.write(1, f"<< /Type /Catalog /Pages 2 0 R{language} >>")
    kids = " ".join(f"{4 + 3 * page} 0 R" for page in range(count))
    objects.write(2, f"<< /Type /Pages /Count {count} /Kids [{kids}] >>")
    objects.write(3, f"<< /Title {_text(head.title)} /Producer (iiifserver) >>")
    for page, picture in enumerate(pictures):
        _write_page(objects, 4 + 3 * page, picture)
    objects.end(head)


def _write_page(objects: _Objects, number: int, jpeg: bytes) -> None:
    header = describe(lambda offset, length: jpeg[offset : offset + length], len(jpeg))
    points = (_points(header.width), _points(header.height))
    box = f"/MediaBox [0 0 {points[0]} {points[1]}]"
    resources = f"/Resources << /XObject << /Scan {number + 2} 0 R >> >>"
    page = f"<< /Type /Page /Parent 2 0 R {box} {resources} /Contents {number + 1} 0 R >>"
    objects.write(number, page)
    shown = f"q {points[0]} 0 0 {points[1]} 0 0 cm /Scan Do Q".encode("ascii")
    objects.write(number + 1, f"<< /Length {len(shown)} >>", shown)
    colours = "/DeviceGray" if header.bands == 1 else "/DeviceRGB"
    size = f"/Width {header.width} /Height {header.height} /BitsPerComponent 8"
    image = f"/Type /XObject /Subtype /Image {size} /ColorSpace {colours} /Filter /DCTDecode"
    objects.write(number + 2, f"<< {image} /Length {len(jpeg)} >>", jpeg)


def _points(pixels: int) -> str:
    return f"{pixels * _POINTS_AN_INCH / _PIXELS_AN_INCH:.2f}"


def _text(text: str) -> str:
    """Return *text* as a string of PDF: UTF-16 in hexadecimal, which holds every script."""
    return f"<FEFF{text.encode('utf-16-be', 'replace').hex().upper()}>"
