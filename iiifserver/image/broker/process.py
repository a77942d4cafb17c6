"""One render process, as the broker sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from typing import Any, Literal

from .alarms import Alarm, Alarms
from .lanes import Flight
from .messages import Answer, Outcome
from .nursery import Child, Copy, Nursery
from .streams import Messages
from .work import Terms

_START_S = 30.0
_END_S = 2.0
_BREATH_S = 0.02

Failure = Literal["died", "late", "unbegun"]
"""The process ended, or is at work longer than it may; or it ended before it began with the job."""


class Process(Messages):
    """A render process, from its start to its end, with one job at a time."""

    def __init__(self, child: Child, lifeline: int, begun: int) -> None:
        super().__init__()
        self.jobs = 0
        self.born = False
        self.ready = False
        self._child = child
        self._lifeline = lifeline
        self._begun = begun
        self._told: Callable[[Outcome | Failure], None] | None = None
        self._alarms = Alarms()
        self._alarm: Alarm | None = None
        self._started = asyncio.Event()

    @classmethod
    async def start(cls, terms: Terms, nursery: Nursery) -> Process:
        """Start a process; it is not ready yet.

        Raises:
            OSError: this machine has no room for another process.
        """
        ours, theirs = socket.socketpair()
        living, lifeline = os.pipe()
        begun, begins = os.pipe()
        os.set_blocking(begun, False)
        numbers = (theirs.fileno(), living, begins)
        try:
            child = nursery.bear(numbers)
        except OSError:
            ours.close()
            os.close(lifeline)
            os.close(begun)
            raise
        finally:
            theirs.close()
            os.close(living)
            os.close(begins)
        loop = asyncio.get_running_loop()
        _, started = await loop.create_unix_connection(
            lambda: cls(child, lifeline, begun), sock=ours
        )
        started.say(terms)
        return started

    @property
    def alive(self) -> bool:
        """Whether it listens, as far as is known."""
        return not self.transport.is_closing()

    async def wait_ready(self) -> bool:
        """Return whether it takes jobs, after a wait: its start is no part of a job's time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                await self._started.wait()
        return self.ready and self.alive

    def run(
        self,
        flight: Flight,
        told: Callable[[Outcome | Failure], None],
    ) -> None:
        """Have the job of *flight* run; *told* is called once, with what became of it."""
        self.jobs += 1
        self._told = told
        self._alarm = self._alarms.call_later(flight.limit_s, self._tell, "late")
        self.say((flight.keep, flight.request), flight.job)

    def arrived(self, head: Any, body: bytes) -> None:
        """Take the news that it is there, that it is ready, or an answer."""
        if not self.born:
            self.born = True
            if isinstance(self._child, Copy):
                self._child.number = head
        elif not self.ready:
            self.ready = True
            self._started.set()
        else:
            self._tell((Answer(*head), body))

    def lost(self) -> None:
        """Tell who waits that the process has ended."""
        self._started.set()
        self._tell("died" if self._has_begun() else "unbegun")

    async def end(self) -> bool:
        """End it, whatever it does; return False where the system does not let it go yet."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            os.close(self._begun)
            self._lifeline = -1
        self.transport.abort()
        self._child.kill()
        for _ in range(int(_END_S / _BREATH_S)):
            if self._child.poll() is not None:
                return True
            await asyncio.sleep(_BREATH_S)
        return False

    @property
    def status(self) -> str:
        """How it ended."""
        return f"status {self._child.poll()}"

    def _tell(self, what: Outcome | Failure) -> None:
        told, self._told = self._told, None
        if told and self._alarm:
            self._alarm.cancel()
            told(what)

    def _has_begun(self) -> bool:
        """Return whether it began with the last job; it says so where only this looks."""
        if self._lifeline < 0:
            return False
        try:
            return len(os.read(self._begun, self.jobs)) >= self.jobs
        except BlockingIOError:
            return False
