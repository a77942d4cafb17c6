"""Large JPEGs at an eighth, by two cores: the second half is decoded beside the first.

A scan of hundreds of megapixels has no pyramid yet when its overview is asked for, and nothing can
be shown before all of it was decoded. At an eighth a pixel is the mean of a block. That of luma is
decoded by two thirds of its quantizer (`entropy`): it is off by three quarters of a level at most.
docs/decisions/0019-the-middle-of-a-jpeg.md
"""

from __future__ import annotations

import contextlib
import mmap
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyvips
import simplejpeg

from .baseline import Baseline, Component, baseline
from .colour import from_ycbcr
from .entropy import Mark, entry, mark, prelude, tail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.uint8]

SCALE = 8
_EOI = b"\xff\xd9"
_HEAD_BYTES = _KEPT_BYTES = 1 << 20
_LOOKED_AT_BYTES = 32 << 10
_PLACES = 4
_GRAY = 128
"""What a decoder shows where there are no data: the mean of all samples."""
_UNCERTAIN = 2
_GRAY_AT_END = 64
_STRIP = 64  # rows, which both sizes of an MCU divide
_LET_GO_S = 0.05
_COLOURS = {1: "gray", 3: "rgb"}
_HIGHEST = 255


class _Half(NamedTuple):
    """One half of the data, *start* to *end* of the file, and what stands around it as a stream.

    The MCUs and means *before* it are not of the picture.
    """

    before: bytes
    start: int
    end: int
    after: bytes
    mcus: int
    means: tuple[int, ...]


class _Found(NamedTuple):
    """How many MCUs the first half has, and the mean at its end, of each component."""

    mcus: int
    means: tuple[int, ...]


def read_by_two(path: Path, width: int, height: int) -> Samples | None:
    """Return the JPEG *path* at an eighth: *height* rows of *width* pixels, gray or RGB.

    None where it is decoded as quickly from its beginning, or only so.
    """
    if (os.cpu_count() or 1) < 2:
        return None
    try:
        return _read(path, width, height)
    except (OSError, ValueError, MemoryError, RuntimeError, pyvips.Error):
        # one decoder takes less memory, and no threads; or says what is wrong
        return None


def _read(path: Path, width: int, height: int) -> Samples | None:
    with path.open("rb", buffering=0) as file:
        jpeg = baseline(os.pread(file.fileno(), _HEAD_BYTES, 0))
        halves = jpeg and _halved(file.fileno(), jpeg)
    if not jpeg or not halves:
        return None
    with ThreadPoolExecutor(len(halves)) as threads:
        first, second = threads.map(partial(_decoded, path, jpeg), halves)
        found, skipped = _ending(first, jpeg, mark(jpeg)), halves[1].mcus
        if (
            not found
            or found.mcus < skipped
            or not _is_right(second, jpeg, skipped + jpeg.mcus - found.mcus)
        ):
            return None
        more = [mean - before for mean, before in zip(found.means, halves[1].means, strict=True)]
        means = (halves[0].means, more)
        first, second = threads.map(partial(_levels, jpeg), (first, second), means)
    return _joined(first, second, jpeg, found, skipped)[:height, :width]


def _halved(file: int, jpeg: Baseline) -> tuple[_Half, _Half] | None:
    """Return both halves of the data, about as long; None where no place is found to divide it."""
    size_bytes = os.fstat(file).st_size
    middle = (jpeg.start + size_bytes) // 2
    for at in range(middle, middle + _PLACES * _LOOKED_AT_BYTES, _LOOKED_AT_BYTES):
        data = os.pread(file, _LOOKED_AT_BYTES, at)
        found = entry(jpeg, data, at)
        before = prelude(jpeg, data[found.byte - at], found.bit) if found else None
        if found and before and len(jpeg.head) <= jpeg.start:
            byte, bit = found
            if not _ends(file, byte):
                return None
            last = data[byte - at]
            # a byte that both have is written for both: what is stuffed behind it is not read
            beyond = byte + (1 + (last == 0xFF) if bit else 0)
            after = tail(jpeg, last, bit, mark(jpeg))
            nothing = (0,) * len(jpeg.components)
            return (
                _Half(jpeg.head, jpeg.start, byte, after, 0, nothing),
                _Half(jpeg.head + before.written, beyond, size_bytes, b"", *before[1:]),
            )
    return None


def _ends(file: int, at: int) -> bool:
    """Return whether the end of an image is written behind the byte *at*: else it is cut off."""
    with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as data:
        return data.rfind(_EOI, at) >= 0


def _decoded(path: Path, jpeg: Baseline, half: _Half) -> Samples:
    """Return the rows of a half that has samples of its components; it is gray behind them."""
    rows, columns = jpeg.rows * jpeg.down, jpeg.columns * jpeg.across
    colours = _COLOURS[len(jpeg.components)]
    with path.open("rb", buffering=0) as file, _written(file.fileno(), half) as data:
        samples: Samples = simplejpeg.decode_jpeg(
            data, colours, min_height=rows, min_width=columns, min_factor=SCALE, strict=False
        )
    bottom = rows
    while bottom > _STRIP and (samples[bottom - _STRIP : bottom] == _GRAY).all():
        bottom -= _STRIP
    return samples[:bottom]


