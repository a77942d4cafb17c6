"""Making the sidecar of an image: what `stored` reads.

Every tile that viewers ask for is looked at. Those that stand in the file as they would be sent
get their place there. Those that do not, at the edges and on levels that the file lacks, are made
once and kept, and so are the thumbnails that viewers and manifests name.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from iiifserver.errors import BrokenSource
from iiifserver.sources import Place

from .aside import beside, place
from .fixity import checksum
from .form import Form, tile_of
from .geometry import Crop, crop_for
from .headers import Header, Level
from .headers.tiff import take_tags
from .headers.window import Window
from .info import reduced, scale_factors
from .job import Encoding, Picture
from .places import Places
from .plan import Box, Dimensions, Limits, Plan, resolve_size
from .render import read_level, render, shows_srgb
from .render.tile import decoded, encoded
from .request import Rotation, Size
from .stored import MOST_KINDS, Entry, Index, Kind, directories_of, grid, packed

MOST_MADE = 4096
"""Tiles in one sidecar; those beyond are made when they are asked for."""
_LARGEST_WHOLE = 1024
_THUMBNAILS = ("90,", "!120,120", "!200,200", "!400,400", "!800,800")
_LARGER = 1.25  # how much larger the level is at least that a thumbnail is made of
_HELD_BYTES = 64 << 20
_HELD_BLOBS_BYTES = 8 << 20
_LEAST_BYTES = 32  # read at a time of directories: what is beside them is not wanted
_MADE = Kind(in_picture=False, format="jpg")
AHEAD = (_MADE, Kind(in_picture=True, format="jpg"))


@dataclass(frozen=True, slots=True)
class Ahead:
    """What whoever wrote a pyramid knows of it already, so that it need not be decoded for it.

    `tiles` are all that viewers ask for, in the index's order, of the two `AHEAD` kinds. `whole`
    returns the picture in a size, None where that would have to be enlarged. `directories` are the
    file's beginning.
    """

    tiles: Sequence[Entry | None]
    whole: Callable[[Dimensions], bytes | None]
    directories: bytes


def store(picture: Path, header: Header, identity: str, target: Path, form: Form) -> None:
    """Make the sidecar of the image in *picture* at *target*, whole or not at all.

    Raises:
        BrokenSource: something that has to be made cannot be decoded.
    """
    with beside(target) as folder, blobs_in(folder) as blobs:
        made = folder / "sidecar"
        # one that lies beside its sidecar is ours
        ours = picture.parent == target.parent
        write_sidecar(made, blobs, picture, header, identity, form, ours=ours)
        place((made, target))


def blobs_in(folder: Path) -> IO[bytes]:
    """Return a file for blobs, in memory while they are few."""
    return tempfile.SpooledTemporaryFile(_HELD_BLOBS_BYTES, dir=str(folder))


def write_sidecar(
    target: Path,
    blobs: IO[bytes],
    picture: Path,
    header: Header,
    identity: str,
    form: Form,
    ahead: Ahead | None = None,
    *,
    ours: bool = True,
) -> None:
    """Write the sidecar of the image in *picture*, ours or not; add to the *blobs* of `blobs_in`.

    Raises:
        BrokenSource: something that has to be made cannot be decoded.
    """
    with picture.open("rb", buffering=0) as file:
        index = _Making(picture, file, header, blobs, form, ahead).index(identity)
    index = replace(index, checks=_checks(picture if ours else None, blobs))
    with target.open("wb") as made:
        made.write(packed(index))
        blobs.seek(0)
        shutil.copyfileobj(blobs, made, 1 << 20)


def _checks(picture: Path | None, blobs: IO[bytes]) -> tuple[int | None, int]:
    """Return the checksums of a picture, if it is ours, and of blobs."""
    ours = None
    if picture:
        with picture.open("rb") as file:
            ours = checksum(file)  # it was just written: no disk is waited for
    blobs.seek(0)
    return ours, checksum(blobs)


class _Making:
    """The sidecar of one image, while it is made."""

    def __init__(
        self,
        picture: Path,
        file: IO[bytes],
        header: Header,
        blobs: IO[bytes],
        form: Form,
        ahead: Ahead | None,
    ) -> None:
        self._picture = picture
        self._picture_bytes = os.fstat(file.fileno()).st_size
        self._header = header
        self._blobs = blobs
        self._encoding = Encoding(jpeg_quality=form.quality, background=form.background)
        self._image = Dimensions(header.width, header.height)
        self._tile = tile_of(header)
        self._levels = len(scale_factors(self._image, self._tile))
        self._as_it_is = shows_srgb(picture, header)
        self._file = file
        self._read = _Levels()
        # small pictures have smaller tiles than are advertised
        self._ahead = ahead if self._tile == header.tile_size else None
        self._kinds = [*AHEAD] if self._ahead else [_MADE]
        self._left = MOST_MADE

    def index(self, identity: str) -> Index:
        """Return the index, after making all that has to be made."""
        if self._ahead:
            tiles = self._ahead.tiles
        else:
            places = Places(self._file, self._header)
            tiles = [self._entry(places, box, size) for box, size in self._grid()]
        wholes = {size: self._kept(self._whole(size)) for size in self._sizes()}
        return Index(
            identity=identity,
            picture_bytes=self._picture_bytes,
            header=self._header,
            tile=self._tile,
            levels=self._levels,
            kinds=self._kinds,
            tiles=tiles,
            wholes=wholes,
            directories=self._directories(),
            blob_bytes=self._blobs.tell(),
        )

    def _directories(self) -> Entry | None:
        """Return where the directories of the file are kept; None where it is not read by tiles."""
        if self._header.format != "tiff" or not self._header.tile_size:
            return None
        if self._ahead:
            return self._kept(directories_of([(0, self._ahead.directories)]))
        number = self._file.fileno()
        window = Window(
            lambda offset, length: os.pread(number, length, offset),
            self._picture_bytes,
            least_bytes=_LEAST_BYTES,
        )
        try:
            take_tags(window)
        except BrokenSource:
            return None  # too large: who needs them looks for them
        return self._kept(directories_of(window.spans()))

    # -- tiles

    def _grid(self) -> Iterator[tuple[Box, Dimensions]]:
        """Yield the box and size of each tile, in the index's order."""
        image, tile = self._image, self._tile
        for number, (columns, rows) in enumerate(grid(image, tile, self._levels)):
            across, down = tile.width << number, tile.height << number
            for top in range(0, rows * down, down):
                for left in range(0, columns * across, across):
                    wide = min(across, image.width - left)
                    high = min(down, image.height - top)
                    yield Box(left, top, wide, high), reduced(Dimensions(wide, high), 1 << number)

    def _entry(self, places: Places, box: Box, size: Dimensions) -> Entry | None:
        """Return where the tile stands, after making it where it does not and should."""
        crop = crop_for(self._header, box, *size)
        inside = _unscaled(crop)
        found = places.find(crop.pieces[0].level, inside) if inside else None
        sent = found.sent if found and self._as_it_is else None
        if sent and sent.kind not in self._kinds and len(self._kinds) == MOST_KINDS:
            sent = None
        if found and found.whole:  # what the file has in another code is made when asked for
            return Entry(self._number(sent.kind), sent.offset, sent.length) if sent else None
        if not self._left:
            return None
        self._left -= 1
        if found and sent and sent.kind.format == "jpg":
            place = Place(str(self._picture), sent.offset, sent.length, sent.kind.prefix)
            return self._kept(self._cut(place, found.box))
        return self._kept(self._rendered(self._header, box, size))

    def _number(self, kind: Kind) -> int:
        if kind not in self._kinds:
            self._kinds.append(kind)
        return self._kinds.index(kind)

    def _cut(self, stored: Place, box: Box) -> bytes:
        """Return what a tile of the file shows of the picture, without its padding."""
        try:
            pixels = decoded(stored.read())
        except (OSError, ValueError) as error:
            raise BrokenSource(f"a tile of it cannot be decoded: {error}") from error
        rows, columns = slice(box.y, box.y + box.height), slice(box.x, box.x + box.width)
        return encoded(pixels[rows, columns], self._encoding)

    # -- the whole picture in small

    def _sizes(self) -> list[Dimensions]:
        """Return the sizes of the whole picture that are kept, besides those that are one tile."""
        image = self._image
        factors = scale_factors(image, self._tile)
        listed = {reduced(image, factor) for factor in factors[:-1]}
        small = {size for size in listed if max(size) <= _LARGEST_WHOLE}
        for text in _THUMBNAILS:
            asked = Size.parse(text)
            if (asked.width or 0) < image.width and (asked.height or 0) < max(image):
                small.add(resolve_size(asked, image, Limits()))
        return sorted(small - {reduced(image, factors[-1])})

    def _whole(self, size: Dimensions) -> bytes:
        """Return the whole picture in this size, out of a level that is not much larger."""
        jpeg = self._ahead.whole(size) if self._ahead else None
        if jpeg:
            return jpeg
        header = _seen_from(self._header, size)
        return self._rendered(header, Box(0, 0, header.width, header.height), size)

    # -- both

    def _rendered(self, header: Header, box: Box, size: Dimensions) -> bytes:
        plan = Plan(box, *size, Rotation(), "default", "jpg", "")
        job = Picture("it", self._picture, header, plan, self._encoding)
        return render(job, self._read)

    def _kept(self, jpeg: bytes) -> Entry:
        offset = self._blobs.tell()
        self._blobs.write(jpeg)
        return Entry(0, offset, len(jpeg))


