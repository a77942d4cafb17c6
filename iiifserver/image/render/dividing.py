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
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyvips
import simplejpeg

from .baseline import Baseline, Component, baseline
from .entropy import Entry, Finder, Mark, lowest_start, mark, prelude, tail
from .sections import HEAD_BYTES, Section, divided

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.uint8]

SCALE = 8
_EOI = b"\xff\xd9"
_SECTION_BYTES = 1 << 20
_MOST_SECTIONS = 64
_MOST_SECTION_BYTES = 64 << 20  # what is larger is no picture of those that are divided
_MOST_THREADS = 4
_LOOKED_AT_BYTES = 2 << 10
_PLACES = 3  # that are looked at, each four times as long as the one before
_BEFORE = 64  # MCUs before a section: enough to come to any mean
_MORE_ROWS = 1.25  # than the section before had
_GRAY = 128
"""What a decoder shows where there are no data: the mean of all samples."""
_UNCERTAIN = 2
_GRAY_AT_END = 64
_STRIP = 64  # rows, which both sizes of an MCU divide
_COLOURS = {1: "gray", 3: "rgb"}
_HIGHEST = 255
# of both chroma, in red, green and blue: ITU-T T.871, 7
_SHARES = ((0, 1.402), (-0.344136, -0.714136), (1.772, 0))
_FRACTION_BITS = 6  # of a level, of which there are less than 512
_FRACTION = 1 << _FRACTION_BITS


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


class _Decoded(NamedTuple):
    """The samples of a section, of luma and chroma, decoded from some *means*; gray behind its end.

    So many MCUs *before* it are not of the picture.
    """

    samples: Samples
    before: int
    means: tuple[int, ...]


class _Found(NamedTuple):
    """How many MCUs a decoder has shown before the end, and the mean there of each component."""

    mcus: int
    means: tuple[int, ...]


def _read(path: Path, width: int, height: int) -> Eighth | None:
    with path.open("rb", buffering=0) as file, _threads() as pool:
        number = file.fileno()
        jpeg = baseline(os.pread(number, HEAD_BYTES, 0))
        if jpeg is None:
            return None
        decoder, picture = _Decoder(number, jpeg), _Picture(jpeg)
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
    return Eighth(picture.samples()[:height, :width], tuple(sections[1:]))


