"""The entropy-coded data of a baseline JPEG: entered in its midst, and left there.

A JPEG is decoded from its beginning: where a block begins is known when the one before has ended,
and its mean (DC) is told as the difference to that of the one before. But a decoder that begins
anywhere falls into step with the data after a while, as Huffman codes do. So a place where an MCU
begins is found by several decoders that come to agree, and streams are written that end and that
begin there: one core can decode what follows while another decodes what comes before. How many
MCUs there were, and the means at the end, are read from a *mark*, MCUs that are put there.

ITU-T T.81, F.1.2 and F.2.2: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .baseline import BLOCK, END_OF_BLOCK, RESTARTS, Baseline, Code, Component

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]

_EOI = b"\xff\xd9"
_SIXTEEN_ZEROS, _FIRST_RESTART = 0xF0, 0xD0
_MOST_LEADING_BYTES = 16 << 20
_LARGEST_DC, _LARGEST_AC = 11, 10  # bits of a difference and of a coefficient, of 8-bit samples
_PEEK = 16  # bits of the longest code
_STARTS = 4
_MOST_TIMES = 6  # as much as there is may be decoded before it is given up
_WALK = 8
_MARKS = (1, -1, 1, -1)
_ABOVE = 12  # levels
_HIGHEST_MARK, _ASIDE = 320, 800  # of means, eight of which are a level


class Entry(NamedTuple):
    """Where an MCU begins: a byte of the file, and how many of its bits belong to what precedes."""

    byte: int
    bit: int


class Mark(NamedTuple):
    """What is written behind a section: for each component, how the mean goes up and down."""

    means: tuple[tuple[int, ...], ...]

    @property
    def mcus(self) -> int:
        """How many MCUs it has."""
        return len(self.means[0])


# -- where an MCU begins


class Finder:
    """Finds where MCUs of a picture begin."""

    def __init__(self, jpeg: Baseline) -> None:
        self._blocks = _lookups(jpeg)
        self._luma = jpeg.components[0].across * jpeg.components[0].down

    def find(self, data: bytes, at: int) -> Entry | None:
        """Return a place in *data*, which lies at byte *at* of the file, where an MCU begins.

        Of all that are found the one that follows the brightest: so what follows is, for the most
        part, not much brighter than where it begins. None where decoders that begin in several
        places do not come to agree.
        """
        coded, places = _unstuffed(data)
        end = 8 * (len(coded) - _PEEK)
        if end <= 0:
            return None
        windows = _windows(coded)
        agreed: dict[int, int] = {}
        met, left = 0, _MOST_TIMES * end
        for number in range(_STARTS):
            start = 8 * (end * number // _STARTS // 16)
            while left > 0 and start < end:
                found = _mcus(windows, self._blocks, self._luma, start, end, agreed)
                last = next(reversed(found))
                left -= last - start
                if last >= end or last in agreed:
                    break
                start += 8
            else:
                return None
            if number and last not in agreed:
                return None
            met = max(met, last) if number else 0
            agreed = agreed or found
        brightest = max(
            (bit for bit in agreed if met <= bit < end), key=agreed.__getitem__, default=None
        )
        if brightest is None:
            return None
        return Entry(at + int(places[brightest >> 3]), brightest & 7)


def _windows(coded: Bytes) -> list[int]:
    """Return the 40 bits that begin with each byte: a code and what follows it lie in them."""
    found = np.zeros(len(coded) - 4, np.int64)
    for each in range(5):
        found |= coded[each : len(found) + each].astype(np.int64) << 32 - 8 * each
    windows: list[int] = found.tolist()
    return windows


def _unstuffed(data: bytes) -> tuple[Bytes, NDArray[np.int64]]:
    """Return the coded bytes in *data*, up to a marker, and where each of them lies."""
    raw = np.frombuffer(data, np.uint8)
    follows = np.zeros(len(raw), bool)  # a byte of ones: it is a zero then, or names a marker
    follows[1:] = raw[:-1] == 0xFF
    follows[:1] = raw[:1] == 0
    markers = np.flatnonzero(follows & (raw != 0))
    places = np.flatnonzero(~follows[: markers[0] - 1 if len(markers) else None])
    return raw[places], places


def _lookups(jpeg: Baseline) -> list[tuple[list[int], list[int]]]:
    """Return the tables of each block of an MCU, of its mean and of what follows."""
    tables: dict[int, list[int]] = {}
    blocks = []
    for each in jpeg.components:
        for codes, valid in ((each.dc, _means()), (each.ac, _coefficients())):
            if id(codes) not in tables:
                tables[id(codes)] = _lookup(codes, valid)
        both = tables[id(each.dc)], tables[id(each.ac)]
        blocks += [both] * (each.across * each.down)
    return blocks


def _means() -> dict[int, tuple[int, int]]:
    """Return the bits that follow each symbol of a mean, twice."""
    return {size: (size, size) for size in range(_LARGEST_DC + 1)}


def _coefficients() -> dict[int, tuple[int, int]]:
    """Return the bits that follow each other symbol, and by how many coefficients it goes on.

    The end of a block goes on beyond all others.
    """
    sizes = range(1, _LARGEST_AC + 1)
    coded = {run << 4 | size: (size, run + 1) for run in range(16) for size in sizes}
    return coded | {_SIXTEEN_ZEROS: (0, 16), END_OF_BLOCK: (0, 2 * BLOCK)}


def _lookup(codes: dict[int, Code], valid: dict[int, tuple[int, int]]) -> list[int]:
    """Return what each 16 bits begin with: its bits, times 256, and what is *valid* says of it.

    0 where that is no symbol.
    """
    table = [0] * (1 << _PEEK)
    for symbol, (value, bits) in codes.items():
        if symbol in valid:
            more, what = valid[symbol]
            first, count = value << _PEEK - bits, 1 << _PEEK - bits
            table[first : first + count] = [(bits + more) << 8 | what] * count
    return table


def _mcus(
    windows: list[int],
    blocks: list[tuple[list[int], list[int]]],
    luma: int,
    bit: int,
    end: int,
    known: Mapping[int, int],
) -> dict[int, int]:
    """Return the bits where MCUs begin, decoded from *bit* on: up to *end*, or to one *known*.

    And the mean of luma before each of them, of which an MCU has so many blocks. It ends early
    where something is no code.
    """
    found: dict[int, int] = {}
    mean = 0
    while True:
        found[bit] = mean
        if bit >= end or bit in known:
            return found
        for number, (dc, ac) in enumerate(blocks):
            window, within = windows[bit >> 3], 24 - (bit & 7)
            entered = dc[window >> within & 0xFFFF]
            if not entered:
                return found
            if number < luma and (size := entered & 0xFF):
                value = window >> 16 + within - (entered >> 8) & (1 << size) - 1
                mean += value if value >> size - 1 else value + 1 - (1 << size)
            bit += entered >> 8
            at = 1
            while at < BLOCK and bit < end:
                entered = ac[windows[bit >> 3] >> 24 - (bit & 7) & 0xFFFF]
                if not entered:
                    return found
                bit += entered >> 8
                at += entered & 0xFF
            if BLOCK < at < 2 * BLOCK:
                return found
            if bit >= end:
                break


# -- streams that end there, and that begin there


class _Bits:
    """Bits as they are written, from the left."""

    def __init__(self) -> None:
        self._value = 0
        self.count = 0

    def add(self, code: Code) -> None:
        self._value = self._value << code.bits | code.value
        self.count += code.bits

    @property
    def code(self) -> Code:
        """All of them as one code."""
        return Code(self._value, self.count)

    def stuffed(self) -> bytes:
        """Return whole bytes, the last one filled up with ones, as they stand in a stream."""
        left = -self.count % 8
        value = (self._value + 1 << left) - 1
        whole = value.to_bytes((self.count + left) // 8, "big")
        return whole.replace(b"\xff", b"\xff\0")


def mark(jpeg: Baseline) -> Mark:
    """Return MCUs whose decoded means tell the mean before them, of each component.

    It goes up by one until a decoder that divides means by eight shows each of its remainders, and
    at the end up and down by much, as no picture does there. Where samples may be as bright or dark
    as can be, it goes up by ones twice: well below the mean before, and well above.
    """
    parts = []
    for each in jpeg.components:
        steps = -(-_WALK // each.coarser)
        ups = [1 if step < steps else 0 for step in range(_WALK)]
        aside = 0 if each.coarser < each.quantizer else _ASIDE // each.coarser
        parts.append([*_climb(each, -aside), *ups, *_climb(each, 2 * aside), *ups])
    luma, *_ = jpeg.components
    highest = min(_HIGHEST_MARK // luma.coarser, (1 << max(_sizes(luma))) - 1)
    length = max(map(len, parts))
    means = []
    for number, part in enumerate(parts):
        marks = [sign * max(highest, 1) if number == 0 else 0 for sign in _MARKS]
        means.append(tuple(itertools.accumulate(part + [0] * (length - len(part)) + marks)))
    return Mark(tuple(means))


def _sizes(component: Component) -> list[int]:
    """Return the sizes of differences, in bits, that have a code: without a gap from 1 on."""
    return list(itertools.takewhile(lambda size: size in component.dc, range(1, _LARGEST_DC + 1)))


def tail(jpeg: Baseline, last: int, bit: int, ending: Mark) -> bytes:
    """Return what follows the whole bytes of a section: the rest of its bits, and the mark.

    The first *bit* bits of the byte *last* are of the section.
    """
    bits = _Bits()
    if bit:
        bits.add(Code(last >> 8 - bit, bit))
    before = (0,) * len(jpeg.components)
    for now in zip(*ending.means, strict=True):
        bits.add(_mcu(jpeg, [mean - then for mean, then in zip(now, before, strict=True)], None))
        before = now
    return bits.stuffed() + _EOI


def _add_blocks(
    bits: _Bits, component: Component, difference: int, symbol: int | None = None
) -> None:
    """Add the blocks of an MCU: of one mean, which differs so from that before.

    The first one has one more coefficient, that of *symbol*, if there is one.
    """
    for left in [difference, *[0] * (component.across * component.down - 1)]:
        size = abs(left).bit_length()
        bits.add(component.dc[size])
        bits.add(Code(left if left >= 0 else left + (1 << size) - 1, size))
        if symbol is not None:
            bits.add(component.ac[symbol])
            bits.add(Code(0, symbol & 15))
            symbol = None
        bits.add(component.ac[END_OF_BLOCK])


def prelude(jpeg: Baseline, first: int, bit: int, means: Sequence[int], mcus: int) -> bytes | None:
    """Return so many MCUs, to precede an entry, after which the components have these means.

    Their bits fill what precedes *bit* in the byte *first*, which is the last one of what is
    returned. None where the codes allow none. Where there are restarts they are written too, eight
    and eight: there the means are none, and an entry is behind the last of them.
    """
    if jpeg.interval:
        return None if bit else _intervals(jpeg, mcus)
    luma, *_ = jpeg.components
    steps = [_climb(each, mean) for each, mean in zip(jpeg.components, means, strict=True)]
    climbing = list(itertools.zip_longest(*steps, fillvalue=0))
    nothing = (0,) * len(jpeg.components)
    resting = mcus - len(climbing)
    flat = _mcu(jpeg, nothing, None)
    count = sum(_mcu(jpeg, each, None).bits for each in climbing) + resting * flat.bits
    symbols = _longer(luma, (bit - count) % 8)
    if symbols is None or len(symbols) > resting:
        return None
    bits = _Bits()
    for each in climbing:
        bits.add(_mcu(jpeg, each, None))
    for symbol in symbols:
        bits.add(_mcu(jpeg, nothing, symbol))
    bits.add(_repeated(flat, resting - len(symbols)))
    if bit:
        bits.add(Code(first & (1 << 8 - bit) - 1, 8 - bit))
    return bits.stuffed()


def _intervals(jpeg: Baseline, mcus: int) -> bytes | None:
    """Return so many MCUs of no mean with their restarts; None where these are not by eights.

    None, too, for so many that it is quicker to decode what they stand for.
    """
    times, rest = divmod(mcus, RESTARTS * jpeg.interval)
    one = _mcu(jpeg, (0,) * len(jpeg.components), None)
    if rest or mcus * one.bits > 8 * _MOST_LEADING_BYTES:
        return None
    flat = _Bits()
    flat.add(_repeated(one, jpeg.interval))
    between = flat.stuffed()
    markers = [bytes([0xFF, _FIRST_RESTART + number]) for number in range(RESTARTS)]
    return b"".join(between + marker for marker in markers) * times


def _climb(component: Component, mean: int) -> list[int]:
    """Return differences that lead from none to *mean*."""
    highest = (1 << max(_sizes(component))) - 1
    whole, rest = divmod(abs(mean), highest)
    sign = 1 if mean > 0 else -1
    return [sign * highest] * whole + ([sign * rest] if rest else [])


def _mcu(jpeg: Baseline, differences: Sequence[int], symbol: int | None) -> Code:
    """Return an MCU of one mean for each component, which differs so from that before.

    The first block has one more coefficient, that of *symbol*, if there is one: where nobody looks
    at it, that makes an MCU longer.
    """
    bits = _Bits()
    for each, difference in zip(jpeg.components, differences, strict=True):
        _add_blocks(bits, each, difference, symbol if each is jpeg.components[0] else None)
    return bits.code


def _longer(component: Component, bits: int) -> list[int] | None:
    """Return the fewest symbols that together make MCUs so many *bits* longer, modulo eight."""
    valid = _coefficients()
    lengths = {
        (code.bits + (symbol & 15)) % 8: symbol
        for symbol, code in component.ac.items()
        if symbol in valid and symbol & 15
    }
    for count in range(8):
        for rests in itertools.combinations_with_replacement(sorted(lengths), count):
            if sum(rests) % 8 == bits:
                return [lengths[rest] for rest in rests]
    return None


def _repeated(code: Code, times: int) -> Code:
    """Return *code* so many times, one after the other."""
    ones = ((1 << code.bits * times) - 1) // ((1 << code.bits) - 1)
    return Code(code.value * ones, code.bits * times)


def lowest_start(luma: Component) -> int:
    """Return the mean from which no sample is too low, however high the section before ends.

    It is a little more: paper should not be as gray as what has no data at all.
    """
    level = 255 * luma.coarser / luma.quantizer - 127 + _ABOVE
    return math.ceil(level * 8 / luma.coarser)