@contextlib.contextmanager
def _written(file: int, half: _Half) -> Iterator[memoryview]:
    """Have a half in memory as one stream; of the file it is mapped, and what is not its own.

    What was read of a file that is mapped counts as memory of this process: it is let go again.
    """
    first = half.start - len(half.before)
    aligned = first - first % mmap.ALLOCATIONGRANULARITY
    length = half.end + len(half.after) - aligned
    with mmap.mmap(file, length, access=mmap.ACCESS_COPY, offset=aligned) as data:
        data[first - aligned : half.start - aligned] = half.before
        data[half.end - aligned :] = half.after
        over = threading.Event()
        thread = threading.Thread(target=_let_go, args=(data, half.end - aligned, over))
        thread.start()
        try:
            with memoryview(data) as view, view[first - aligned :] as stream:
                yield stream
        finally:
            over.set()
            thread.join()


def _let_go(data: mmap.mmap, end: int, over: threading.Event) -> None:
    """Let go of what is read of the file, but of nothing that was written over it."""
    first, last = _KEPT_BYTES, end - end % mmap.PAGESIZE
    while first < last and not over.wait(_LET_GO_S):
        data.madvise(mmap.MADV_DONTNEED, first, last - first)


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


def _ending(first: Samples, jpeg: Baseline, ending: Mark) -> _Found | None:
    """Return what the mark behind the first half tells."""
    shown = _Shown.of(first, jpeg)
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
    near = (int(shown[0]) - _GRAY) * SCALE // component.coarser
    beside = SCALE // component.coarser + 2
    fitting = [
        mean
        for mean in range(near - beside, near + beside + 1)
        if all(
            _GRAY + ((mean + step) * component.coarser + SCALE // 2 >> 3) == level
            for step, level in zip(steps, shown.tolist(), strict=True)
        )
    ]
    return fitting[0] if len(fitting) == 1 else None


def _is_right(second: Samples, jpeg: Baseline, count: int) -> bool:
    """Return whether the second half has *count* MCUs, and no sample that is cut off.

    Some at its end may be as gray as if there were no data for them.
    """
    row, column = divmod(count, jpeg.columns)
    top, left = row * jpeg.down, column * jpeg.across
    # a decoder may show one MCU more, of bits that are not there
    second[top : top + jpeg.down, left : left + jpeg.across] = _GRAY
    whole = second.min() > 0 and second.max() < _HIGHEST
    return whole and count - _GRAY_AT_END <= _Shown.of(second, jpeg).last + 1 <= count


def _joined(first: Samples, second: Samples, jpeg: Baseline, found: _Found, before: int) -> Samples:
    """Return the picture, MCUs of both halves in their places."""
    row, column = divmod(found.mcus, jpeg.columns)
    # the second half begins at the left, wherever it belongs
    moved_rows, moved_columns = divmod(found.mcus - before, jpeg.columns)
    top, left = row * jpeg.down, column * jpeg.across
    start, moved = moved_rows * jpeg.down, moved_columns * jpeg.across
    whole = np.empty((jpeg.rows * jpeg.down, *second.shape[1:]), np.uint8)
    width = second.shape[1]
    rows = second[: len(whole) - start]
    whole[start : start + len(rows), moved:] = rows[:, : width - moved]
    rows = second[: len(whole) - start - jpeg.down]
    whole[start + jpeg.down :][: len(rows), :moved] = rows[:, width - moved :]
    whole[:top] = first[:top]
    whole[top : top + jpeg.down, :left] = first[top : top + jpeg.down, :left]
    return whole


def _levels(jpeg: Baseline, samples: Samples, means: Sequence[int]) -> Samples:
    """Return *samples*, coarse and from other means, as they are *means* later; as RGB."""
    shown = np.arange(_HIGHEST + 1) - _GRAY
    tables = []
    for each, mean in zip(jpeg.components, means, strict=True):
        # a decoder rounds halves up: a sample stands for means that are less, on average
        coded = np.arange(SCALE) * each.coarser
        more = ((coded + SCALE // 2 >> 3) * SCALE - coded).mean()
        coarse = (shown * SCALE - more) / each.coarser
        tables.append(_GRAY + (coarse + mean) * each.quantizer / SCALE)
    levels = np.rint(np.stack(tables, -1)).clip(0, 255).astype(np.uint8)[None]
    image = pyvips.Image.new_from_array(samples).maplut(pyvips.Image.new_from_array(levels))
    colours: Samples = (from_ycbcr(image) if image.bands > 1 else image).numpy()
    return colours.reshape(samples.shape)
