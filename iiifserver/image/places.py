"""Where the tiles of a TIFF stand, and which of them can be sent as they are.

A tile can be sent if it is JPEG or WebP and its samples are what is shown: 8 bits, gray or three in
one plane, upright. Profiles are not looked at here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from typing import IO, NamedTuple

from iiifserver.errors import BrokenSource

from .headers import Header, Level
from .headers.tiff import Directory, read_directories, read_subdirectories
from .headers.webp import read_webp
from .headers.window import Window
from .jpeg import LONGEST_TABLES_BYTES, Coding, Prefix, common_tables, prefix_for
from .plan import Box
from .stored import Kind

_JPEG, _WEBP = 7, 50001
_GRAY, _RGB, _YCBCR = 1, 2, 6
_HEAD_BYTES = 4096  # of a tile: its tables and what comes before them
_TAIL_BYTES = 16  # some writers fill up behind the end
_END_OF_JPEG = b"\xff\xd9"


class Sent(NamedTuple):
    """How a tile is sent from the file."""

    kind: Kind
    offset: int
    length: int


class Found(NamedTuple):
    """A tile of the file: which part of it a box is, and how it is sent, None if it cannot be."""

    box: Box
    whole: bool
    sent: Sent | None


class Places:
    """The tiles of one file, level by level."""

    def __init__(self, file: IO[bytes], header: Header) -> None:
        self._header = header
        pages = _pages(file, header)
        self._tiles = [_tiles(file, header, level, pages) for level in header.levels]

    def find(self, number: int, box: Box) -> Found | None:
        """Return the tile of level *number* that has all of *box*; None if none or several have."""
        level = self._header.levels[number]
        if not level.tile_width:
            return None
        column, x = divmod(box.x, level.tile_width)
        row, y = divmod(box.y, level.tile_height)
        if x + box.width > level.tile_width or y + box.height > level.tile_height:
            return None
        inside = Box(x, y, box.width, box.height)
        whole = (box.width, box.height) == (level.tile_width, level.tile_height)
        tiles = self._tiles[number]
        sent = tiles.find(row * -(-level.width // level.tile_width) + column) if tiles else None
        return Found(inside, whole, sent)

    def misnamed(self, number: int) -> bool:
        """Return whether libtiff does not read level *number*: see `jpeg.Prefix`."""
        tiles = self._tiles[number]
        return isinstance(tiles, _JpegTiles) and tiles.misnamed()


def _tiles(
    file: IO[bytes], header: Header, level: Level, pages: Sequence[Directory]
) -> _Tiles | None:
    """Return the tiles of a level, None where none of them can be sent."""
    if not pages or not level.tile_width:
        return None
    tags = _directory(pages, level)
    samples, photometric = tags.integer(277, 1), tags.integer(262, 1)
    known = photometric in {1: (_GRAY,), 3: (_RGB, _YCBCR)}.get(samples, ())
    usual = (tags.integer(284, 1), tags.integer(266, 1)) == (1, 1)  # one plane, order of bits
    code = tags.integer(259, 1)
    if not known or not usual or code not in (_JPEG, _WEBP):
        return None
    count = -(-level.width // level.tile_width) * -(-level.height // level.tile_height)
    offsets, lengths = tags.integers(324, 0, count), tags.integers(325, 0, count)
    if not len(offsets) == len(lengths) == count:
        return None
    coding = Coding(
        width=level.tile_width,
        height=level.tile_height,
        samples=samples,
        ycbcr=photometric == _YCBCR,
        tables=common_tables(bytes(tags.integers(347, 0, LONGEST_TABLES_BYTES))),
    )
    kind = _JpegTiles if code == _JPEG else _WebpTiles
    return kind(file, offsets, lengths, coding)


def _pages(file: IO[bytes], header: Header) -> list[Directory]:
    """Return the directories up to the last that is a level; none if no tile can be sent."""
    if (header.format, header.orientation, header.bits, header.alpha) != ("tiff", 1, 8, False):
        return []
    descriptor = file.fileno()
    window = Window(
        lambda offset, length: os.pread(descriptor, length, offset), os.fstat(descriptor).st_size
    )
    count = 1 + max(level.page for level in header.levels)
    return list(islice(read_directories(window, count), count))


def _directory(pages: Sequence[Directory], level: Level) -> Directory:
    """Return the tags of a level."""
    page = pages[level.page]
    if level.subifd < 0:
        return page
    return next(islice(read_subdirectories(page, 330), level.subifd, None))


class _Tiles:
    """The tiles of a level that may be sent if they hold what its tags say."""

    def __init__(
        self, file: IO[bytes], offsets: tuple[int, ...], lengths: tuple[int, ...], coding: Coding
    ) -> None:
        self._descriptor = file.fileno()
        self._offsets = offsets
        self._lengths = lengths
        self._coding = coding

    def find(self, number: int) -> Sent | None:
        """Return how the tile is sent, None if it cannot be."""
        raise NotImplementedError

    def _read(self, offset: int, length: int) -> bytes:
        return os.pread(self._descriptor, length, offset)


class _JpegTiles(_Tiles):
    _known: tuple[bytes, Prefix] | None = None

    def misnamed(self) -> bool:
        """Return whether the first tile says so."""
        prefix = self._prefix(self._read(self._offsets[0], min(self._lengths[0], _HEAD_BYTES)))
        return prefix is not None and prefix.misnamed

    def find(self, number: int) -> Sent | None:
        offset, length = self._offsets[number], self._lengths[number]
        head = self._read(offset, min(length, _HEAD_BYTES))
        tail = self._read(offset + max(0, length - _TAIL_BYTES), min(length, _TAIL_BYTES))
        prefix = self._prefix(head)
        if prefix is None or _END_OF_JPEG not in tail:
            return None
        kind = Kind(in_picture=True, format="jpg", prefix=prefix.prefix)
        return Sent(kind, offset + prefix.skip, length - prefix.skip)

    def _prefix(self, head: bytes) -> Prefix | None:
        """Return the prefix of a tile; most of a level begin with the same bytes."""
        if self._known and head.startswith(self._known[0]):
            return self._known[1]
        prefix = prefix_for(head, self._coding)
        if prefix:
            self._known = head[: prefix.head_bytes], prefix
        return prefix


class _WebpTiles(_Tiles):
    def find(self, number: int) -> Sent | None:
        offset, length = self._offsets[number], self._lengths[number]
        head = self._read(offset, 12)
        if head[:4] != b"RIFF" or head[8:] != b"WEBP":
            return None
        own = 8 + int.from_bytes(head[4:8], "little")
        window = Window(lambda at, count: self._read(offset + at, count), min(own, length))
        try:
            header = read_webp(window)
        except BrokenSource:
            return None
        size = (self._coding.width, self._coding.height)
        plain = (header.width, header.height, header.alpha, header.profile) == (*size, False, False)
        if own > length or not plain or self._coding.samples != 3 or self._coding.ycbcr:
            return None
        return Sent(Kind(in_picture=True, format="webp"), offset, own)
