"""Limits of time, which are set for every job and hardly ever reached.

A timer of an event loop takes several microseconds to set and to call off, of which each picture
needs three. Here that is to write into a table and to take it out; one timer looks at all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

_LOOK_S = 0.05

_Call = tuple[Callable[..., object], tuple[Any, ...]]


class Alarm:
    """A time at which something is called; what that is stands in the table only.

    So whoever keeps an alarm that has rung or was called off keeps nothing else alive by it.
    """

    __slots__ = ("_alarms", "due")

    def __init__(self, alarms: Alarms, due: float) -> None:
        self.due = due
        self._alarms = alarms

    def cancel(self) -> None:
        """Call nothing."""
        self._alarms.pending.pop(self, None)


class Alarms:
    """Calls what was set, when its time has come or a twentieth of a second later."""

    def __init__(self) -> None:
        self.pending: dict[Alarm, _Call] = {}
        """What will be called, in the order in which it was set."""
        self._looking = False

    def call_later(self, delay_s: float, call: Callable[..., object], *arguments: Any) -> Alarm:
        """Have *call* called from the running loop in *delay_s* seconds."""
        loop = asyncio.get_running_loop()
        alarm = Alarm(self, loop.time() + delay_s)
        self.pending[alarm] = (call, arguments)
        if not self._looking:
            self._look_later(loop)
        return alarm

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        self._looking = True
        loop.call_later(_LOOK_S, self._look)

    def _look(self) -> None:
        """Call what is due; look again as long as there is anything."""
        self._looking = False
        loop = asyncio.get_running_loop()
        if self.pending:  # first of all: whatever is called may fail
            self._look_later(loop)
        now = loop.time()
        for alarm in [each for each in self.pending if each.due <= now]:
            if alarm in self.pending:  # none of those before it has called it off
                call, arguments = self.pending.pop(alarm)
                call(*arguments)
