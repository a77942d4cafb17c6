"""How far a long part has come: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator, Iterable
from typing import TextIO, TypeVar

_SILENT_S = 1.0
_BAR_EVERY_S = 0.1
_LINE_EVERY_S = 10.0
_BAR_WIDTH = 30

Item = TypeVar("Item")


class Progress:
    """Tells of parts that take longer than a second."""

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock

    def each(self, items: Iterable[Item], total: int, what: str) -> Generator[Item, None, None]:
        """Yield *items*, *total* of them, each of which is a *what*."""
        started = self._clock()
        bar = self._stream.isatty()
        every = _BAR_EVERY_S if bar else _LINE_EVERY_S
        tell_at = started + max(_SILENT_S, every)
        told = False
        for done, item in enumerate(items):
            now = self._clock()
            if now >= tell_at:
                self._tell(_line(done, total, what, now - started), bar=bar)
                tell_at, told = now + every, True
            yield item
        if told:
            self._tell(_line(total, total, what, self._clock() - started), bar=bar)
            self._stream.write("\n" if bar else "")

    def _tell(self, line: str, *, bar: bool) -> None:
        self._stream.write(f"\r\x1b[K{line}" if bar else f"{line}\n")
        self._stream.flush()


def _line(done: int, total: int, what: str, seconds: float) -> str:
    full = _BAR_WIDTH * done // max(total, 1)
    rate = done / seconds if seconds else 0.0
    left = f", {_duration((total - done) / rate)} left" if rate and done < total else ""
    drawn = "#" * full + "." * (_BAR_WIDTH - full)
    return f"[{drawn}] {done:,} of {total:,} {what}" + (f" ({_speed(rate)}{left})" if done else "")


def _speed(a_second: float) -> str:
    """Return how many in the least time in which there is one, or nearly."""
    for unit, unit_s in (("a second", 1), ("a minute", 60)):
        if a_second * unit_s >= 0.1:
            return f"{a_second * unit_s:,.1f} {unit}"
    return f"{a_second * 3600:,.1f} an hour"


def _duration(seconds: float) -> str:
    """Return a time as one tells it: nobody counts 20,000 seconds."""
    for unit, unit_s in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:,.{int(unit_s > 60)}f} {unit}"
    return f"{seconds:,.0f} s"
