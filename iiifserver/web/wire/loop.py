"""All connections of a worker: how many there may be, how long they may take, how they end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import uvloop

from .connection import Connection
from .others import Lanes

_PARTING_S = 1.0  # in which who is idle may still ask, when the worker is to end
_EVERY_S = 0.5
_MOST_UNSENT_BYTES = 32 << 20  # of answers that clients do not take
_BACKLOG = 1_024


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop to run a `Wire` in."""
    return uvloop.new_event_loop()


class Wire:
    """The connections of a worker, at most *most*, whose requests *lanes* answer."""

    def __init__(self, lanes: Lanes, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self.lanes = lanes
        self.loop = loop
        self.thread = threading.get_ident()
        self.leaving = False
        self.now_s = self.loop.time()
        """Seconds of the loop's clock, as of the last look at all connections."""
        self.date = _date()
        self._most = most
        self._connections: dict[Connection, None] = {}  # in the order of their coming
        self._unsent: dict[Connection, int] = {}
        self._unsent_bytes = 0
        self._gone = asyncio.Event()

    def run(self, listening: socket.socket, ready: Callable[[], None], finish_s: float) -> None:
        """Serve on a socket until `leave`, then answer what was asked, *finish_s* at most."""
        self.thread = threading.get_ident()
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.run(self._serve(listening, ready, finish_s))

    def leave(self) -> None:
        """Take no more connections; `run` returns when those there are have their answers."""
        self.leaving = True
        self._gone.set()

    async def _serve(
        self, listening: socket.socket, ready: Callable[[], None], finish_s: float
    ) -> None:
        server = await self.loop.create_server(
            lambda: Connection(self), sock=listening, backlog=_BACKLOG
        )
        ready()
        while not self.leaving:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), _EVERY_S)
            self._look()
        server.close()
        parting, end = self.loop.time() + _PARTING_S, self.loop.time() + finish_s
        while self._connections and self.loop.time() < end:
            self._look()
            if self.loop.time() > parting:
                for connection in [*self._connections]:
                    connection.close_if_idle()
            await asyncio.sleep(_EVERY_S / 10)
        for connection in [*self._connections]:
            connection.end()
        while self._connections and self.loop.time() < end + _PARTING_S:
            await asyncio.sleep(0)  # until they are told

    def _look(self) -> None:
        """End the connections whose clients take too long."""
        self.now_s = self.loop.time()
        self.date = _date()
        self.lanes.let_go()
        for connection in [*self._connections]:
            connection.look()

    def hold(self, connection: Connection, unsent_bytes: int) -> None:
        """Take note of what a client has not taken.

        Where all together have too much, those who have taken nothing for longest are ended.
        """
        self._unsent_bytes += unsent_bytes - self._unsent.pop(connection, 0)
        if unsent_bytes:
            self._unsent[connection] = unsent_bytes
        while self._unsent_bytes > _MOST_UNSENT_BYTES:
            longest = min(self._unsent, key=lambda each: each.since_s)
            self.hold(longest, 0)
            longest.end()

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have the loop's thread call after so many seconds."""
        self.loop.call_later(delay_s, call)

    def soon(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the loop's thread call, at once; or never, if it has ended."""
        with contextlib.suppress(RuntimeError):
            self.loop.call_soon_threadsafe(call, *arguments)

    def come(self, connection: Connection) -> bool:
        """Take a new connection, in place of the one that is idle longest where there is no room.

        Return whether it may stay.
        """
        if len(self._connections) >= self._most:
            idle = next((each for each in self._connections if each.is_idle), None)
            if idle is None:
                return False
            idle.end()
        self._connections[connection] = None
        return True

    def go(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.pop(connection, None)
        self.hold(connection, 0)


def _date() -> bytes:
    return f"Date: {formatdate(usegmt=True)}\r\n".encode()
