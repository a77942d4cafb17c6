"""Damage done to bytes, the same for the same seed: what transfers, disks and attackers do."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

_NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 1 << 24)
_LARGE_NUMBERS = (0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, (1 << 63) - 1, (1 << 64) - 1)
_MOST_STEPS = 6
_LONGEST_RUN = 64
_HEADER_BYTES = 2_048
_AT_THE_START = 0.7  # the share of damage that is done to the header, if the file has more


class Mutator:
    """Makes damaged bytes out of *seeds*, of *most_bytes* at most."""

    def __init__(self, seeds: Sequence[bytes], seed: int, most_bytes: int) -> None:
        self._seeds = [one[:most_bytes] for one in seeds]
        self._random = random.Random(seed)
        self._most_bytes = most_bytes
        self._damages = (
            *(self._flip, self._replace, self._number, self._copy_within, self._cut),
            *(self._insert, self._truncate, self._splice, self._fill),
        )

    def inputs(self, count: int) -> Iterator[bytes]:
        """Yield the seeds themselves, then damaged ones, *count* in all."""
        yield from self._seeds[:count]
        for _ in range(count - len(self._seeds)):
            yield self.one()

    def one(self) -> bytes:
        """Return a damaged seed."""
        held = bytearray(self._random.choice(self._seeds))
        for _ in range(self._random.randint(1, _MOST_STEPS)):
            if not held:
                break
            self._random.choice(self._damages)(held)
        return bytes(held[: self._most_bytes])

    def _place(self, held: bytearray) -> int:
        if len(held) > _HEADER_BYTES and self._random.random() < _AT_THE_START:
            return self._random.randrange(_HEADER_BYTES)
        return self._random.randrange(len(held))

    def _run(self, held: bytearray) -> slice:
        start = self._place(held)
        return slice(start, min(len(held), start + self._random.randint(1, _LONGEST_RUN)))

    def _flip(self, held: bytearray) -> None:
        held[self._place(held)] ^= 1 << self._random.randrange(8)

    def _replace(self, held: bytearray) -> None:
        held[self._place(held)] = self._random.randrange(256)

    def _number(self, held: bytearray) -> None:
        """Write a number at which arithmetic likes to go wrong."""
        width = self._random.choice((1, 2, 4, 8))
        order = self._random.choice(("little", "big"))
        place = self._place(held)
        value = self._random.choice((*_NUMBERS, *_LARGE_NUMBERS, len(held), place))
        written = (value & (1 << 8 * width) - 1).to_bytes(width, order)
        held[place : place + width] = written[: len(held) - place]

    def _copy_within(self, held: bytearray) -> None:
        run, place = bytes(held[self._run(held)]), self._place(held)
        held[place : place + len(run)] = run[: len(held) - place]

    def _cut(self, held: bytearray) -> None:
        del held[self._run(held)]

    def _insert(self, held: bytearray) -> None:
        place = self._place(held)
        held[place:place] = held[self._run(held)]

    def _truncate(self, held: bytearray) -> None:
        del held[self._place(held) :]

    def _splice(self, held: bytearray) -> None:
        """Go on as another seed does."""
        other = self._random.choice(self._seeds)
        place = self._place(held)
        held[place:] = other[place:]

    def _fill(self, held: bytearray) -> None:
        run = self._run(held)
        held[run] = bytes([self._random.choice((0, 0xFF))]) * (run.stop - run.start)
