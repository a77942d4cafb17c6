"""What the header of an AVIF says: the size of its primary picture after its transformations.

HEIF: ISO/IEC 23008-12; AVIF: https://aomediacodec.github.io/av1-avif/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from iiifserver.errors import BrokenSource

from .boxes import Box, find_box, read_boxes
from .header import MAX_SIDE, OVERHEAD_BYTES, Header, Level
from .window import Window

_Link = TypeVar("_Link")
_MAX_LINKS = 20_000  # from items to properties, and from items to items
_MAX_PROPERTIES = 64  # of one item
_ALPHA = (
    b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    b"urn:mpeg:hevc:2015:auxid:1",
)
_PIXEL_BYTES, _PLANES_HELD = 13, 2.1  # measured: 16 to 25 bytes a pixel, from 4:2:0 to 12 bits


@dataclass(frozen=True, slots=True)
class _Items:
    """The items of a file: their kinds, their properties in order, and who refers to whom."""

    kinds: dict[int, bytes]
    properties: dict[int, list[Box]]
    references: list[tuple[bytes, int, int]]  # kind, from, to

    def of(self, item: int, name: bytes) -> list[Box]:
        return [box for box in self.properties.get(item, []) if box.name == name]


@dataclass(frozen=True, slots=True)
class _Coding:
    bits: int
    samples: float  # in a pixel, chroma subsampled


def read_avif(window: Window) -> Header:
    """Return the header of an AVIF's primary picture, as libheif turns and crops it.

    Raises:
        BrokenSource: the file is damaged, or its picture is coded in another way than AV1.
    """
    meta = next((b for b in read_boxes(window, 0, window.size_bytes) if b.name == b"meta"), None)
    primary = find_box(window, meta, b"pitm", 4) if meta else None
    if not meta or not primary:
        raise BrokenSource("the AVIF has no primary picture")
    items = _read_items(window, meta)
    picture = _number(window, primary.start + 4, _version(window, primary) > 0)
    width, height = _size(window, items, picture)
    coding = _read_coding(window, items, picture)
    companions = {one for kind, one, to in items.references if (kind, to) == (b"auxl", picture)}
    alpha = any(_is_alpha(window, items, item) for item in companions)
    samples = (coding.samples + alpha) * (1 if coding.bits == 8 else 2)
    held = int(width * height * (_PIXEL_BYTES + _PLANES_HELD * samples))
    profile = any(
        window.take(box.start, 4, "the AVIF's colours") in (b"prof", b"rICC")
        for box in items.of(picture, b"colr")
    )
    return Header(
        format="avif", width=width, height=height, orientation=1,
        levels=(Level(width, height, 1),), bands=3 + alpha, bits=coding.bits, alpha=alpha,
        lossless=False, profile=profile, streams=False,
        decode_bytes=OVERHEAD_BYTES + held + window.size_bytes,
    )  # fmt: skip


def _version(window: Window, box: Box) -> int:
    return window.unpack("B", box.start, f"the box {box.name!r}")[0]


def _number(window: Window, offset: int, wide: bool) -> int:
    return window.unpack(">I" if wide else ">H", offset, "an item of the AVIF")[0]


def _read_items(window: Window, meta: Box) -> _Items:
    found = {box.name: box for box in read_boxes(window, meta.start + 4, meta.end)}
    if b"iinf" not in found or b"iprp" not in found:
        raise BrokenSource("the AVIF does not say what it holds")
    references = found.get(b"iref")
    return _Items(
        kinds=dict(_read_kinds(window, found[b"iinf"])),
        properties=_read_properties(window, found[b"iprp"]),
        references=list(_bounded(_read_references(window, references))) if references else [],
    )


def _read_kinds(window: Window, box: Box) -> Iterator[tuple[int, bytes]]:
    first = box.start + (8 if _version(window, box) else 6)
    for entry in read_boxes(window, first, box.end):
        version = _version(window, entry)
        if entry.name == b"infe" and version >= 2:
            wide = version > 2
            kind = window.take(entry.start + (10 if wide else 8), 4, "an item of the AVIF")
            yield _number(window, entry.start + 4, wide), kind


def _read_properties(window: Window, box: Box) -> dict[int, list[Box]]:
    """Return each item's properties, in the order in which they apply."""
    container = find_box(window, box, b"ipco")
    known = list(read_boxes(window, container.start, container.end)) if container else []
    found: dict[int, list[Box]] = {}
    for part in read_boxes(window, box.start, box.end):
        if part.name == b"ipma":
            for item, index in _bounded(_read_associations(window, part)):
                kept = found.setdefault(item, [])
                if 0 < index <= len(known) and len(kept) < _MAX_PROPERTIES:
                    kept.append(known[index - 1])
    return found


