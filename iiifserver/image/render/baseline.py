"""What the head of a baseline JPEG says, so that its data can be decoded in part.

ITU-T T.81, annexes B and C: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

from iiifserver.image.jpeg import Segment, segments

_SOI = b"\xff\xd8"
_SOS, _DQT, _DHT, _DRI, _ADOBE, _JFIF = 0xDA, 0xDB, 0xC4, 0xDD, 0xEE, 0xE0
_BASELINE = (0xC0, 0xC1)
_LAST_FRAME, _NO_FRAMES = 0xCF, {_DHT, 0xC8, 0xCC}
# version 100, no flags, transform 0: a decoder hands the components over as they are
_AS_THEY_ARE = bytes.fromhex("ffee000e41646f626500640000000000")
END_OF_BLOCK = 0x00
"""The symbol after which a block has no more coefficients."""
BLOCK = 64
"""Coefficients of a block."""
RESTARTS = 8
"""How many restarts have numbers of their own."""
_MOST_SIDE = 65_500
_MOST_TABLES = 3
_JFIF_BYTES = 14  # what is shorter is none to libjpeg


class Code(NamedTuple):
    """A Huffman code."""

    value: int
    bits: int


class Component(NamedTuple):
    """A component: its blocks in an MCU, its quantizers, its codes by symbol.

    By the quantizer `coarser` sections are decoded, instead of the first one, of the mean.
    """

    across: int
    down: int
    quantizers: bytes
    coarser: int
    dc: dict[int, Code]
    ac: dict[int, Code]

    @property
    def quantizer(self) -> int:
        """The quantizer of the mean."""
        return self.quantizers[0]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A JPEG of one scan, of gray or of luma and chroma; `start` is its data's.

    Its height is written at `height_at`. Behind so many MCUs as `interval` says is a restart; 0
    where there are none.
    """

    width: int
    height: int
    height_at: int
    components: tuple[Component, ...]
    tables: bytes
    scan: bytes
    start: int
    interval: int = 0

    @property
    def across(self) -> int:
        """Blocks of an MCU side by side, which are pixels at an eighth."""
        return max(each.across for each in self.components)

    @property
    def down(self) -> int:
        """Blocks of an MCU above each other."""
        return max(each.down for each in self.components)

    @property
    def columns(self) -> int:
        """MCUs in a row."""
        return -(-self.width // (8 * self.across))

    @property
    def rows(self) -> int:
        """Rows of MCUs."""
        return -(-self.height // (8 * self.down))

    @property
    def is_finest(self) -> bool:
        """Whether the means of luma are coded so finely that nothing is coarser."""
        return self.components[0].coarser == self.components[0].quantizer

    @property
    def step(self) -> int:
        """Rows of MCUs after which one begins behind the last of eight restarts again."""
        return math.lcm(self.columns, RESTARTS * self.interval or 1) // self.columns

    @property
    def most_rows(self) -> int:
        """Rows of MCUs that a decoder takes."""
        return _MOST_SIDE // (8 * self.down)

    @property
    def mcus(self) -> int:
        """MCUs in all."""
        return self.rows * self.columns

    def head(self, rows: int) -> bytes:
        """Return what comes before *rows* of MCUs, all of them whole, whose means are coarser."""
        sides = [8 * self.down * rows, 8 * self.across * self.columns]
        size = b"".join(side.to_bytes(2, "big") for side in sides)
        tables = [bytes([each.coarser]) + each.quantizers[1:] for each in self.components]
        parts = [
            bytes([number + 1, each.across << 4 | each.down, number])
            for number, each in enumerate(self.components)
        ]
        frame = b"\x08" + size + bytes([len(parts)]) + b"".join(parts)
        quantizers = [
            _segment(_DQT, bytes([number]) + table) for number, table in enumerate(tables)
        ]
        colours = _AS_THEY_ARE if len(parts) == 3 else b""
        restarts = _segment(_DRI, self.interval.to_bytes(2, "big")) if self.interval else b""
        written = _segment(_BASELINE[0], frame)
        return b"".join((_SOI, colours, *quantizers, restarts, written, self.tables, self.scan))

    def without_rows(self, head: bytes, rows: int) -> bytes:
        """Return *head*, the file's beginning, up to its data: of a picture of fewer *rows*."""
        height = self.height - 8 * self.down * rows
        patched = height.to_bytes(2, "big")
        return head[: self.height_at] + patched + head[self.height_at + 2 : self.start]


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


# -- what the head says


def baseline(head: bytes) -> Baseline | None:
    """Return the JPEG that begins with *head*, which should reach to its data.

    None where it has several scans, other colours than gray, or luma and chroma, or something is
    damaged.
    """
    found = {segment.marker: segment for segment in segments(head)}
    frames = {marker for marker in found if _BASELINE[0] <= marker <= _LAST_FRAME} - _NO_FRAMES
    if _SOS not in found or not frames or not frames <= set(_BASELINE):
        return None
    try:
        return _read(head, found)
    except (IndexError, KeyError, ValueError):
        return None


def _read(head: bytes, found: dict[int, Segment]) -> Baseline | None:
    start_of_frame = next(found[marker] for marker in _BASELINE if marker in found)
    frame = _body(head, start_of_frame)
    scan = _body(head, found[_SOS])
    count = frame[5]
    parts = [frame[6 + 3 * each : 9 + 3 * each] for each in range(count)]
    chosen = {scan[1 + 2 * each]: scan[2 + 2 * each] for each in range(scan[0])}
    if frame[0] != 8 or count not in (1, 3) or [part[0] for part in parts] != list(chosen):
        return None
    if scan[1 + 2 * count :] != bytes([0, BLOCK - 1, 0]) or not _ycbcr(head, found, parts):
        return None
    codes: dict[int, dict[int, Code]] = {}
    quantizers: dict[int, bytes] = {}
    tables = []
    for segment in segments(head):
        if segment.marker == _DHT:
            codes |= _codes(_body(head, segment))
            tables.append(head[segment.start : segment.end])
        elif segment.marker == _DQT:
            quantizers |= _quantizers(_body(head, segment))
    height, width = (int.from_bytes(frame[at : at + 2], "big") for at in (1, 3))
    interval = int.from_bytes(_body(head, found[_DRI])[:2], "big") if _DRI in found else 0
    components = []
    for number, part in enumerate(parts):
        across, down = (part[1] >> 4, part[1] & 15) if count > 1 else (1, 1)
        table, tables_of = quantizers[part[2]], chosen[part[0]]
        # luma goes through the whole range, and must do so from wherever the section before ends
        coarser = table[0] if number or interval else max(table[0] * 2 // 3, 1)
        dc, ac = codes[tables_of >> 4], codes[0x10 | tables_of & 15]
        components.append(Component(across, down, table, coarser, dc, ac))
    choices = [bytes([number + 1, chosen[part[0]]]) for number, part in enumerate(parts)]
    written = _segment(_SOS, b"".join((bytes([count]), *choices, scan[1 + 2 * count :])))
    all_tables, start = b"".join(tables), found[_SOS].end
    height_at = start_of_frame.start + 5
    told = (tuple(components), all_tables, written, start, interval)
    jpeg = Baseline(width, height, height_at, *told)
    return jpeg if _can_be_divided(jpeg) else None


def _body(head: bytes, segment: Segment) -> bytes:
    return head[segment.start + 4 : segment.end]


def _ycbcr(head: bytes, found: dict[int, Segment], parts: list[bytes]) -> bool:
    """Return whether the components are gray, or luma and chroma, by the rules of libjpeg."""
    if len(parts) == 1:
        return True
    jfif = _body(head, found[_JFIF]) if _JFIF in found else b""
    if jfif.startswith(b"JFIF\0") and len(jfif) >= _JFIF_BYTES:
        return True
    if _ADOBE in found:
        adobe = _body(head, found[_ADOBE])
        return adobe.startswith(b"Adobe") and adobe[11] == 1
    return [part[0] for part in parts] == [1, 2, 3]


def _codes(tables: bytes) -> dict[int, dict[int, Code]]:
    """Return the codes in the body of a DHT segment, by class and number: T.81, annex C."""
    found: dict[int, dict[int, Code]] = {}
    at = 0
    while at < len(tables):
        counts = tables[at + 1 : at + 17]
        symbols = iter(tables[at + 17 : at + 17 + sum(counts)])
        codes = found[tables[at]] = {}
        value = 0
        for bits, count in enumerate(counts, 1):
            for symbol in itertools.islice(symbols, count):
                codes[symbol] = Code(value, bits)
                value += 1
            if value > 1 << bits:
                raise ValueError("more codes than there can be")
            value <<= 1
        at += 17 + sum(counts)
    return found


def _quantizers(tables: bytes) -> dict[int, bytes]:
    """Return the tables in the body of a DQT segment, by number.

    Raises:
        ValueError: one is of 16 bits.
    """
    if any(tables[at] > _MOST_TABLES for at in range(0, len(tables), 1 + BLOCK)):
        raise ValueError("quantizers of 16 bits")
    return {tables[at]: tables[at + 1 : at + 1 + BLOCK] for at in range(0, len(tables), 1 + BLOCK)}


def _can_be_divided(jpeg: Baseline) -> bool:
    first, *others = jpeg.components
    sizes = {(each.across, each.down) for each in others}
    # where all blocks have the same codes, nothing tells which of them an MCU begins with
    told_apart = all((each.dc, each.ac) != (first.dc, first.ac) for each in others)
    return (
        told_apart
        and first.across in (1, 2)
        and first.down in (1, 2)
        and sizes <= {(1, 1)}
        and 8 * jpeg.across * jpeg.columns <= _MOST_SIDE
        and 8 * jpeg.down * jpeg.rows <= _MOST_SIDE
        and all(each.quantizer and len(each.quantizers) == BLOCK for each in jpeg.components)
        and all({0, 1} <= each.dc.keys() and END_OF_BLOCK in each.ac for each in jpeg.components)
    )
