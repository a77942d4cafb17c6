"""The levels of an image, and what the directories of a TIFF say of its picture.

Only tags are read, never a pixel. Classic TIFF and BigTIFF, strips and tiles, pyramids as pages
(vips, ImageMagick) and as SubIFDs (OME, Bio-Formats).
TIFF 6.0: https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

from iiifserver.errors import BrokenSource

from .headers.header import MAX_SIDE, Level
from .headers.tiff import Directory, read_directories, read_subdirectories
from .headers.window import Window

__all__ = ["MOST_PICTURES", "Level", "Samples", "Tiff", "picture_pages", "read_tiff"]

MOST_PICTURES = 500
"""In one file; of a longer document nothing is read."""

_TABLE_ENTRIES = 8192  # of a longer table of tiles the beginning and the end are checked

_LOOKED_AT = 64  # directories that may be levels of one picture
_REDUCED, _PAGE, _MASK = 1, 2, 4  # bits of NewSubfileType
_NONE, _JPEG, _WEBP = 1, 7, 50001
_COMPRESSIONS = {_NONE, 2, 3, 4, 5, _JPEG, 8, 32773, 32946, _WEBP}
_NOT_READ = {  # libvips without the library for one of these may return black, and no error
    6: "old-style JPEG",
    33003: "JPEG 2000",
    33005: "JPEG 2000",
    34712: "JPEG 2000",
    34887: "LERC",
    34925: "LZMA",
    50000: "Zstandard",
    50002: "JPEG XL",
}
_PALETTE, _YCBCR, _LAB = 3, 6, 8
_COLOUR_SAMPLES = {0: 1, 1: 1, 2: 3, _PALETTE: 1, 5: 4, _YCBCR: 3, _LAB: 3}
_BITS = {1, 2, 4, 8, 16}


@dataclass(frozen=True, slots=True)
class Samples:
    """How pixels are stored; directories that differ in it are no levels of one picture."""

    photometric: int
    compression: int
    bits: int
    samples: int
    planes: int  # 2 where each sample has tiles of its own
    subsampled: bool  # YCbCr with fewer samples of Cb and Cr, other than in JPEG


@dataclass(frozen=True, slots=True)
class Tiff:
    """The picture in a TIFF. `bands` are as the loader hands them over: 3 for a palette.

    `chunk` is the width and height of a tile or strip; `stored_bytes` what has to be held of the
    largest one as it is stored, nothing for strips that are not compressed.
    """

    levels: tuple[Level, ...]
    samples: Samples
    orientation: int
    alpha: bool
    profile: bool
    chunk: tuple[int, int]
    stored_bytes: int

    @property
    def bands(self) -> int:
        """The bands that the loader hands over: of a palette 3, of subsampled YCbCr RGBA."""
        further = 2 if self.samples.photometric == _PALETTE else 0
        return self.samples.samples + further + self.samples.subsampled

    @property
    def lossless(self) -> bool:
        """Whether the pixels were stored by a code that keeps them."""
        return self.samples.compression not in (_JPEG, _WEBP)

    @property
    def raw_ycbcr(self) -> bool:
        """Whether the samples are YCbCr, and neither libtiff nor a JPEG decoder makes them RGB."""
        found = self.samples
        ycbcr = found.photometric == _YCBCR and found.compression != _JPEG
        return ycbcr and not found.subsampled


def read_tiff(window: Window, first: int = 0) -> Tiff:
    """Return the picture that the TIFF's directories describe, its levels finest first.

    The picture is the first directory, from number *first* on, that is neither a reduced image
    nor a mask. Its levels are the later directories, and its own SubIFDs, that hold the same
    samples at a half, a quarter, ... of its size, and are marked as reduced or are tiled as it
    is. A document's other pages, masks, and thumbnails of any other size are no levels.

    Raises:
        BrokenSource: the file is damaged, lies about itself, or is coded as we do not read.
    """
    pages = itertools.islice(read_directories(window, first + _LOOKED_AT), first, None)
    page, picture = _find_picture(pages, first)
    samples = _read_samples(picture)
    finest = _read_level(picture, page, -1)
    chunk = _chunk(picture, finest)
    stored_bytes = _check_chunks(picture, finest, chunk, samples)
    if finest.tile_width and samples.planes == 2 and samples.samples > 1:
        raise BrokenSource(f"{picture.name} has tiles of one colour each, which are not read")
    by_rows = not finest.tile_width and samples.compression == _NONE
    levels = {1: finest}
    for number, directory in enumerate(pages, page + 1):
        candidate = _read_level(directory, number, -1)
        _keep_level(levels, candidate, directory, samples)
        if not _kind(directory) and not _smaller(candidate, finest):
            break  # the next page of a document, of which there may be hundreds
    for number, directory in enumerate(read_subdirectories(picture, 330)):
        _keep_level(levels, _read_level(directory, page, number), directory, samples)
    orientation = picture.integer(274, 1)
    return Tiff(
        levels=tuple(levels[scale] for scale in sorted(levels)),
        samples=samples,
        orientation=orientation if 1 <= orientation <= 8 else 1,
        alpha=bool({1, 2}.intersection(picture.integers(338, 0, 8))),
        profile=picture.count(34675) > 0,
        chunk=chunk,
        stored_bytes=0 if by_rows else stored_bytes,
    )


def picture_pages(window: Window) -> list[int]:
    """Return the directories at which a picture begins: one of a pyramid, all of a document.

    Raises:
        BrokenSource: the file is damaged, or has more than `MOST_PICTURES` directories.
    """
    starts: list[int] = []
    finest: Level | None = None
    for number, directory in enumerate(read_directories(window, MOST_PICTURES + 1)):
        if number == MOST_PICTURES:
            raise BrokenSource(f"the TIFF has more than {MOST_PICTURES} pages")
        if _kind(directory):
            continue
        level = _read_level(directory, number, -1)
        tiled_alike = finest is not None and finest.tile_width > 0 and level.tile_width > 0
        if finest is None or not tiled_alike or _scale(finest, level) is None:
            starts.append(number)
            finest = level
    return starts


def _find_picture(pages: Iterator[Directory], first: int) -> tuple[int, Directory]:
    """Return the number and directory of the picture itself, and leave *pages* behind it."""
    for number, directory in enumerate(pages, first):
        if not _kind(directory):
            return number, directory
    raise BrokenSource("the TIFF holds only reduced images and masks")


def _kind(directory: Directory) -> int:
    return directory.integer(254, 0) & (_REDUCED | _MASK)


def _read_level(directory: Directory, page: int, subifd: int) -> Level:
    """Return the directory's own size and tiling, as a level of yet unknown scale."""
    tiled = 322 in directory or 323 in directory
    sides = {
        "width": directory.integer(256),
        "height": directory.integer(257),
        "tile_width": directory.integer(322) if tiled else 0,
        "tile_height": directory.integer(323) if tiled else 0,
    }
    for name, side in sides.items():
        if not (0 if name.startswith("tile") and not tiled else 1) <= side <= MAX_SIDE:
            raise BrokenSource(f"{directory.name} has a {name.replace('_', ' ')} of {side}")
    return Level(**sides, scale=1, page=page, subifd=subifd)