class _Levels:
    """Reads levels as `read_level` does, and keeps those that are small."""

    def __init__(self) -> None:
        self._held: dict[Level, Any] = {}
        self._left = _HELD_BYTES

    def __call__(
        self, path: Path, header: Header, number: int, box: Box, *, reduced: bool = False
    ) -> Any:
        """Return *box* of level *number*, kept as good as it is: it may serve for other pieces."""
        level = replace(header.levels[number], scale=1)
        whole = Box(0, 0, level.width, level.height)
        size_bytes = level.width * level.height * header.bands * (1 + (header.bits > 8))
        if level not in self._held and size_bytes <= self._left:
            self._left -= size_bytes
            self._held[level] = read_level(path, header, number, whole).copy_memory()
        if level in self._held:
            return self._held[level].crop(*box)
        return read_level(path, header, number, box, reduced=reduced)


def _unscaled(crop: Crop) -> Box | None:
    """Return the pixels of one level that are the whole of the crop; None where it has others."""
    pieces = crop.pieces
    if any(
        piece.level != pieces[0].level or piece.box[2:] != (piece.width, piece.height)
        for piece in pieces
    ):
        return None
    first, last = pieces[0].box, pieces[-1].box
    return Box(first.x, first.y, last.x + last.width - first.x, last.y + last.height - first.y)


def _seen_from(header: Header, size: Dimensions) -> Header:
    """Return *header* as if the coarsest level that is large enough for *size* were the image."""
    if header.orientation != 1 or header.format != "tiff":
        return header
    finest = max(
        (
            level
            for level in header.levels
            if level.scale == 1
            or (level.width >= _LARGER * size.width and level.height >= _LARGER * size.height)
        ),
        key=lambda level: level.scale,
    )
    levels = tuple(
        replace(level, scale=level.scale // finest.scale)
        for level in header.levels
        if level.scale >= finest.scale
    )
    return replace(header, width=finest.width, height=finest.height, levels=levels)
