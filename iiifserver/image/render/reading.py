"""Pixels out of files: the one loader for each format, and none besides.

libvips has loaders for CSV, SVG, ImageMagick's formats and many more; all that are not named here
are blocked for the whole process, whatever a file's content says.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyvips

from iiifserver.cache import find
from iiifserver.errors import BrokenSource
from iiifserver.image.containers import draw_pdf_page, heic_profile, read_heic
from iiifserver.image.headers import Header, Level
from iiifserver.image.jp2 import jp2_profile, read_jp2
from iiifserver.image.plan import Box
from iiifserver.sources import Place, identity_of

from .colour import embedded, from_ycbcr, has_srgb, with_profile
from .dividing import read_in_sections
from .mosaic import read_tiles
from .pieces import SCALE
from .sections import Begun, Section, begun, packed, unpacked
from .stream import streamed

pyvips.cache_set_max(0)
_LOADERS = {
    "jpeg": ("jpegload_source", "VipsForeignLoadJpegSource"),
    "tiff": ("tiffload", "VipsForeignLoadTiffFile"),
    "png": ("pngload", "VipsForeignLoadPngFile"),
    "webp": ("webpload", "VipsForeignLoadWebpFile"),
    "avif": ("heifload", "VipsForeignLoadHeifFile"),
    "gif": ("gifload", "VipsForeignLoadNsgifFile"),
}
pyvips.operation_block_set("VipsForeignLoad", True)
for _, _class in _LOADERS.values():
    pyvips.operation_block_set(_class, False)
_MOST_CHECKED = 16
# bands that are colours, where they are not three; those after opacity are not shown
_COLOURS = {"b-w": 1, "grey16": 1, "cmyk": 4}


class ReadLevel(Protocol):
    """What reads the levels of a file."""

    def __call__(
        self, path: Path, header: Header, number: int, box: Box, *, reduced: bool = False
    ) -> Any:
        """Return *box* of level *number*; *reduced* where its pixels only serve to make fewer."""
        ...


def read_level(path: Path, header: Header, number: int, box: Box, *, reduced: bool = False) -> Any:
    """Return *box* of level *number*, as stored; nothing is decoded yet by those of libvips."""
    level = header.levels[number]
    match header.format:
        case "jp2":
            return _read_jp2(path, header, number, box)
        case "pdf":
            return from_samples(draw_pdf_page(path, level.page, (level.width, level.height), box))
        case "heic":
            return from_samples(read_heic(path), heic_profile(path)).crop(*box)
        case "tiff":
            pixels = read_tiles(path, header, number, box, reduced=reduced)
            if pixels is not None:
                return from_samples(pixels)
    return _loaded(path, header, level, box)


def _loaded(path: Path, header: Header, level: Level, box: Box, later: Begun | None = None) -> Any:
    """Return *box* of a level by the loader of libvips; of a JPEG that is *begun* later, of that.

    Nothing is decoded yet.
    """
    options: dict[str, Any] = {"access": "random" if level.tile_width else "sequential"}
    if header.format == "jpeg":
        options["shrink"] = level.scale
    if header.format == "tiff":
        options["page"] = level.page
        if level.subifd >= 0:
            options["subifd"] = level.subifd
    operation, _ = _LOADERS[header.format]
    load: Callable[..., Any] = getattr(pyvips.Image, operation)
    file: Any = str(path)
    if header.format == "jpeg":
        file = streamed(path, later.before, later.start) if later else streamed(path)
    if later:
        box = box._replace(y=box.y - later.top // level.scale)
    image = load(file, fail_on="error", **options)
    if image.width < box.x + box.width or image.height < box.y + box.height:
        raise BrokenSource(f"{path.name} is smaller than its header says", parameter="identifier")
    image = image.crop(*box)
    shown = _COLOURS.get(image.interpretation, 3) + header.alpha
    if image.bands > shown:
        image = image.extract_band(0, n=shown)
    if header.raw_ycbcr:
        image = from_ycbcr(image)
    return image


def read_eighth(path: Path, header: Header) -> bytes:
    """Return the samples of a JPEG at an eighth and its sections, as `reader_of` finds them."""
    number, level = _eighth(header)
    eighth = read_in_sections(path, level.width, level.height)
    if eighth is None:
        whole = read_level(path, header, number, Box(0, 0, level.width, level.height))
        return bytes(whole.write_to_memory())
    return b"".join((np.ascontiguousarray(eighth.samples).data, packed(eighth.sections)))


def reader_of(eighth: str) -> ReadLevel:
    """Return what reads a JPEG with the entry *eighth*: its samples, or where sections begin.

    Where that is gone it reads the scan alone.
    """

    def read(path: Path, header: Header, number: int, box: Box, *, reduced: bool = False) -> Any:
        level, coarse = header.levels[number], _eighth(header)[1]
        row_bytes = coarse.width * header.bands
        size_bytes = coarse.height * row_bytes
        if level.scale < SCALE:
            later = _begun(path, _sections(eighth, size_bytes), box.y * level.scale)
            if later:
                return _loaded(path, header, level, box, later)
        rows = _rows(eighth, size_bytes, row_bytes, box) if level == coarse else None
        if rows is None:
            return read_level(path, header, number, box, reduced=reduced)
        profile = None
        if header.profile:
            profile = embedded(read_level(path, header, number, Box(0, 0, 1, 1)))
        samples = np.frombuffer(rows, np.uint8).reshape(box.height, coarse.width, header.bands)
        return from_samples(samples[:, box.x : box.x + box.width], profile)

    return read


def _rows(path: str, size_bytes: int, row_bytes: int, box: Box) -> bytes | None:
    """Return the rows of *box* among the samples in the entry *path*; None where that is gone."""
    try:
        place = _checked(path, identity_of(Path(path).stat()))
        if place is None or place.length < size_bytes:
            return None
        offset, length = place.offset + box.y * row_bytes, box.height * row_bytes
        rows = place._replace(offset=offset, length=length).read()
    except OSError:  # it was purged this moment
        return None
    return rows if len(rows) == length else None


def _sections(path: str, size_bytes: int) -> tuple[Section, ...]:
    """Return the sections behind the samples in the entry *path*; none where that is gone."""
    try:
        place = _checked(path, identity_of(Path(path).stat()))
        if place is None or place.length < size_bytes:
            return ()
        offset, length = place.offset + size_bytes, place.length - size_bytes
        return unpacked(place._replace(offset=offset, length=length).read())
    except (OSError, ValueError):
        return ()


def _begun(path: Path, sections: Sequence[Section], top: int) -> Begun | None:
    try:
        return begun(path, sections, top)
    except OSError:
        return None  # whoever reads it from its beginning says why


@functools.lru_cache(_MOST_CHECKED)
def _checked(path: str, identity: str) -> Place | None:
    """Return the entry, added up: that takes longer than the rows that most pictures need."""
    return find(path)


def _eighth(header: Header) -> tuple[int, Level]:
    """Return the level at an eighth, and its number."""
    return next(each for each in enumerate(header.levels) if each[1].scale == SCALE)


def shows_srgb(path: Path, header: Header) -> bool:
    """Return whether the samples of all levels are shown as they are: no profile changes them."""
    try:
        return not header.profile or all(
            has_srgb(read_level(path, header, number, Box(0, 0, 1, 1)))
            for number in range(len(header.levels))
        )
    except pyvips.Error as error:
        raise BrokenSource(f"its profile cannot be read: {error}") from error


def _read_jp2(path: Path, header: Header, number: int, box: Box) -> Any:
    """Return *box* of a JPEG 2000's resolution *number*, its pixels where an average's would be.

    A pixel of a reduced resolution stands for the first pixel of its cell, not for the cell's
    middle; so it is mixed with its neighbours to the right and below.
    """
    level = header.levels[number]
    beside = int(level.scale > 1)
    right = min(box.x + box.width + beside, level.width)
    bottom = min(box.y + box.height + beside, level.height)
    pixels = read_jp2(path, level.page, (box.x, box.y, right, bottom))
    if level.scale > 1:
        kind = pixels.dtype
        share = np.float32((level.scale - 1) / (2 * level.scale))
        beyond = [(0, box.height + 1 - pixels.shape[0]), (0, box.width + 1 - pixels.shape[1])]
        pixels = np.pad(pixels, beyond + [(0, 0)] * (pixels.ndim - 2), "edge").astype(np.float32)
        pixels = pixels[:, :-1] * (1 - share) + pixels[:, 1:] * share
        pixels = pixels[:-1] * (1 - share) + pixels[1:] * share
        pixels = np.rint(pixels).astype(kind)
    profile = jp2_profile(path) if header.profile else None
    return from_samples(pixels[: box.height, : box.width], profile)


def from_samples(pixels: Any, profile: bytes | None = None) -> Any:
    """Return the picture of an array of 8 or 16 bits: rows, columns and, if several, bands."""
    gray = pixels.ndim == 2 or pixels.shape[2] < 3
    wide, narrow = ("grey16", "b-w") if gray else ("rgb16", "srgb")
    image = pyvips.Image.new_from_array(np.ascontiguousarray(pixels))
    image = image.copy(interpretation=wide if pixels.dtype.itemsize == 2 else narrow)
    return with_profile(image, profile) if profile else image