def _read_samples(directory: Directory) -> Samples:
    """Return how the pixels are stored; raise if that is nothing that we read."""
    count = directory.integer(277, 1)
    bits = set(directory.integers(258, 0, max(1, min(count, 64)))) or {1}
    photometric, compression = directory.integer(262, 1), directory.integer(259, 1)
    chroma = directory.integers(530, 0, 2) or (2, 2)
    found = Samples(
        photometric=photometric,
        compression=compression,
        bits=min(bits),
        samples=count,
        planes=directory.integer(284, 1),
        subsampled=photometric == _YCBCR and compression != _JPEG and chroma != (1, 1),
    )
    name = directory.name
    if found.compression not in _COMPRESSIONS:
        what = _NOT_READ.get(found.compression, f"code {found.compression}")
        raise BrokenSource(f"{name} is compressed in a way that is not read: {what}")
    if found.photometric not in _COLOUR_SAMPLES:
        raise BrokenSource(f"{name} has colours that are not read: code {found.photometric}")
    if 50706 in directory:
        raise BrokenSource("a camera's raw file (DNG), which is not read")
    if len(bits) > 1 or not bits <= _BITS or set(directory.integers(339, 0, 8)) - {1, 4}:
        raise BrokenSource(f"{name} has samples of {sorted(bits)} bits that are not read")
    if not _COLOUR_SAMPLES[found.photometric] <= count <= 64 or found.planes not in (1, 2):
        raise BrokenSource(f"{name} has {count} samples in a pixel, which do not fit its colours")
    return found


