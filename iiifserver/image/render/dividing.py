"""Large JPEGs divided into sections, and decoded at an eighth by several cores.

A scan of hundreds of megapixels has no pyramid yet when its overview is asked for, and nothing can
be shown before all of it was decoded. At an eighth a pixel is the mean of a block. That of luma is
decoded by two thirds of its quantizer (`entropy`): it is off by three quarters of a level at most.
Where each section begins is known exactly after that: see `sections`.
docs/decisions/0019-the-middle-of-a-jpeg.md
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyvips

from .baseline import Baseline, Component, baseline
from .entropy import Entry, Finder, Mark, lowest_start, mark, prelude, tail
from .pieces import (
    EOI,
    GRAY,
    HIGHEST,
    MOST_BYTES,
    SCALE,
    Decoded,
    Found,
    Picture,
    decoded,
    number_of,
    own,
)
from .restarts import by_restarts
from .sections import HEAD_BYTES, Section, divided

if TYPE_CHECKING:
    from .pieces import Samples

_MOST_THREADS = 4
_LOOKED_AT_BYTES = 2 << 10
_PLACES = 3  # that are looked at, each four times as long as the one before
_BEFORE = 64  # MCUs before a section: enough to come to any mean
_MORE_ROWS = 1.25  # than the section before had
_UNCERTAIN = 2
_GRAY_AT_END = 64
_STRIP = 64  # rows, which both sizes of an MCU divide


class Eighth(NamedTuple):
    """A JPEG at an eighth, gray or RGB, and the sections in which it was decoded."""

    samples: Samples
    sections: tuple[Section, ...]


def read_in_sections(path: Path, width: int, height: int) -> Eighth | None:
    """Return the JPEG *path* at an eighth: *height* rows of *width* pixels.

    None where only one decoder can read it, from its beginning.
    """
    try:
        return _read(path, width, height)
    except (OSError, ValueError, MemoryError, RuntimeError, pyvips.Error):
        # one decoder takes less memory, and no threads; or says what is wrong
        return None


def _read(path: Path, width: int, height: int) -> Eighth | None:
    with path.open("rb", buffering=0) as file, _threads() as pool:
        number = file.fileno()
        jpeg = baseline(os.pread(number, HEAD_BYTES, 0))
        if jpeg is None:
            return None
        picture, lay_down = Picture(jpeg), by_restarts if jpeg.interval else _by_marks
        sections = lay_down(number, jpeg, picture, pool)
        if sections is None:
            return None
    return Eighth(picture.samples()[:height, :width], sections)


def _by_marks(
    file: int, jpeg: Baseline, picture: Picture, pool: ThreadPoolExecutor
) -> tuple[Section, ...] | None:
    """Lay down the pieces of the open *file*, and return the sections behind the first one.

    None where one does not follow from the other.
    """
    decoder = _Decoder(file, jpeg)
    # where nothing is coarser, samples would be cut off unless means are known: one by one then
    alone = jpeg.is_finest
    coming = deque(
        (*ends, None if alone else pool.submit(decoder.shown, *ends)) for ends in decoder.ends()
    )
    if len(coming) < 2 or not decoder.ends_at(coming[-1][0]):
        return None
    section, sections = Section(Entry(jpeg.start, 0), 0, (0,) * len(jpeg.components)), []
    while coming:  # what has been laid down is held no longer
        entry, end, future = coming.popleft()
        section = section._replace(entry=entry)
        sections.append(section)
        shown = future.result() if future else decoder.shown(entry, end, section.means)
        found = decoder.found(section, end, shown)
        if found is None and future and section.mcu:
            shown = decoder.shown(entry, end, section.means)
            found = decoder.found(section, end, shown)
        if found is None:
            return None
        picture.lay_down(section, shown, found)
        section = _after(section, shown, found)
    return tuple(sections[1:])


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Have threads for the length of a `with`; what they have not begun by its end is left."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _after(section: Section, shown: Decoded, found: Found) -> Section:
    """Return the section that follows, but for its entry."""
    means = (
        mean + now - then
        for mean, now, then in zip(section.means, found.means, shown.means, strict=True)
    )
    return section._replace(mcu=section.mcu + found.mcus - shown.before, means=tuple(means))


class _Decoder:
    """Finds the sections of a file, and decodes them each by itself."""

    def __init__(self, file: int, jpeg: Baseline) -> None:
        self._file = file
        self._jpeg = jpeg
        self._mark = mark(jpeg)
        self._size_bytes = os.fstat(file).st_size
        self._dark = (lowest_start(jpeg.components[0]), *[0] * (len(jpeg.components) - 1))
        self._count = number_of(file, jpeg)
        self._rows = self._with_more(jpeg.rows // self._count)

    def ends(self) -> Iterator[tuple[Entry, Entry | None]]:
        """Yield where each section begins and where it ends, None for the last one; or nothing."""
        jpeg, finder = self._jpeg, Finder(self._jpeg)
        entry = Entry(jpeg.start, 0)
        length = (self._size_bytes - jpeg.start) // self._count
        if self._count < 2 or length > MOST_BYTES:
            return
        for number in range(1, self._count):
            at = jpeg.start + (self._size_bytes - jpeg.start) * number // self._count
            found = self._entry(finder, at)
            if found and found.byte > entry.byte:
                yield entry, found
                entry = found
        yield entry, None

    def _entry(self, finder: Finder, at: int) -> Entry | None:
        for times in range(_PLACES):
            length = _LOOKED_AT_BYTES << 2 * times
            found = finder.find(os.pread(self._file, length, at), at)
            if found:
                can_be_begun = prelude(self._jpeg, 0, found.bit, self._dark, _BEFORE)
                return found if can_be_begun else None
            at += length
        return None

    def ends_at(self, last: Entry) -> bool:
        """Return whether the end of the image is written behind *last*: else it is cut off."""
        data = os.pread(self._file, self._size_bytes - last.byte, last.byte)
        return data.rfind(EOI) >= 0

    def shown(
        self, entry: Entry, end: Entry | None, means: tuple[int, ...] | None = None
    ) -> Decoded:
        """Return the section from *entry* to *end*, decoded by itself.

        From its own *means*, or from those at which it is best begun if they are not known yet.
        """
        jpeg, mcus, before = self._jpeg, 0, b""
        begins: tuple[int, ...] = (0,) * len(jpeg.components)
        last, start = divided(self._file, entry)
        if entry.byte > jpeg.start:
            mcus, begins = _BEFORE, means or self._dark
            written = prelude(jpeg, last, entry.bit, begins, mcus)
            if written is None:
                raise ValueError("so few MCUs lead to no such means")
            before = written
        body, after = self._body(start, end)
        most = min(jpeg.rows + self._rows_around, jpeg.most_rows)
        rows = min(self._rows, most)
        while True:
            samples = decoded(jpeg, rows, before, body, after)
            if rows == most or (samples[-jpeg.down :] == GRAY).all():
                return Decoded(self._without_gray(samples), mcus, begins)
            rows = min(2 * rows, most)

    def _body(self, start: int, end: Entry | None) -> tuple[bytes, bytes]:
        """Return the data of a section, and what is written behind them."""
        if end is None:
            return os.pread(self._file, self._size_bytes - start, start), b""
        last, _ = divided(self._file, end)
        after = tail(self._jpeg, last, end.bit, self._mark)
        return os.pread(self._file, end.byte - start, start), after

    @property
    def _rows_around(self) -> int:
        """Rows for the MCUs before a section, for the mark, and for one that is gray."""
        return -(-(_BEFORE + self._mark.mcus) // self._jpeg.columns) + 1

    def _with_more(self, rows: int) -> int:
        return int(_MORE_ROWS * rows) + self._rows_around

    def _without_gray(self, samples: Samples) -> Samples:
        """Return *samples* without the rows at the end that have no data; others have as many."""
        down = self._jpeg.down
        there = np.flatnonzero((samples != GRAY).any(axis=(1, 2)))
        rows = int(there[-1]) // down + 2 if len(there) else 1  # one may be as gray
        self._rows = self._with_more(rows)
        return samples[: rows * down]

    def found(self, section: Section, end: Entry | None, shown: Decoded) -> Found | None:
        """Return the end of a section; None where it was not found, or a sample is cut off.

        None is cut off where it was decoded from its own means.
        """
        jpeg = self._jpeg
        left = jpeg.mcus - section.mcu + shown.before
        mark = self._mark
        found = _ending(shown.samples, jpeg, mark) if end else _last(shown.samples, jpeg, left)
        if found is None or not shown.before <= found.mcus <= left:
            return None
        samples = own(jpeg, shown, found)
        known = not section.mcu or shown.means == section.means
        whole = known or not samples.size or 0 < samples.min() <= samples.max() < HIGHEST
        return found if whole else None


# -- where a section ends


class _Shown(NamedTuple):
    """The last MCUs that a decoder shows, a row for each, and the number of the first of them."""

    mcus: Samples
    first: int

    @classmethod
    def of(cls, samples: Samples, jpeg: Baseline) -> _Shown:
        """Return the last ones in *samples*: of each the mean of its first block."""
        top = max(len(samples) - 2 * _STRIP, 0) // jpeg.down * jpeg.down
        mcus = samples[top :: jpeg.down, :: jpeg.across].reshape(-1, samples.shape[2])
        return cls(mcus, top // jpeg.down * jpeg.columns)

    @property
    def last(self) -> int:
        """The number of the last one that is not gray, or of the one before all of these."""
        there = np.flatnonzero(self.mcus.ravel() != GRAY)
        return self.first + (int(there[-1]) // self.mcus.shape[1] if len(there) else -1)


def _ending(samples: Samples, jpeg: Baseline, ending: Mark) -> Found | None:
    """Return what the mark behind a section tells."""
    shown = _Shown.of(samples, jpeg)
    # a decoder may show one MCU more, of bits that are not there
    for end in range(shown.last + _UNCERTAIN, shown.last - _UNCERTAIN, -1):
        count = end - ending.mcus
        levels = shown.mcus[max(count - shown.first, 0) : end - shown.first]
        if len(levels) == ending.mcus:
            means = [
                _mean(levels[:, number], each, ending.means[number])
                for number, each in enumerate(jpeg.components)
            ]
            if None not in means:
                return Found(count, tuple(mean for mean in means if mean is not None))
    return None


def _mean(shown: Samples, component: Component, steps: tuple[int, ...]) -> int | None:
    """Return the mean before *steps*, after which a decoder shows *shown*."""
    whole = np.flatnonzero((shown > 0) & (shown < HIGHEST))
    first = int(whole[0]) if len(whole) else 0
    near = (int(shown[first]) - GRAY) * SCALE // component.coarser - steps[first]
    beside = SCALE // component.coarser + 2
    means = np.arange(near - beside, near + beside + 1)
    coded = (means[:, None] + np.asarray(steps)) * component.coarser
    levels = (GRAY + (coded + SCALE // 2 >> 3)).clip(0, HIGHEST)
    fitting = means[(levels == shown).all(axis=1)]
    return int(fitting[0]) if len(fitting) == 1 else None


def _last(samples: Samples, jpeg: Baseline, count: int) -> Found | None:
    """Return the end of the last section if it has *count* MCUs, as it has to.

    Some at its end may be as gray as if there were no data for them. Its means nobody needs.
    """
    row, column = divmod(count, jpeg.columns)
    top, left = row * jpeg.down, column * jpeg.across
    # a decoder may show one MCU more, of bits that are not there
    samples[top : top + jpeg.down, left : left + jpeg.across] = GRAY
    shown = _Shown.of(samples, jpeg).last + 1
    nothing = (0,) * len(jpeg.components)
    return Found(count, nothing) if count - _GRAY_AT_END <= shown <= count else None
