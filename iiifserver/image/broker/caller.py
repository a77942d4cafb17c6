"""The broker as an event loop asks it: nobody waits, and is called when there is an answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from iiifserver.errors import Busy, RequestError
from iiifserver.image.job import Job
from iiifserver.sources import Place

from .alarms import Alarm, Alarms
from .client import Terms, late, restarting, terms_of
from .messages import Answer, Ask, ask_for, picture_of
from .streams import Messages

_log = logging.getLogger("iiifserver.image.broker")

Done = Callable[[Place | bytes | RequestError], None]


class _Errand(NamedTuple):
    ask: Ask
    job: bytes
    done: Done


class Caller:
    """Asks a broker under *terms*, from the thread of *loop*, *most* things at one time."""

    def __init__(self, terms: Terms, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self.terms = terms
        self.loop = loop
        self._most = most
        self._idle: list[_Line] = []
        self._lines = 0
        self._coming: set[asyncio.Task[None]] = set()
        self.alarms = Alarms()

    def render(self, job: Job, done: Done) -> None:
        """Have *job* run, and *done* called once with the result, or with what was raised.

        See `image.job.Renderer.render`.
        """
        start_by = time.monotonic() + self.terms.patience_s
        self.send(_Errand(*ask_for("render", job, start_by), done))

    def send(self, errand: _Errand) -> None:
        """Send an errand over a connection that has none, or over a new one."""
        if self._idle:
            self._idle.pop().run(errand)
        elif self._lines >= self._most:
            errand.done(Busy("too many pictures are being made at this moment", retry_after_s=1))
        else:
            self._lines += 1
            task = self.loop.create_task(self._connect(errand))
            self._coming.add(task)
            task.add_done_callback(self._coming.discard)

    async def _connect(self, errand: _Errand) -> None:
        try:
            async with asyncio.timeout(self.terms.grace_s):
                _, line = await self.loop.create_unix_connection(
                    lambda: _Line(self), self.terms.address
                )
        except OSError:  # which TimeoutError is, too
            self._lines -= 1
            errand.done(restarting())
        else:
            line.transport.write(self.terms.key)
            line.run(errand)

    def free(self, line: _Line) -> None:
        """Keep a connection for the next errand."""
        self._idle.append(line)

    def gone(self, line: _Line) -> None:
        """Forget a connection."""
        self._lines -= 1
        if line in self._idle:
            self._idle.remove(line)


class _Line(Messages):
    """A connection to the broker, with one errand at a time."""

    def __init__(self, caller: Caller) -> None:
        super().__init__()
        self._caller = caller
        self._errand: _Errand | None = None
        self._alarm: Alarm | None = None
        self._answered = False

    def run(self, errand: _Errand) -> None:
        """Ask, and wait a bounded time."""
        self._errand = errand
        self._alarm = self._caller.alarms.call_later(self._caller.terms.longest_s, self._late)
        self.say(errand.ask, errand.job)

    def arrived(self, head: Any, body: bytes) -> None:
        """Pass on the answer."""
        errand, self._answered = self._finished(), True
        self._caller.free(self)
        if errand:
            try:
                errand.done(picture_of(Answer(*head), body))
            except RequestError as error:
                errand.done(error)

    def lost(self) -> None:
        """Ask another connection, if this one may have been of a broker before this one."""
        self._caller.gone(self)
        errand = self._finished()
        if errand and self._answered:
            self._caller.send(errand)
        elif errand:
            errand.done(restarting())

    def _finished(self) -> _Errand | None:
        errand, self._errand = self._errand, None
        if self._alarm:
            self._alarm.cancel()
        return errand

    def _late(self) -> None:
        errand = self._finished()
        self.transport.abort()  # what would still come is not of the next errand
        if errand:
            errand.done(late())


def caller(
    environment: Mapping[str, str], loop: asyncio.AbstractEventLoop, most: int
) -> Caller | None:
    """Return the broker that *environment* names, None where it names none."""
    terms = terms_of(environment)
    return Caller(terms, loop, most) if terms else None
