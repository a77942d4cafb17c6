"""When work that nobody waits for may begin: in a pause of those who ask, if that comes soon.

A pyramid that is begun beside the first look at its scan takes the second core and the memory of
what that look needs, which then comes in twice the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable

_MOST_PAUSES = 5  # where readers never pause, pyramids are made all the same


class Pause:
    """Watches for *length_s* in which nothing is made for anybody; 0: nothing has to wait."""

    def __init__(self, length_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._length_s = length_s
        self._clock = clock
        self._since = -float("inf")

    def broken(self) -> None:
        """Take notice that somebody is waiting at this moment for a picture."""
        self._since = self._clock()

    def wait_s(self, wished_at: float) -> float:
        """Return in how many seconds what was wished for may begin, as it looks now; 0 for now.

        Who wished for it has just looked at the scan, and will look again: the pause begins then.
        """
        pause_ends = max(self._since, wished_at) + self._length_s
        patience_ends = wished_at + _MOST_PAUSES * self._length_s
        return max(min(pause_ends, patience_ends) - self._clock(), 0.0)