@contextlib.contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Have threads for the length of a `with`; what they have not begun by its end is left."""
    with ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


def _after(section: Section, shown: _Decoded, found: _Found) -> Section:
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
        count = (self._size_bytes - jpeg.start) // _SECTION_BYTES
        self._count = max(1, min(count, _MOST_SECTIONS))
        self._rows = self._with_more(jpeg.rows // self._count)

    def ends(self) -> Iterator[tuple[Entry, Entry | None]]:
        """Yield where each section begins and where it ends, None for the last one; or nothing."""
        jpeg, finder = self._jpeg, Finder(self._jpeg)
        entry = Entry(jpeg.start, 0)
        length = (self._size_bytes - jpeg.start) // self._count
        if self._count < 2 or length > _MOST_SECTION_BYTES:
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
        return data.rfind(_EOI) >= 0

    def shown(
        self, entry: Entry, end: Entry | None, means: tuple[int, ...] | None = None
    ) -> _Decoded:
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
            samples: Samples = simplejpeg.decode_jpeg(
                b"".join((jpeg.head(rows), before, body, after)),
                _COLOURS[len(jpeg.components)],
                min_height=rows * jpeg.down,
                min_width=jpeg.columns * jpeg.across,
                min_factor=SCALE,
                strict=False,
            )
            if rows == most or (samples[-jpeg.down :] == _GRAY).all():
                return _Decoded(self._without_gray(samples), mcus, begins)
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
        there = np.flatnonzero((samples != _GRAY).any(axis=(1, 2)))
        rows = int(there[-1]) // down + 2 if len(there) else 1  # one may be as gray
        self._rows = self._with_more(rows)
        return samples[: rows * down]

    def found(self, section: Section, end: Entry | None, shown: _Decoded) -> _Found | None:
        """Return the end of a section; None where it was not found, or a sample is cut off.

        None is cut off where it was decoded from its own means.
        """
        jpeg = self._jpeg
        left = jpeg.mcus - section.mcu + shown.before
        mark = self._mark
        found = _ending(shown.samples, jpeg, mark) if end else _last(shown.samples, jpeg, left)
        if found is None or not shown.before <= found.mcus <= left:
            return None
        own = _own(jpeg, shown, found)
        known = not section.mcu or shown.means == section.means
        whole = known or not own.size or 0 < own.min() <= own.max() < _HIGHEST
        return found if whole else None


def _own(jpeg: Baseline, shown: _Decoded, found: _Found) -> Samples:
    """Return what a section has of the picture, MCU after MCU, a row of it for each of blocks."""
    samples = shown.samples
    lines = samples.reshape(-1, jpeg.down, *samples.shape[1:]).transpose(1, 0, 2, 3)
    in_order = np.ascontiguousarray(lines).reshape(jpeg.down, -1, samples.shape[2])
    return in_order[:, shown.before * jpeg.across : found.mcus * jpeg.across]


class _Picture:
    """A picture at an eighth, whose sections come one after the other."""

    def __init__(self, jpeg: Baseline) -> None:
        self._jpeg = jpeg
        bands = len(jpeg.components)
        self._mcus = np.empty((jpeg.down, jpeg.mcus * jpeg.across, bands), np.uint8)

    def lay_down(self, section: Section, shown: _Decoded, found: _Found) -> None:
        """Put a section into its place, as bright as it is there."""
        own, start = _own(self._jpeg, shown, found), section.mcu * self._jpeg.across
        if own.size:
            more = [mean - then for mean, then in zip(section.means, shown.means, strict=True)]
            self._mcus[:, start : start + own.shape[1]] = _levels(self._jpeg, own, more)

    def samples(self) -> Samples:
        """Return all rows, the last MCUs of each whole."""
        jpeg = self._jpeg
        lines = self._mcus.reshape(jpeg.down, jpeg.rows, jpeg.columns * jpeg.across, -1)
        rows = np.ascontiguousarray(lines.transpose(1, 0, 2, 3))
        return rows.reshape(jpeg.rows * jpeg.down, *lines.shape[2:])


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
        there = np.flatnonzero(self.mcus.ravel() != _GRAY)
        return self.first + (int(there[-1]) // self.mcus.shape[1] if len(there) else -1)


def _ending(samples: Samples, jpeg: Baseline, ending: Mark) -> _Found | None:
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
                return _Found(count, tuple(mean for mean in means if mean is not None))
    return None


def _mean(shown: Samples, component: Component, steps: tuple[int, ...]) -> int | None:
    """Return the mean before *steps*, after which a decoder shows *shown*."""
    whole = np.flatnonzero((shown > 0) & (shown < _HIGHEST))
    first = int(whole[0]) if len(whole) else 0
    near = (int(shown[first]) - _GRAY) * SCALE // component.coarser - steps[first]
    beside = SCALE // component.coarser + 2
    means = np.arange(near - beside, near + beside + 1)
    coded = (means[:, None] + np.asarray(steps)) * component.coarser
    levels = (_GRAY + (coded + SCALE // 2 >> 3)).clip(0, _HIGHEST)
    fitting = means[(levels == shown).all(axis=1)]
    return int(fitting[0]) if len(fitting) == 1 else None


def _last(samples: Samples, jpeg: Baseline, count: int) -> _Found | None:
    """Return the end of the last section if it has *count* MCUs, as it has to.

    Some at its end may be as gray as if there were no data for them. Its means nobody needs.
    """
    row, column = divmod(count, jpeg.columns)
    top, left = row * jpeg.down, column * jpeg.across
    # a decoder may show one MCU more, of bits that are not there
    samples[top : top + jpeg.down, left : left + jpeg.across] = _GRAY
    shown = _Shown.of(samples, jpeg).last + 1
    nothing = (0,) * len(jpeg.components)
    return _Found(count, nothing) if count - _GRAY_AT_END <= shown <= count else None


def _levels(jpeg: Baseline, samples: Samples, means: Sequence[int]) -> Samples:
    """Return *samples*, coarse and from other means, as they are *means* later; as RGB."""
    shown = np.arange(_HIGHEST + 1) - _GRAY
    exact = []  # but whole and cut off, as those of a decoder are
    for each, mean in zip(jpeg.components, means, strict=True):
        # a decoder rounds halves up: a sample stands for means that are less, on average
        coded = np.arange(SCALE) * each.coarser
        more = ((coded + SCALE // 2 >> 3) * SCALE - coded).mean()
        coarse = (shown * SCALE - more) / each.coarser
        levels = np.rint((coarse + mean) * each.quantizer / SCALE)
        exact.append(levels.clip(-_GRAY, _HIGHEST - _GRAY))
    planes = np.ascontiguousarray(samples.reshape(-1, samples.shape[-1]).T)
    luma = _fixed(exact[0] + _GRAY).take(planes[0])
    if len(exact) == 1:
        mixed = luma[:, None]
    else:
        parts = [
            [(share, plane) for share, plane in zip(shares, (1, 2), strict=True) if share]
            for shares in _SHARES
        ]
        colours = [
            sum((_fixed(share * exact[plane]).take(planes[plane]) for share, plane in part), luma)
            for part in parts
        ]
        mixed = np.stack(colours, -1)
    rounded: Samples = (mixed + _FRACTION // 2 >> _FRACTION_BITS).clip(0, _HIGHEST).astype(np.uint8)
    return rounded.reshape(samples.shape)


def _fixed(levels: NDArray[np.float64]) -> NDArray[np.int16]:
    """Return *levels* as whole numbers with a fraction."""
    fixed: NDArray[np.int16] = np.rint(levels * _FRACTION).astype(np.int16)
    return fixed
