"""Scan -> pyramid: a tiled TIFF of JPEG tiles, full size and every half, as pages of one file.

A pyramid is made aside, read again, and only then gets its name; its sidecar with it, of the same
pixels. Memory does not grow with the height of a scan beyond a bound: what is not small, and cannot
be read row by row from the top, is first laid down as plain samples, in a file beside the target.
"""

from __future__ import annotations

import itertools
import mmap
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, NamedTuple

import pyvips

from iiifserver.errors import BrokenSource
from iiifserver.sources import Place, identity_of

from .aside import beside, place
from .containers import describe_page, heic_profile, pdf_strips, read_heic
from .form import Form
from .headers import Header
from .info import reduced, scale_factors
from .job import Encoding
from .jp2 import jp2_profile, read_jp2
from .places import Places, Sent
from .plan import Box, Dimensions
from .render import TURNS, flattened, from_samples, read_level, to_srgb
from .render.cutting import Cutter, Later, at_once, by_and_by
from .render.squares import computed, cut_up, decoded_whole, read_ahead
from .render.tile import decoded, halves_chroma
from .stored import Entry
from .storing import MOST_MADE, Ahead, blobs_in, write_sidecar
from .tiled import Samples, TiledTiff

_STRIP_BYTES = 64 << 20
_BLOCK = 16  # what JPEG codes together, chroma subsampled


Seen = Callable[[int], object]


class Sidecar(NamedTuple):
    """Where the sidecar of a pyramid goes, and the identity that it names."""

    target: Path
    identity: str


def _unseen(percent: int) -> None:
    """Take no notice of *percent*."""


def build(
    scan: Path,
    leaf: int,
    state: str,
    target: Path,
    form: Form,
    *,
    sidecar: Sidecar | None = None,
    seen: Seen = _unseen,
    threads: int = 1,
) -> None:
    """Make the pyramid of picture *leaf* of *scan* at *target*, whole or not at all.

    Then, beside it and out of the same pixels, its *sidecar*. *seen* is told how many percent are
    done, where there is something to tell. It is made by so many *threads* where that is possible.

    Raises:
        BrokenSource: the scan cannot be decoded, or is not in *state* (see `identity_of`) any more.
    """
    header = describe_page(scan, leaf)
    with beside(target) as folder, blobs_in(folder) as blobs:
        made = folder / "pyramid.tif"
        files = [(made, target)]
        try:
            squares = _squares(scan, leaf, header, folder, form, seen, threads)
            size = Dimensions(header.width, header.height)
            later = nullcontext(at_once) if threads == 1 else by_and_by()
            with made.open("wb") as file, later as cut:
                ahead = _cut(squares, size, file, blobs, form, cut)
            pyramid = _verified(made, header, form)
        except pyvips.Error as error:
            why = " ".join(str(error).split())[:300].replace(str(scan), scan.name)
            raise BrokenSource(f"it cannot be decoded: {_plain(why)}") from error
        if sidecar:
            tiles = folder / "sidecar"
            write_sidecar(tiles, blobs, made, pyramid, sidecar.identity, form, ahead)
            files.append((tiles, sidecar.target))
        if not _is_in(state, scan):
            raise BrokenSource("it was replaced while it was read")
        place(*files)


def _is_in(state: str, scan: Path) -> bool:
    try:
        return identity_of(scan.stat()) == state
    except OSError:
        return False


# -- from the scan to upright 8-bit samples


