"""Sections of a large JPEG: decoded from one of them on, not from the beginning.

Of each is known, once the JPEG was divided (`dividing`), where it begins, with which MCU, and with
what means before it. A stream that is begun there shows to the bit what the whole file shows.
docs/decisions/0019-the-middle-of-a-jpeg.md
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .baseline import baseline
from .entropy import Entry, prelude

HEAD_BYTES = 1 << 20
"""What is read of a file at once to find its data: heads that are longer are not looked at."""
_KEPT = struct.Struct("<QBI3i")
_MOST_MEANS = 3
_ONES = 0xFF


class Section(NamedTuple):
    """A part of the data that begins with the MCU number *mcu*, and with what means before it."""

    entry: Entry
    mcu: int
    means: tuple[int, ...]


class Begun(NamedTuple):
    """A JPEG without its first rows: what comes *before* the byte *start* of the file.

    It begins with the row *top* of the picture; its first rows of MCUs only lead to the others.
    """

    before: bytes
    start: int
    top: int


def packed(sections: Sequence[Section]) -> bytes:
    """Return *sections* as they are kept."""
    return b"".join(
        _KEPT.pack(*each.entry, each.mcu, *each.means, *[0] * (_MOST_MEANS - len(each.means)))
        for each in sections
    )


def unpacked(kept: bytes) -> tuple[Section, ...]:
    """Return the sections that `packed` was given; raise ValueError if it returned something else.

    Of a gray picture the means are followed by zeros.
    """
    if len(kept) % _KEPT.size:
        raise ValueError("sections that are not whole")
    return tuple(
        Section(Entry(byte, bit), mcu, tuple(means))
        for byte, bit, mcu, *means in _KEPT.iter_unpack(kept)
    )


def begun(path: Path, sections: Sequence[Section], top: int) -> Begun | None:
    """Return how to decode the rows of the JPEG *path* from *top* on, without most of those above.

    None where that does not leave out any. OSError where the file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        number = file.fileno()
        head = os.pread(number, HEAD_BYTES, 0)
        jpeg = baseline(head)
        if jpeg is None:
            return None
        # chroma is mixed with that of the row before
        least = (top // (8 * jpeg.down) - 1) * jpeg.columns
        for section in reversed(sections):
            if jpeg.columns <= section.mcu <= least:
                row = section.mcu // jpeg.columns
                last, start = divided(number, section.entry)
                left_out = (row - 1) // jpeg.step * jpeg.step
                means = section.means[: len(jpeg.components)]
                mcus = section.mcu - left_out * jpeg.columns
                written = prelude(jpeg, last, section.entry.bit, means, mcus)
                if written:
                    before = jpeg.without_rows(head, left_out) + written
                    return Begun(before, start, left_out * 8 * jpeg.down)
    return None


def divided(file: int, entry: Entry) -> tuple[int, int]:
    """Return the byte of the file that *entry* divides, and where what follows it begins.

    A byte that both have is written for both: what is stuffed behind it is not read. OSError where
    the file ends before it.
    """
    found = os.pread(file, 1, entry.byte)
    if not found:
        raise OSError("it ends before a section of it begins")
    return found[0], entry.byte + (1 + (found[0] == _ONES) if entry.bit else 0)