def _keep_level(
    levels: dict[int, Level], candidate: Level, directory: Directory, samples: Samples
) -> None:
    """Add *candidate* to *levels* if it is one."""
    finest = levels[1]
    scale = _scale(finest, candidate)
    # ImageMagick calls each level of its pyramids a page
    if scale is None or scale in levels or directory.integer(254, 0) & ~(_REDUCED | _PAGE):
        return
    marked = bool(_kind(directory))
    tiled_alike = finest.tile_width > 0 and candidate.tile_width > 0
    if (marked or tiled_alike) and _same_samples(directory, samples):
        _chunk(directory, candidate)
        levels[scale] = replace(candidate, scale=scale)


def _same_samples(directory: Directory, samples: Samples) -> bool:
    try:
        return _read_samples(directory) == samples
    except BrokenSource:
        return False


def _scale(finest: Level, candidate: Level) -> int | None:
    """Return the power of two by which *candidate* is smaller, however its size was rounded."""
    for exponent in range(1, 31):
        scale = 1 << exponent
        if abs(candidate.width * scale - finest.width) <= scale:
            fits = abs(candidate.height * scale - finest.height) <= scale
            if fits and _smaller(candidate, finest):
                return scale
    return None


def _smaller(one: Level, other: Level) -> bool:
    return one.width * one.height < other.width * other.height


def _chunk(directory: Directory, level: Level) -> tuple[int, int]:
    """Return the width and height of the directory's tiles or strips."""
    if level.tile_width:
        return level.tile_width, level.tile_height
    rows = directory.integer(278, level.height)
    if rows < 1:
        raise BrokenSource(f"{directory.name} has strips of {rows} rows")
    return level.width, min(rows, level.height)


def _check_chunks(
    directory: Directory, level: Level, chunk: tuple[int, int], samples: Samples
) -> int:
    """Return the stored size of the largest tile or strip; raise if one lies outside the file."""
    width, height = chunk
    expected = -(-level.width // width) * -(-level.height // height)
    expected *= samples.samples if samples.planes == 2 else 1
    offsets, counts = (324, 325) if 324 in directory else (273, 279)
    if directory.count(offsets) < expected:
        raise BrokenSource(
            f"{directory.name} has {directory.count(offsets)} tiles or strips, not {expected}"
        )
    size_bytes = directory.window.size_bytes
    largest = 0
    for start, stop in _ends(expected):
        places = directory.integers(offsets, start, stop)
        lengths = directory.integers(counts, start, stop)
        for number, (place, length) in enumerate(itertools.zip_longest(places, lengths), start):
            if place is None or place + (length or 0) > size_bytes:
                raise BrokenSource(
                    f"tile or strip {number} of {directory.name} has {length} bytes at {place}, "
                    f"outside the file of {size_bytes} bytes"
                )
            largest = max(largest, size_bytes - place if length is None else length)
    return largest


def _ends(count: int) -> Iterator[tuple[int, int]]:
    """Yield the whole of a short table, the beginning and the end of a long one."""
    if count <= 2 * _TABLE_ENTRIES:
        yield 0, count
    else:
        yield 0, _TABLE_ENTRIES
        yield count - _TABLE_ENTRIES, count