def _bounded(links: Iterable[_Link]) -> Iterator[_Link]:
    """Yield *links*; raise when there are more than a picture can need."""
    for number, link in enumerate(links):
        if number >= _MAX_LINKS:
            raise BrokenSource(f"the AVIF links its items more than {_MAX_LINKS} times")
        yield link


def _read_associations(window: Window, box: Box) -> Iterator[tuple[int, int]]:
    what = "the AVIF's table of properties"
    head, count = window.unpack(">II", box.start, what)
    wide_item, wide_index = head >> 24 > 0, bool(head & 1)
    offset = box.start + 8
    for _ in range(count):
        item = _number(window, offset, wide_item)
        yield item, 0  # no property, but it counts
        offset += 4 if wide_item else 2
        (length,) = window.unpack("B", offset, what)
        form = f">{length}H" if wide_index else f">{length}B"
        for value in window.unpack(form, offset + 1, what):
            yield item, value & (0x7FFF if wide_index else 0x7F)
        offset += 1 + length * (2 if wide_index else 1)


def _read_references(window: Window, box: Box) -> Iterator[tuple[bytes, int, int]]:
    wide = _version(window, box) > 0
    step = 4 if wide else 2
    for entry in read_boxes(window, box.start + 4, box.end):
        source = _number(window, entry.start, wide)
        (count,) = window.unpack(">H", entry.start + step, "the AVIF's references")
        for number in range(count):
            place = entry.start + step + 2 + number * step
            yield entry.name, source, _number(window, place, wide)


def _size(window: Window, items: _Items, picture: int) -> tuple[int, int]:
    """Return the item's size after cropping and turning, in the order of its properties."""
    extents = items.of(picture, b"ispe")
    if not extents:
        raise BrokenSource("the AVIF does not say how large its picture is")
    width, height = window.unpack(">II", extents[0].start + 4, "the AVIF's size")
    for box in items.properties[picture]:
        if box.name == b"irot" and window.unpack("B", box.start, "the AVIF's rotation")[0] & 1:
            width, height = height, width
        if box.name == b"clap":
            form = window.unpack(">IIII", box.start, "the AVIF's crop")
            width, height = (round(a / b) if b else 0 for a, b in (form[:2], form[2:]))
    if not 0 < width <= MAX_SIDE or not 0 < height <= MAX_SIDE:
        raise BrokenSource(f"the AVIF says that it is {width} x {height} pixels")
    return width, height


def _read_coding(window: Window, items: _Items, picture: int) -> _Coding:
    """Return how the picture is coded, or the first part of one that is a grid."""
    kind = items.kinds.get(picture, b"")
    part = picture
    if kind == b"grid":
        parts = (
            to for name, source, to in items.references if (name, source) == (b"dimg", picture)
        )
        part = next(parts, picture)
        kind = items.kinds.get(part, b"")
    if kind in (b"hvc1", b"hev1"):
        raise BrokenSource("HEIC is not read yet")
    configurations = items.of(part, b"av1C")
    if kind != b"av01" or not configurations:
        raise BrokenSource(f"the AVIF's picture is coded as {kind!r}, which is not read")
    (flags,) = window.unpack("B", configurations[0].start + 2, "the AVIF's coding")
    bits = (12 if flags & 0x20 else 10) if flags & 0x40 else 8
    if flags & 0x10:
        return _Coding(bits, 1)
    return _Coding(bits, 1 + 2 / ((1 + (flags >> 3 & 1)) * (1 + (flags >> 2 & 1))))


def _is_alpha(window: Window, items: _Items, item: int) -> bool:
    for box in items.of(item, b"auxC"):
        name = window.take(box.start + 4, min(64, max(0, box.length - 4)), "the AVIF's alpha")
        if name.split(b"\0")[0] in _ALPHA:
            return True
    return False
