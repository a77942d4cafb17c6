"""What stands ready to be sent of an image: tiles in its own file, all others in its sidecar.

A sidecar is one small file beside a pyramid (`{stem}.tiles`), made by `storing`:

    "tiles 2\\n"         the format and its number
    u32, u32            the length of the index, and its CRC-32; numbers are little-endian
    index               a line of JSON, then of each tile its kind and offset (u64: 8 and 56
                        bits) and its length (u32, 0: it does not stand ready); levels in their
                        order, finest first, and of each its rows from the top
    blobs               whole JPEGs: edge tiles, tiles of levels that the file lacks, thumbnails

The JSON has `identity` (filled up with spaces: of a file that was touched or copied, everything
else stays in its place) and `picture_bytes` of the file that it indexes, `blob_bytes`, `checks`
(checksums of both, which are compared when the operator asks, see `fixity`), `header`
(what the file is, so that nobody who answers has to read its own), `tile` (width and height),
`levels`, `wholes` (width, height, offset, length of pictures of the whole image) and `kinds`:
whether the bytes are in the picture's file or among the blobs, their format, and the prefix that
comes before them, in base64. Offsets among the blobs count from the first one. There also is what
the `directories` of a TIFF say, each part with its offset and length: a renderer that reads the
file over a network need not look for them.

What is damaged, or is of another file than it names, is as good as absent: it is made again.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import struct
import sys
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from iiifserver.opened import OpenFile, Ready
from iiifserver.sources import Place

from .headers import Header
from .plan import Box, Dimensions, Plan
from .request import OutputFormat

_MAGIC = b"tiles 2\n"
_HEAD = struct.Struct("<8sII")
_SPAN = struct.Struct("<QI")
_FIRST_READ_BYTES = 48 << 10  # the whole index of an image of 900 megapixels
_LONGEST_INDEX_BYTES = 64 << 20
_IDENTITY_LENGTH = 100
_MOST_LEVELS = 40  # more than halve any side to one pixel
_KIND_SHIFT = 56
MOST_KINDS = 1 << (64 - _KIND_SHIFT)
"""In one sidecar."""
_OFFSET = (1 << _KIND_SHIFT) - 1


class Kind(NamedTuple):
    """What tiles have in common: where their bytes are, their format, what comes before them."""

    in_picture: bool
    format: OutputFormat
    prefix: bytes = b""


class Entry(NamedTuple):
    """Bytes that stand ready: the number of their kind, and where they are."""

    kind: int
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Index:
    """What a sidecar says of its image; `tiles` level by level, row by row, None where absent."""

    identity: str
    picture_bytes: int
    header: Header
    tile: Dimensions
    levels: int
    kinds: Sequence[Kind]
    tiles: Sequence[Entry | None]
    wholes: Mapping[Dimensions, Entry]
    blob_bytes: int
    directories: Entry | None = None
    """What the directories of a TIFF say, for those who read it over a network."""
    checks: tuple[int | None, int] | None = None
    """CRC-32 of the picture's file, None where it is not ours, and of the blobs; see `fixity`."""


class Level(NamedTuple):
    """A level's grid: the full-size pixels of a tile, and the place of the first among all."""

    across: int
    down: int
    columns: int
    first: int


