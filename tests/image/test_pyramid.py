"""TIFF directories: true ones of every layout, and ones that lie."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sources import make, picture

from iiifserver.errors import BrokenSource
from iiifserver.image.headers.window import Window
from iiifserver.image.pyramid import Level, Tiff, read_tiff

SHORT, LONG, LONG8 = 3, 4, 16
_CODES = {1: "B", SHORT: "H", LONG: "I", LONG8: "Q"}
Tags = dict[int, tuple[int, Sequence[int]]]


@dataclass
class Layout:
    """Writes directories one after the other, the chain in their order; values out of line."""

    order: str = "<"
    big: bool = False
    data: bytearray = field(default_factory=bytearray)

    def __post_init__(self) -> None:
        version = struct.pack(self.order + "H", 43 if self.big else 42)
        self.data += (b"II" if self.order == "<" else b"MM") + version
        self.data += struct.pack(self.order + ("HHQ" if self.big else "I"), *self._header())
        self.link = len(self.data) - (8 if self.big else 4)

    def _header(self) -> tuple[int, ...]:
        return (8, 0, 0) if self.big else (0,)

    def _pack(self, code: str, *values: int) -> bytes:
        return struct.pack(f"{self.order}{len(values)}{code}", *values)

    def add(self, tags: Tags, *, chained: bool = True) -> int:
        """Append a directory and return its offset."""
        pointer, width = ("Q", 8) if self.big else ("I", 4)
        body = b""
        for tag, (kind, values) in sorted(tags.items()):
            packed = self._pack(_CODES[kind], *values)
            if len(packed) > width:
                held = self._pack(pointer, len(self.data))
                self.data += packed
            else:
                held = packed.ljust(width, b"\0")
            body += self._pack("H", tag, kind) + self._pack(pointer, len(values)) + held
        offset = len(self.data)
        self.data += self._pack("Q" if self.big else "H", len(tags)) + body
        if chained:
            self.data[self.link : self.link + width] = self._pack(pointer, offset)
            self.link = len(self.data)
        self.data += self._pack(pointer, 0)
        return offset


def image(width: int, height: int, **changed: tuple[int, Sequence[int]] | None) -> Tags:
    """Return the tags of an RGB image with tiles of 64 pixels; `t254=...` changes one."""
    tiles = -(-width // 64) * -(-height // 64)
    tags: Tags = {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [8]),
        262: (SHORT, [2]),
        277: (SHORT, [3]),
        322: (SHORT, [64]),
        323: (SHORT, [64]),
        324: (LONG, [8] * tiles),
        325: (LONG, [16] * tiles),
    }
    for name, value in changed.items():
        if value is None:
            del tags[int(name[1:])]
        else:
            tags[int(name[1:])] = value
    return tags


REDUCED = {"t254": (LONG, [1])}
PAGE = {"t254": (LONG, [2])}
STRIPS = {
    "t322": None,
    "t323": None,
    "t324": None,
    "t325": None,
    "t273": (LONG, [8]),
    "t279": (LONG, [16]),
}


def written(*directories: Tags, order: str = "<", big: bool = False) -> bytes:
    layout = Layout(order, big)
    for tags in directories:
        layout.add(tags)
    return bytes(layout.data)


def read(data: bytes, reads: list[int] | None = None) -> Tiff:
    def from_memory(offset: int, length: int) -> bytes:
        if reads is not None:
            reads.append(length)
        return data[offset : offset + length]

    return read_tiff(Window(from_memory, len(data)))


def sizes(tiff: Tiff) -> list[tuple[int, int, int]]:
    return [(level.width, level.height, level.scale) for level in tiff.levels]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True], ids=["classic", "big"])
def test_both_byte_orders_and_both_versions_say_the_same(order, big):
    tiff = read(written(image(300, 200), image(150, 100, **REDUCED), order=order, big=big))
    assert tiff.levels == (
        Level(300, 200, 1, page=0, tile_width=64, tile_height=64),
        Level(150, 100, 2, page=1, tile_width=64, tile_height=64),
    )
    assert (tiff.bands, tiff.samples.bits, tiff.orientation, tiff.lossless) == (3, 8, 1, True)


@pytest.mark.parametrize(
    ("kind", "pages", "subifds"),
    [
        ("tiff-pyramid-pages-deflate", [0, 1, 2, 3], [-1, -1, -1, -1]),
        ("tiff-pyramid-pages-jpeg", [0, 1, 2, 3], [-1, -1, -1, -1]),
        ("tiff-pyramid-subifd-deflate", [0, 0, 0, 0], [-1, 0, 1, 2]),
        ("bigtiff", [0, 1, 2, 3], [-1, -1, -1, -1]),
    ],
)
def test_the_levels_that_libvips_writes_are_found_where_they_are(kind, pages, subifds, tmp_path):
    tiff = read(make(kind, tmp_path, picture(701, 1001)).read_bytes())
    assert sizes(tiff) == [(701, 1001, 1), (350, 500, 2), (175, 250, 4), (87, 125, 8)]
    assert [level.page for level in tiff.levels] == pages
    assert [level.subifd for level in tiff.levels] == subifds
    assert {(level.tile_width, level.tile_height) for level in tiff.levels} == {(128, 128)}


@pytest.mark.parametrize(
    ("pages", "expected"),
    [
        # rounded up by some writers, down by others
        ([image(301, 201), image(151, 101, **REDUCED), image(76, 51, **REDUCED)], [1, 2, 4]),
        ([image(301, 201), image(150, 100, **REDUCED), image(75, 50, **REDUCED)], [1, 2, 4]),
        # a level may be missing
        ([image(320, 200), image(80, 50, **REDUCED)], [1, 4]),
        # unmarked, but tiled alike and of the same samples
        ([image(320, 200), image(160, 100), image(80, 50)], [1, 2, 4]),
        # as ImageMagick writes them: each a page, rounded down
        ([image(301, 201, **PAGE), image(150, 100, **PAGE), image(75, 50, **PAGE)], [1, 2, 4]),
        # the next pages of a document
        ([image(320, 200, **PAGE), image(320, 200, **PAGE), image(160, 100, **PAGE)], [1]),
        ([image(320, 200, **PAGE, **STRIPS), image(160, 100, **PAGE, **STRIPS)], [1]),
        ([image(320, 200), image(320, 200), image(160, 100)], [1]),
        ([image(320, 200, **STRIPS), image(160, 100, **STRIPS)], [1]),
        # a thumbnail of its own size, a mask, and other colours
        ([image(320, 200), image(100, 62, **REDUCED), image(160, 100, **REDUCED)], [1, 2]),
        ([image(320, 200), image(160, 100, t254=(LONG, [5]))], [1]),
        ([image(320, 200), image(160, 100, t254=(LONG, [4]))], [1]),
        (
            [
                image(320, 200),
                image(160, 100, t254=(LONG, [1]), t262=(SHORT, [1]), t277=(SHORT, [1])),
            ],
            [1],
        ),
        # half in one direction only
        ([image(320, 200), image(160, 200, **REDUCED)], [1]),
        # narrow: no level is thinner than one pixel
        ([image(1, 2000), image(1, 1000, **REDUCED), image(1, 500, **REDUCED)], [1, 2, 4]),
    ],
)
def test_only_halvings_of_the_same_samples_are_levels(pages, expected):
    assert [level.scale for level in read(written(*pages)).levels] == expected


def test_a_thumbnail_before_the_picture_is_not_the_picture():
    tiff = read(written(image(160, 120, **REDUCED), image(640, 480), image(320, 240, **REDUCED)))
    assert [(level.width, level.page) for level in tiff.levels] == [(640, 1), (320, 2)]


def test_a_document_of_many_pages_is_not_read_to_its_end():
    reads: list[int] = []
    pages = [image(2000, 3000) for _ in range(60)]
    assert len(read(written(*pages), reads).levels) == 1
    assert len(reads) <= 4


@pytest.mark.parametrize(
    ("tags", "bands", "alpha"),
    [
        ({}, 3, False),
        ({"t277": (SHORT, [4]), "t338": (SHORT, [2])}, 4, True),
        ({"t277": (SHORT, [4]), "t338": (SHORT, [1])}, 4, True),
        ({"t277": (SHORT, [4]), "t338": (SHORT, [0])}, 4, False),
        ({"t262": (SHORT, [3]), "t277": (SHORT, [1]), "t258": (SHORT, [8])}, 3, False),
        ({"t262": (SHORT, [5]), "t277": (SHORT, [4])}, 4, False),
        ({"t262": (SHORT, [0]), "t277": (SHORT, [1]), "t258": (SHORT, [1])}, 1, False),
    ],
)
def test_bands_are_those_that_the_loader_hands_over(tags, bands, alpha):
    tiff = read(written(image(64, 64, **tags)))
    assert (tiff.bands, tiff.alpha) == (bands, alpha)


@pytest.mark.parametrize(
    ("compression", "chroma", "raw", "bands"),
    [(1, (1, 1), True, 3), (1, (2, 2), False, 4), (7, (2, 2), False, 3), (7, (1, 1), False, 3)],
)
def test_ycbcr_is_raw_where_libvips_leaves_it_so(compression, chroma, raw, bands):
    tags = {"t262": (SHORT, [6]), "t259": (SHORT, [compression]), "t530": (SHORT, chroma)}
    tiff = read(written(image(64, 64, **tags)))
    assert (tiff.raw_ycbcr, tiff.bands, tiff.alpha) == (raw, bands, False)


@pytest.mark.parametrize(("written_as", "expected"), [(0, 1), (1, 1), (6, 6), (8, 8), (9, 1)])
def test_an_orientation_that_does_not_exist_is_upright(written_as, expected):
    assert read(written(image(64, 64, t274=(SHORT, [written_as])))).orientation == expected


def looped() -> bytes:
    layout = Layout()
    first = layout.add(image(64, 64))
    layout.add(image(32, 32, **REDUCED))
    layout.data[layout.link : layout.link + 4] = struct.pack("<I", first)
    return bytes(layout.data)


LIES = {
    "no byte order": (b"XX*\0" + bytes(8), "no byte order"),
    "unknown version": (b"II\x2d\0" + bytes(8), "version 45"),
    "only a header": (b"II*\0\x08\0\0\0", "TIFF directory 0 lies at 8, outside"),
    "directory outside": (b"II*\0\0\0\1\0" + bytes(8), "directory 0 lies at 65536, outside"),
    "no entries": (b"II*\0\x08\0\0\0" + bytes(8), "claims 0 entries"),
    "too many entries": (b"II*\0\x08\0\0\0\xff\xff" + bytes(8), "claims 65535 entries"),
    "loop": (looped(), "TIFF directory 2 at"),
    "no width": (written(image(64, 64, t256=None)), "has no tag 256"),
    "width of 0": (written(image(64, 64, t256=(LONG, [0]))), "a width of 0"),
    "giant height": (written(image(64, 64, t257=(LONG, [2**31]))), "a height of 2147483648"),
    "tiles of 0": (written(image(64, 64, t322=(SHORT, [0]))), "a tile width of 0"),
    "tiles of one side": (written(image(64, 64, t323=None)), "has no tag 323"),
    "few tiles": (written(image(640, 640, t324=(LONG, [8]))), "has 1 tiles or strips, not 100"),
    "tile outside": (
        written(image(128, 64, t324=(LONG, [8, 9_000_000]))),
        "tile or strip 1 of TIFF directory 0 has 16 bytes at 9000000, outside",
    ),
    "tile cut": (written(image(64, 64, t325=(LONG, [5000]))), "has 5000 bytes at 8, outside"),
    "strips of 0 rows": (
        written(image(64, 64, **STRIPS, t278=(SHORT, [0]))),
        "has strips of 0 rows",
    ),
    "Zstandard": (written(image(64, 64, t259=(SHORT, [50000]))), "Zstandard"),
    "JPEG 2000": (written(image(64, 64, t259=(SHORT, [33003]))), "JPEG 2000"),
    "unknown code": (written(image(64, 64, t259=(SHORT, [77]))), "code 77"),
    "colour filter array": (written(image(64, 64, t262=(SHORT, [32803]))), "code 32803"),
    "DNG": (written(image(64, 64, t50706=(SHORT, [1]))), "DNG"),
    "12 bits": (written(image(64, 64, t258=(SHORT, [12, 12, 12]))), r"\[12\] bits"),
    "5, 6 and 5 bits": (written(image(64, 64, t258=(SHORT, [5, 6, 5]))), r"\[5, 6\] bits"),
    "floating point": (written(image(64, 64, t339=(SHORT, [3]))), "not read"),
    "too few samples": (written(image(64, 64, t277=(SHORT, [2]))), "2 samples"),
    "only a mask": (written(image(64, 64, t254=(LONG, [4]))), "only reduced images and masks"),
    "subifds outside": (
        written(image(64, 64, t330=(LONG, [8_000_000]))),
        "SubIFD 0 of TIFF directory 0 lies at 8000000, outside",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_directory_that_lies_is_named(lie):
    data, reason = LIES[lie]
    with pytest.raises(BrokenSource, match=reason):
        read(data)


def test_a_count_that_lies_costs_no_memory():
    layout = Layout()
    offset = layout.add(image(64, 64))
    place = layout.data.index(struct.pack("<HHI", 324, LONG, 1), offset)
    layout.data[place + 4 : place + 8] = struct.pack("<I", 2**32 - 1)
    with pytest.raises(BrokenSource, match="tag 324 of TIFF directory 0 claims 4294967295 values"):
        read(bytes(layout.data))


def test_of_a_long_table_of_tiles_the_ends_are_checked():
    side = 64 * 200
    bad_end = [8] * 39_999 + [2**31]
    with pytest.raises(BrokenSource, match="tile or strip 39999"):
        read(written(image(side, side, t324=(LONG, bad_end))))
    reads: list[int] = []
    read(written(image(side, side)), reads)
    assert sum(reads) < 400_000


@settings(derandomize=True, max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2**12), st.integers(0, 255)), min_size=1, max_size=12),
    st.booleans(),
)
def test_any_damage_is_a_broken_source_or_none(damage, big):
    data = bytearray(written(image(300, 200), image(150, 100, **REDUCED), big=big))
    for place, value in damage:
        data[place % len(data)] = value
    reads: list[int] = []
    with contextlib.suppress(BrokenSource):
        tiff = read(bytes(data), reads)
        assert tiff.levels[0].scale == 1
        assert all(level.width > 0 and level.height > 0 for level in tiff.levels)
    assert len(reads) <= 512
    assert sum(reads) <= 8 * 2**20