def _squares(
    scan: Path, leaf: int, header: Header, folder: Path, form: Form, seen: Seen, threads: int
) -> Iterator[Any]:
    """Yield the picture as it is shown, 8-bit gray or sRGB, in squares: see `render.squares`.

    With several threads it is decoded while it is encoded: that takes less time, and more work.
    """
    side = _tile(Dimensions(header.width, header.height), form)
    alone = threads == 1
    whole = decoded_whole(scan, header) if alone or header.orientation != 1 else None
    if whole is not None:
        yield from cut_up(whole, side)
        return
    parts = (
        flattened(to_srgb(part), form.background) for part in _parts(scan, leaf, header, threads)
    )
    pixels, seen = _pixels(parts, header, folder, seen)
    squares = computed(pixels, side, seen)
    yield from squares if alone else read_ahead(squares, side, -(-header.width // side))


def _pixels(parts: Iterator[Any], header: Header, folder: Path, seen: Seen) -> tuple[Any, Seen]:
    """Return the picture of *parts*, gray or sRGB and opaque, as it is shown: upright.

    And what is to be told how much of it is read.
    """
    if header.orientation == 1 and header.format not in ("jp2", "pdf", "heic"):
        return next(parts), seen
    rows = header.levels[0].height
    image, samples = _laid_down(parts, folder / "samples", lambda done: seen(100 * done // rows))
    for turn in TURNS[header.orientation]:
        image = getattr(image, turn)()

    def told(percent: int) -> None:
        samples.madvise(mmap.MADV_DONTNEED)  # else all that was read counts as memory of ours
        seen(percent)

    return image, told


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


def _laid_down(parts: Iterable[Any], path: Path, seen: Seen) -> tuple[Any, mmap.mmap]:
    """Return the picture that *parts* make from top to bottom, and its samples in a file.

    *seen* is told how many rows are there.
    """
    height = 0
    with path.open("w+b") as file:
        for part in parts:
            part.rawsave_target(pyvips.Target.new_to_descriptor(file.fileno()))
            height += part.height
            seen(height)
        samples = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    image = pyvips.Image.new_from_memory(samples, part.width, height, part.bands, "uchar")
    return image.copy(interpretation=part.interpretation), samples


def _plain(why: str) -> str:
    """Return *why* without the words of libvips for its own parts."""
    return re.sub(r"unable to call \w+ |\bVips\w+: ", "", why)


# -- from samples to the file


def _cut(
    squares: Iterator[Any],
    size: Dimensions,
    file: IO[bytes],
    blobs: IO[bytes],
    form: Form,
    later: Later,
) -> Ahead:
    """Write the pyramid of *squares*; return what its sidecar is made of, tiles in *blobs*."""
    tile, encoding = _tile(size, form), Encoding(jpeg_quality=form.quality)
    cutter = Cutter(size, tile, encoding, later)
    first = next(squares)
    samples = Samples(gray=first.shape[2] == 1, halved=halves_chroma(encoding))
    pyramid = TiledTiff(file, cutter.levels, tile, samples)
    tiles: list[list[Entry | None]] = [[None] * count for count in pyramid.counts]
    left = MOST_MADE
    for each in cutter.cut(itertools.chain([first], squares)):
        offset = pyramid.add(each.level, each.number, each.stored)
        if not each.shown:
            tiles[each.level][each.number] = Entry(1, offset, len(each.stored))
        elif left:
            left -= 1
            tiles[each.level][each.number] = Entry(0, blobs.tell(), len(each.shown))
            blobs.write(each.shown)
    return Ahead([*itertools.chain(*tiles)], cutter.whole, pyramid.finish())


def _tile(size: Dimensions, form: Form) -> int:
    """Return the side of the tiles; libvips reads none of four times the picture's longer side."""
    longer = max(size)
    return form.tile if 4 * longer > form.tile else -(-longer // _BLOCK) * _BLOCK


def _verified(path: Path, scan: Header, form: Form) -> Header:
    """Return what the file is.

    Raise unless it is the pyramid of *scan*, and the last tile of each level decodes.
    """
    header = describe_page(path)
    size = Dimensions(scan.width, scan.height)
    tile = _tile(size, form)
    levels = [reduced(size, factor) for factor in scale_factors(size, Dimensions(tile, tile))]
    found = [Dimensions(level.width, level.height) for level in header.levels]
    if header.tile_size != (tile, tile) or found != levels:
        raise BrokenSource("its pyramid is not what was to be written")
    with path.open("rb", buffering=0) as file:
        places = Places(file, header)
        for number, (width, height) in enumerate(levels):
            x, y = ((side - 1) // tile * tile for side in (width, height))
            tile_there = places.find(number, Box(x, y, tile, tile))
            sent = tile_there and tile_there.sent
            if not sent or not _decodes(path, sent):
                raise BrokenSource("a tile of its pyramid is not what was to be written")
    return header


def _decodes(path: Path, tile: Sent) -> bool:
    try:
        place = Place(str(path), tile.offset, tile.length, tile.kind.prefix)
        return bool(decoded(place.read()).size)
    except (OSError, ValueError):
        return False