class _Bytes(NamedTuple):
    """A kind, as it becomes part of a `Place`."""

    path: str
    start: int
    format: OutputFormat
    prefix: bytes


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """The tiles and whole pictures of one image that stand ready, about 12 bytes each."""

    header: Header
    """Of the file itself, as it was when the sidecar was made."""
    picture_bytes: int
    image: Dimensions
    gray: bool
    """Whether the image has no colours: its gray is its default."""
    levels: tuple[Level, ...]
    """Finest first."""
    _kinds: tuple[_Bytes, ...]
    _tiles: array[int]
    _lengths: array[int]
    _wholes: Mapping[tuple[int, int], Place]
    directories: Place | None
    """All that its directories say, if it is a TIFF: see `directories_in`."""
    check: int
    """Of its blobs: made again, they may be others."""
    states: Mapping[str, str]
    """By path, of the files on this machine, what tells them from those that replace them."""

    def find(self, plan: Plan) -> Place | None:
        """Return the bytes that answer *plan*, None where they have to be made."""
        rotation, quality = plan.rotation, plan.quality
        if rotation.degrees or rotation.mirror:
            return None
        if quality == "default" or quality == "color" or (quality == "gray" and self.gray):
            return self.place(plan.box, plan.width, plan.height, plan.format)
        return None

    def place(
        self, box: Box, width: int, height: int, output_format: OutputFormat = "jpg"
    ) -> Place | None:
        """Return the bytes of *box* in this size, upright and in the image's own colours."""
        left, top, wide, high = box
        # the one level at which so many pixels become so many, both rounded up
        number = max(
            (-(-wide // width) - 1).bit_length(),
            (-(-high // height) - 1).bit_length(),
        )
        if number < len(self.levels):
            across, down, columns, first = self.levels[number]
            column, beside = divmod(left, across)
            row, below = divmod(top, down)
            if (
                not beside
                and not below
                and wide == min(across, self.image[0] - left)
                and high == min(down, self.image[1] - top)
                and width == -(-wide >> number)
                and height == -(-high >> number)
            ):
                found = self.tile(first + row * columns + column, output_format)
                if found:
                    return found
        if (wide, high) == self.image and output_format == "jpg":
            return self.whole(width, height)
        return None

    def whole(self, width: int, height: int) -> Place | None:
        """Return the JPEG of the whole picture in a size."""
        return self._wholes.get((width, height))

    def tile(self, place: int, output_format: OutputFormat) -> Place | None:
        """Return the bytes of the tile at *place* among all, levels and rows in their order."""
        length, packed = self._lengths[place], self._tiles[place]
        path, start, form, prefix = self._kinds[packed >> _KIND_SHIFT]
        if not length or form != output_format:
            return None
        return Place(path, start + (packed & _OFFSET), length, prefix)

    @property
    def memory_bytes(self) -> int:
        """About what it takes in memory."""
        return 2000 + 12 * len(self._tiles) + 250 * (len(self._wholes) + len(self._kinds))


def grid(image: Dimensions, tile: Dimensions, levels: int) -> list[tuple[int, int]]:
    """Return the columns and rows of tiles at each level, finest first."""
    return [
        (-(-image.width // (tile.width << number)), -(-image.height // (tile.height << number)))
        for number in range(levels)
    ]


def packed(index: Index) -> bytes:
    """Return the beginning of the sidecar of *index*: all that comes before its blobs."""
    about = {
        "identity": index.identity.ljust(_IDENTITY_LENGTH),
        "picture_bytes": index.picture_bytes,
        "blob_bytes": index.blob_bytes,
        "checks": index.checks,
        "header": index.header.as_json(),
        "tile": index.tile,
        "levels": index.levels,
        "kinds": [
            (kind.in_picture, kind.format, base64.b64encode(kind.prefix).decode())
            for kind in index.kinds
        ],
        "wholes": [
            (*size, entry.offset, entry.length) for size, entry in sorted(index.wholes.items())
        ],
        "directories": index.directories and (index.directories.offset, index.directories.length),
    }
    entries = [entry or Entry(0, 0, 0) for entry in index.tiles]
    tiles = array("Q", (entry.kind << _KIND_SHIFT | entry.offset for entry in entries))
    lengths = array("I", (entry.length for entry in entries))
    text = json.dumps(about, separators=(",", ":")).encode()
    body = b"".join([text, b"\n", _little(tiles).tobytes(), _little(lengths).tobytes()])
    return _HEAD.pack(_MAGIC, len(body), zlib.crc32(body)) + body


def read_stored(
    path: Path, picture: Path, identity: str, picture_bytes: int | None = None
) -> Stored | None:
    """Return what stands ready of *picture*, as the sidecar at *path* says.

    None where there is no sidecar, where it is damaged, or is of a file of another identity. Of a
    picture that is not on this machine *picture_bytes* are told.
    """
    try:
        with path.open("rb", buffering=0) as file:
            number, names = file.fileno(), (str(path), str(picture))
            states = {names[0]: state_of(os.fstat(number))}
            if picture_bytes is None:
                status = picture.stat()
                picture_bytes, states[names[1]] = status.st_size, state_of(status)
            return parsed(
                lambda offset, length: os.pread(number, length, offset),
                lambda: os.fstat(number).st_size,
                identity,
                picture_bytes,
                names,
                states,
            )
    except OSError:
        return None


def stored_at_hand(path: Path, picture: Path, identity: str) -> Stored | None:
    """Return what `read_stored` does, None where the sidecar would have to be waited for.

    And of very large images, whose index is not read at once.
    """
    try:
        file = OpenFile(os.open(path, os.O_RDONLY))
        status = os.fstat(file.number)
        beginning = Ready(file, 0, min(status.st_size, _FIRST_READ_BYTES))
        if not beginning.at_hand():
            return None
        first, names, of_picture = beginning.read(), (str(path), str(picture)), picture.stat()
    except OSError:
        return None

    def read(offset: int, _length: int) -> bytes:
        return first[offset:]

    states = {names[0]: state_of(status), names[1]: state_of(of_picture)}
    return parsed(read, lambda: status.st_size, identity, of_picture.st_size, names, states)


def state_of(status: os.stat_result) -> str:
    """Return what tells a file that is called by its content from one that was made again.

    Not its number: some systems that read over a network give another one each time.
    """
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"


def parsed(
    read: Callable[[int, int], bytes],
    size_bytes: Callable[[], int],
    identity: str,
    picture_bytes: int | None,
    names: tuple[str, str],
    states: Mapping[str, str] | None = None,
) -> Stored | None:
    """Return what a sidecar says that is read by *read*; *names* are its own and its picture's.

    *states* are those of files on this machine.

    *size_bytes* is asked after the first read. None where it is damaged, or is of a file of another
    identity, or of another size if that is known.
    """
    try:
        first = read(0, _FIRST_READ_BYTES)
        sidecar_bytes = size_bytes()
        magic, length, checksum = _HEAD.unpack_from(first)
        if magic != _MAGIC or length > min(sidecar_bytes, _LONGEST_INDEX_BYTES):
            return None
        end = _HEAD.size + length
        if end > len(first):
            first += read(len(first), end - len(first))
        body = first[_HEAD.size : end]
        if len(body) != length or zlib.crc32(body) != checksum:
            return None
        line, _, numbers = body.partition(b"\n")
        about = json.loads(line)
        if about["identity"].rstrip() != identity or end + about["blob_bytes"] != sidecar_bytes:
            return None
        if picture_bytes not in (None, about["picture_bytes"]):
            return None
        sidecar, picture = names
        return _stored(about, numbers, (sidecar, end), picture, states or {})
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        ArithmeticError,
        struct.error,
    ):
        return None


def directories_of(spans: Iterable[tuple[int, bytes]]) -> bytes:
    """Return parts of a file, each with its offset, in one piece: for `directories_in`."""
    return b"".join(_SPAN.pack(offset, len(body)) + body for offset, body in spans)


def directories_in(packed_spans: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the parts of a file that `directories_of` was given; raise ValueError if none."""
    place = 0
    while place < len(packed_spans):
        try:
            offset, length = _SPAN.unpack_from(packed_spans, place)
        except struct.error as error:
            raise ValueError("directories that are not whole") from error
        place += _SPAN.size + length
        yield offset, packed_spans[place - length : place]


def _stored(
    about: dict[str, Any],
    numbers: bytes,
    blobs: tuple[str, int],
    picture: str,
    states: Mapping[str, str],
) -> Stored | None:
    header, tile = Header.from_json(about["header"]), Dimensions(*about["tile"])
    image = Dimensions(header.width, header.height)
    if about["levels"] > _MOST_LEVELS:
        return None
    levels, count = [], 0
    for number, (columns, rows) in enumerate(grid(image, tile, about["levels"])):
        levels.append(Level(tile.width << number, tile.height << number, columns, count))
        count += columns * rows
    if len(numbers) != 12 * count:
        return None
    kinds = []
    for in_picture, form, prefix in about["kinds"]:
        where = (picture, 0) if in_picture else blobs
        kinds.append(_Bytes(*where, _format(form), _prefix(prefix)))
    tiles = _little(array("Q", numbers[: 8 * count]))
    if max(tiles, default=0) >> _KIND_SHIFT >= len(kinds):
        return None
    path, start = blobs
    inside = about.get("directories")  # older ones have none
    return Stored(
        header=header,
        picture_bytes=int(about["picture_bytes"]),
        image=image,
        gray=header.bands - header.alpha == 1,
        levels=tuple(levels),
        _kinds=tuple(kinds),
        _tiles=tiles,
        _lengths=_little(array("I", numbers[8 * count :])),
        _wholes={
            (width, height): Place(path, start + offset, length)
            for width, height, offset, length in about["wholes"]
        },
        directories=Place(path, start + inside[0], inside[1]) if inside else None,
        check=int((about.get("checks") or (None, 0))[1]),
        states=states,
    )


def _format(name: str) -> OutputFormat:
    return "webp" if name == "webp" else "jpg"


@functools.lru_cache(256)
def _prefix(text: str) -> bytes:
    """Return the bytes, the same object for all images that have them in common."""
    return base64.b64decode(text)


def _little(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
