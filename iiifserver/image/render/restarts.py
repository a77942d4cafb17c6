"""JPEGs with restarts: their data may be entered behind each, where all means begin at none again.

A decoder counts restarts by eight, and refuses one that it does not expect. So sections begin
behind the last of eight, and nothing of what follows has to be changed.

ITU-T T.81, B.2.1, E.1.4 and F.1.1.5.1: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .baseline import RESTARTS, Baseline
from .entropy import Entry
from .pieces import EOI, MOST_BYTES, Decoded, Found, Picture, decoded, number_of
from .sections import Section

if TYPE_CHECKING:
    from .pieces import Samples

_READ_BYTES = 4 << 20
_ONES, _STUFFED, _FIRST, _LAST, _END = 0xFF, 0x00, 0xD0, 0xD7, 0xD9


class Part(NamedTuple):
    """A section, the byte of the file at which its data end, and how many MCUs it has."""

    section: Section
    end: int
    mcus: int


def by_restarts(
    file: int, jpeg: Baseline, picture: Picture, pool: ThreadPoolExecutor
) -> tuple[Section, ...] | None:
    """Lay down the pieces of the open *file*, and return the sections behind the first one.

    None where its restarts are not those that have to be there, or too few.
    """
    found = parts(file, jpeg, number_of(file, jpeg))
    if len(found) < 2 or any(each.end - each.section.entry.byte > MOST_BYTES for each in found):
        return None

    def shown(part: Part) -> Samples:
        start, rows = part.section.entry.byte, -(-part.mcus // jpeg.columns)
        return decoded(jpeg, rows, os.pread(file, part.end - start, start), EOI)

    for part, samples in zip(found, pool.map(shown, found), strict=True):
        means = part.section.means
        picture.lay_down(part.section, Decoded(samples, 0, means), Found(part.mcus, means))
    return tuple(each.section for each in found[1:])


def parts(file: int, jpeg: Baseline, count: int) -> list[Part]:
    """Return the data in *count* parts or less, of about as many bytes.

    None of them where a restart is not the one that has to be there, or the end of the image is not
    written behind them.
    """
    size_bytes = os.fstat(file).st_size - jpeg.start
    targets = [jpeg.start + size_bytes * number // count for number in range(count - 1, 0, -1)]
    none = (0,) * len(jpeg.components)
    begun, found = Section(Entry(jpeg.start, 0), 0, none), list[Part]()
    for number, (at, code) in enumerate(_markers(file, jpeg.start)):
        if code != _FIRST + number % RESTARTS:
            if code != _END or number != -(-jpeg.mcus // jpeg.interval) - 1:
                return []
            return [*found, Part(begun, at, jpeg.mcus - begun.mcu)]
        if targets and at >= targets[-1] and code == _LAST:
            section = Section(Entry(at + 2, 0), (number + 1) * jpeg.interval, none)
            found.append(Part(begun, at, section.mcu - begun.mcu))
            begun = section
            while targets and at >= targets[-1]:
                targets.pop()
    return []


def _markers(file: int, at: int) -> Iterator[tuple[int, int]]:
    """Yield where markers stand in the data from the byte *at* on, and their codes."""
    before = b""
    while piece := os.pread(file, _READ_BYTES, at):
        data = np.frombuffer(before + piece, np.uint8)
        first = at - len(before)
        ones = np.flatnonzero(data[:-1] == _ONES)
        codes = data[ones + 1]
        marked = (codes != _STUFFED) & (codes != _ONES)
        places = (ones[marked] + first).tolist()
        yield from zip(places, codes[marked].tolist(), strict=True)
        at += len(piece)
        before = piece[-1:]
