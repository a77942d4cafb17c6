"""What did harm, and is not tried again for a while."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

_FORGOTTEN_S = 3_600.0
_MOST = 1_000


class Harm:
    """Counts what each culprit did; after *most* times within an hour it is set aside.

    A culprit is a file with its identity, so that one that is replaced is free again, or one
    request. The oldest are forgotten where there are too many.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._seen: OrderedDict[str, tuple[int, float, str]] = OrderedDict()

    def note(self, culprit: str, name: str) -> bool:
        """Count one more time; return whether *culprit*, called *name*, is set aside by it."""
        times = self._times(culprit) + 1
        self._seen[culprit] = (times, self._clock(), name)
        self._seen.move_to_end(culprit)
        while len(self._seen) > _MOST:
            self._seen.popitem(last=False)
        return times == self._most

    def is_aside(self, culprit: str) -> bool:
        """Return whether *culprit* is not to be tried now."""
        return self._times(culprit) >= self._most

    def names(self) -> tuple[str, ...]:
        """Return what is set aside, by the names that errors call it."""
        return tuple(
            dict.fromkeys(name for key, (_, _, name) in self._seen.items() if self.is_aside(key))
        )

    def _times(self, culprit: str) -> int:
        times, at, _ = self._seen.get(culprit, (0, 0.0, ""))
        return times if self._clock() - at < _FORGOTTEN_S else 0
