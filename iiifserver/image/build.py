"""Scan -> pyramid: a tiled TIFF of JPEG tiles, full size and every half, as pages of one file.

A pyramid is made aside, read again, and only then gets its name. Memory does not grow with the
height of a scan: what cannot be read row by row from the top is first laid down as plain samples,
in a file beside the target.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyvips

from iiifserver.errors import BrokenSource
from iiifserver.sources import identity_of

from .aside import beside, place
from .containers import describe_page, heic_profile, pdf_strips, read_heic
from .form import Form
from .headers import Header
from .headers.tiff import read_directories
from .headers.window import Window
from .open import jp2_profile, read_jp2
from .plan import Box
from .render import TURNS, flattened, from_samples, read_level, to_srgb

_STRIP_BYTES = 64 << 20
_WIDTH, _HEIGHT = 256, 257
_BLOCK = 16  # what JPEG codes together, chroma subsampled
_CLASSIC_PIXELS = 1 << 30  # a classic TIFF ends at 4 GiB, and noise takes 2 bytes a pixel


Seen = Callable[[int], object]


def _unseen(percent: int) -> None:
    """Take no notice of *percent*."""


def build(
    scan: Path,
    leaf: int,
    state: str,
    target: Path,
    form: Form,
    seen: Seen = _unseen,
    threads: int = 1,
) -> None:
    """Make the pyramid of picture *leaf* of *scan* at *target*, whole or not at all.

    *seen* is told how many percent are done, where there is something to tell. A JPEG 2000 is
    decoded by so many *threads*.

    Raises:
        BrokenSource: the scan cannot be decoded, or is not in *state* (see `identity_of`) any more.
    """
    header = describe_page(scan, leaf)
    with beside(target) as folder:
        made = folder / "pyramid.tif"
        try:
            parts = (
                flattened(to_srgb(part), form.background)
                for part in _parts(scan, leaf, header, threads)
            )
            _write(_watched(_pixels(parts, header, folder, seen), seen), made, form)
            _verify(made, header, form)
        except pyvips.Error as error:
            why = " ".join(str(error).split())[:300].replace(str(scan), scan.name)
            raise BrokenSource(f"it cannot be decoded: {_plain(why)}") from error
        if not _is_in(state, scan):
            raise BrokenSource("it was replaced while it was read")
        place(made, target)


def _watched(image: Any, seen: Seen) -> Any:
    """Return *image*, which tells *seen* how much of it was computed."""
    image = image.copy()
    image.set_progress(True)
    image.signal_connect("eval", lambda _, progress: seen(progress.percent))
    return image


def _is_in(state: str, scan: Path) -> bool:
    try:
        return identity_of(scan.stat()) == state
    except OSError:
        return False


# -- from the scan to upright 8-bit samples


def _pixels(parts: Iterator[Any], header: Header, folder: Path, seen: Seen) -> Any:
    """Return the picture of *parts*, gray or sRGB and opaque, as it is shown: upright."""
    if header.orientation == 1 and header.format not in ("jp2", "pdf", "heic"):
        return next(parts)
    rows = header.levels[0].height
    image = _laid_down(parts, folder / "samples", lambda done: seen(100 * done // rows))
    for turn in TURNS[header.orientation]:
        image = getattr(image, turn)()
    return image


def _parts(scan: Path, leaf: int, header: Header, threads: int) -> Iterator[Any]:
    """Yield the picture as it is stored, in strips where it cannot be read as a stream."""
    level = header.levels[0]
    match header.format:
        case "pdf":
            yield from map(from_samples, pdf_strips(scan, leaf))
        case "heic":
            yield from_samples(read_heic(scan), heic_profile(scan))
        case "jp2":
            profile = jp2_profile(scan) if header.profile else None
            rows = max(1, _STRIP_BYTES // (level.width * header.bands * (1 + (header.bits > 8))))
            if rows > level.tile_height > 0:
                rows -= rows % level.tile_height  # no tile is decoded twice
            for top in range(0, level.height, rows):
                bottom = min(top + rows, level.height)
                strip = read_jp2(scan, level.page, (0, top, level.width, bottom), threads)
                yield from_samples(strip, profile)
        case _:
            yield read_level(scan, header, 0, Box(0, 0, level.width, level.height))


def _laid_down(parts: Iterable[Any], path: Path, seen: Seen) -> Any:
    """Return the picture that *parts* make from top to bottom, its samples in a file.

    *seen* is told how many rows are there.
    """
    height = 0
    with path.open("wb") as file:
        for part in parts:
            part.rawsave_target(pyvips.Target.new_to_descriptor(file.fileno()))
            height += part.height
            seen(height)
    samples = np.memmap(path, np.uint8, "r")
    image = pyvips.Image.new_from_memory(samples, part.width, height, part.bands, "uchar")
    return image.copy(interpretation=part.interpretation)


def _plain(why: str) -> str:
    """Return *why* without the words of libvips for its own parts."""
    return re.sub(r"unable to call \w+ |\bVips\w+: ", "", why)


# -- from samples to the file


def _write(image: Any, path: Path, form: Form) -> None:
    """Write the levels, each rounded up as viewers do, its last tiles filled with its edge.

    libvips rounds down, and fills with black, which JPEG lets shine through into the picture. So
    the picture gets a margin, of which the sizes in the file then say nothing.
    """
    width, height = image.width, image.height
    tile = _tile(width, height, form)
    halves = 0
    while max(width, height) > tile << halves:
        halves += 1
    step = min(_BLOCK << halves, tile)
    wide, high = -(-width // step) * step, -(-height // step) * step
    image.embed(0, 0, wide, high, extend="copy").tiffsave(
        str(path),
        compression="jpeg",
        Q=form.quality,
        tile=True,
        tile_width=tile,
        tile_height=tile,
        pyramid=True,
        bigtiff=wide * high > _CLASSIC_PIXELS,
        keep="none",
    )
    _crop_levels(path, width, height)


def _tile(width: int, height: int, form: Form) -> int:
    """Return the side of the tiles; libvips reads none of four times the picture's longer side."""
    longer = max(width, height)
    return form.tile if 4 * longer > form.tile else -(-longer // _BLOCK) * _BLOCK


def _crop_levels(path: Path, width: int, height: int) -> None:
    """Write into each directory of the TIFF how much of its level is the picture."""
    with path.open("r+b") as file:
        handle = file.fileno()
        size_bytes = os.fstat(handle).st_size
        window = Window(lambda offset, length: os.pread(handle, length, offset), size_bytes)
        for number, directory in enumerate(read_directories(window)):
            for tag, side in ((_WIDTH, width), (_HEIGHT, height)):
                code, _, place = directory.entries[tag]
                shown = min(-(-side >> number), directory.integer(tag))
                os.pwrite(handle, struct.pack(directory.order + code, shown), place)


def _verify(path: Path, scan: Header, form: Form) -> None:
    """Raise unless the file is the pyramid of *scan*, and the last tile of each level decodes."""
    header = describe_page(path)
    last = header.levels[-1]
    tile = _tile(scan.width, scan.height, form)
    whole = (
        (header.width, header.height) == (scan.width, scan.height)
        and header.tile_size == (tile, tile)
        and (max(last.width, last.height) <= tile or min(last.width, last.height) == 1)
    )
    if not whole:
        raise BrokenSource("its pyramid is not what was to be written")
    for number, level in enumerate(header.levels):
        x, y = ((side - 1) // tile * tile for side in (level.width, level.height))
        read_level(path, header, number, Box(x, y, level.width - x, level.height - y)).avg()
