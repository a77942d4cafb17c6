"""JPEG streams as TIFFs store them, made whole: tables put in, and the colours named.

A tile in a TIFF may lack the tables that all tiles of its level share (tag 347), and says nothing
of its colours: the TIFF does. Sent as it is, a browser would guess, and show red, green and blue
as if they were luma and chroma. So its first bytes are replaced by a prefix, and the rest is sent
from the file. No pixel is touched.

ITU-T T.81, annex B: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
TIFF Technical Note 2: https://www.awaresystems.be/imaging/tiff/specification/TIFFTechNote2.txt
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD
_FRAMES = (0xC0, 0xC1, 0xC2)  # those that browsers read
_FIRST_APP, _LAST_APP, _COM = 0xE0, 0xEF, 0xFE
_START = b"\xff\xd8"
LONGEST_TABLES_BYTES = 64 << 10
# version 1.1, no unit, square pixels, no thumbnail: luma and chroma, or gray
_JFIF = bytes.fromhex("ffe000104a46494600010100000100010000")
# version 100, no flags, transform 0: red, green and blue
_ADOBE_RGB = bytes.fromhex("ffee000e41646f626500640000000000")


class Segment(NamedTuple):
    """A marker segment: its code, and where it starts and ends in the stream."""

    marker: int
    start: int
    end: int


class Prefix(NamedTuple):
    """What a stored stream begins with when it is sent, instead of its first *skip* bytes."""

    prefix: bytes
    skip: int
    head_bytes: int
    """The bytes, from the start, that decide this: streams that share them share it."""
    misnamed: bool = False
    """Whether the TIFF calls luma and chroma red, green and blue: libtiff reads none of it then."""


@dataclass(frozen=True, slots=True)
class Coding:
    """What a TIFF says of its JPEG tiles: their size, samples, colours and common tables."""

    width: int
    height: int
    samples: int
    ycbcr: bool
    tables: bytes = b""
    """The segments that `common_tables` took from tag 347."""

    @property
    def named_rgb(self) -> bool:
        """Whether the TIFF says that the samples are red, green and blue."""
        return self.samples == 3 and not self.ycbcr


def common_tables(tag: bytes) -> bytes:
    """Return the tables in the abbreviated stream of tag 347, as they go into another stream.

    What is damaged there gives none: tiles that need them are then not sent as they are.
    """
    found = [
        tag[segment.start : segment.end]
        for segment in segments(tag)
        if segment.marker in (_DQT, _DHT, _DRI)
    ]
    return b"".join(found)


def prefix_for(head: bytes, coding: Coding) -> Prefix | None:
    """Return how the stream that begins with *head* is made whole.

    None if it cannot be: it is damaged, is not what the TIFF says, lacks tables, or names other
    colours behind the place where ours go. *head* should reach to the first scan.
    """
    if not head.startswith(_START):
        return None
    skip = len(_START)
    tables = _Tables()
    tables.add(coding.tables)
    for segment in segments(head):
        if _is_note(segment.marker):
            if skip != segment.start:
                return None
            skip = segment.end  # ours comes instead; a profile or a thumbnail is not the TIFF's
        elif segment.marker in _FRAMES:
            if not tables.frame(head[segment.start : segment.end], coding):
                return None
        elif segment.marker in (_DQT, _DHT):
            tables.add(head[segment.start : segment.end])
        elif segment.marker == _SOS:
            if not tables.complete(head[segment.start : segment.end]):
                return None
            # Bio-Formats names RGB what it encodes as others do; nobody halves green and blue
            misnamed = coding.named_rgb and tables.subsampled
            marker = _ADOBE_RGB if coding.named_rgb and not misnamed else _JFIF
            prefix = _START + marker + coding.tables
            return Prefix(prefix, skip, segment.end, misnamed)
        elif segment.marker != _DRI:
            return None
    return None


def _is_note(marker: int) -> bool:
    return _FIRST_APP <= marker <= _LAST_APP or marker == _COM


def segments(stream: bytes) -> Iterator[Segment]:
    """Yield the segments of a stream up to its first scan, or up to what is none."""
    place = len(_START)
    while place + 4 <= len(stream) and stream[place] == 0xFF:
        marker = stream[place + 1]
        if marker == 0xFF:  # filled up
            place += 1
            continue
        end = place + 2 + int.from_bytes(stream[place + 2 : place + 4], "big")
        if not (0xC0 <= marker <= 0xFE) or marker in (_SOI, _EOI) or not place + 4 <= end:
            return
        if end > len(stream):
            return
        yield Segment(marker, place, end)
        if marker == _SOS:
            return
        place = end


class _Tables:
    """The tables that a decoder has when it comes to the first scan."""

    def __init__(self) -> None:
        self._quantisation: set[int] = set()
        self._entropy: set[int] = set()
        self._used: tuple[int, ...] = ()
        self.subsampled = False
        """Whether the components of the frame are not all of one size."""

    def add(self, written: bytes) -> None:
        """Take note of the tables in whole DQT and DHT segments."""
        for segment in segments(_START + written):
            body = written[segment.start + 2 : segment.end - 2]
            place = 0
            while segment.marker == _DQT and place < len(body):
                self._quantisation.add(body[place] & 15)
                place += 129 if body[place] >> 4 else 65
            while segment.marker == _DHT and place < len(body):
                self._entropy.add(body[place])
                place += 17 + sum(body[place + 1 : place + 17])

    def frame(self, segment: bytes, coding: Coding) -> bool:
        """Take note of a frame; return whether it is the one that the TIFF speaks of."""
        if self._used or len(segment) != 10 + 3 * coding.samples:
            return False
        _, _, _, _, bits, h1, h2, w1, w2, samples = segment[:10]
        size = (w1 << 8 | w2, h1 << 8 | h2)
        self._used = tuple(segment[12::3])
        self.subsampled = len(set(segment[11::3])) > 1
        return (bits, samples, size) == (8, coding.samples, (coding.width, coding.height))

    def complete(self, scan: bytes) -> bool:
        """Return whether nothing is missing that the frame and this scan use.

        Of a progressive picture the first scan has no use for AC tables.
        """
        parts = scan[4] if len(scan) > 4 else 0
        if not self._used or not parts or len(scan) != 8 + 2 * parts:
            return False
        chosen = scan[6 : 5 + 2 * parts : 2]
        last_coefficient = scan[6 + 2 * parts]
        needed = {table >> 4 for table in chosen}
        if last_coefficient:
            needed |= {0x10 | table & 15 for table in chosen}
        return needed <= self._entropy and set(self._used) <= self._quantisation
