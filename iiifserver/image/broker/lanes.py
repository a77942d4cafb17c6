"""Who waits for whom: three queues, and which of them a process takes its next job from.

Small jobs are tiles and small regions; there is always a process that takes nothing else, so that
none of them waits for a whole picture. Background jobs are those that nobody waits for; they begin
in a pause of all others (`pause`).
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .alarms import Alarm
from .messages import Outcome

Lane = Literal["small", "whole", "background"]
LANES: tuple[Lane, ...] = ("small", "whole", "background")
MOST_BACKGROUND = 1_000
_SMALL_MS = 100.0


def lane_for(cost_ms: float) -> Lane:
    """Return the lane of a job that somebody waits for."""
    return "small" if cost_ms <= _SMALL_MS else "whole"


@dataclass(eq=False, slots=True)
class Flight:
    """A job on its way, and all who wait for it."""

    name: str
    key: str
    source: str
    cost_ms: float
    keep: str | None
    job: bytes
    lane: Lane
    limit_s: float
    request: str = ""
    waiters: list[Waiter] = field(default_factory=list)
    boarded_at: float = field(default_factory=time.monotonic)
    began_at: float | None = None


@dataclass(eq=False, slots=True)
class Waiter:
    """One who waits for *flight*; `reply` is called once, `alarm` ends the patience."""

    flight: Flight
    reply: Callable[[Outcome], None]
    alarm: Alarm | None = None

    def answer(self, outcome: Outcome) -> None:
        """Give the outcome; the waiting is over."""
        if self.alarm:
            self.alarm.cancel()
        self.reply(outcome)


@dataclass(slots=True)
class Lanes:
    """The flights that wait, in their order."""

    _waiting: dict[Lane, deque[Flight]] = field(
        default_factory=lambda: {lane: deque() for lane in LANES}
    )

    def add(self, flight: Flight, *, first: bool = False) -> None:
        """Put *flight* at the end of its lane, or before all others."""
        queue = self._waiting[flight.lane]
        if first:
            queue.appendleft(flight)
        else:
            queue.append(flight)

    def remove(self, flight: Flight) -> None:
        """Take *flight* out of its lane, where it still waits."""
        self._waiting[flight.lane].remove(flight)

    def clear(self) -> None:
        """Forget all that wait."""
        for queue in self._waiting.values():
            queue.clear()

    def unwanted(self) -> list[Flight]:
        """Return the flights that wait and that nobody waits for."""
        return [each for each in self._waiting["background"] if not each.waiters]

    def take(self, lanes: Sequence[Lane]) -> Flight | None:
        """Return the next flight of the first of *lanes* that has any."""
        for lane in lanes:
            if self._waiting[lane]:
                return self._waiting[lane].popleft()
        return None

    def first(self, lane: Lane) -> Flight | None:
        """Return the flight that `take` would take of *lane*."""
        return next(iter(self._waiting[lane]), None)

    def count(self, lane: Lane) -> int:
        """Return how many wait in *lane*."""
        return len(self._waiting[lane])

    def wait_s(self, lane: Lane, seats: int, running: Iterable[Flight], now: float) -> float:
        """Return the seconds until one more in *lane* would be begun by one of *seats* processes.

        An estimate from what jobs cost; *running* are those that the processes work on.
        """
        waiting_ms = sum(flight.cost_ms for flight in self._waiting[lane])
        left_ms = sum(
            max(flight.cost_ms - (now - (flight.began_at or now)) * 1000, 0)
            for flight in running
            if flight.lane == lane
        )
        return (waiting_ms + left_ms) / 1000 / seats
