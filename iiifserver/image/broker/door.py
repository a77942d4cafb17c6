"""The broker's socket, and the broker's life: a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import os
import socket
import sys
from pathlib import Path
from typing import Any

import uvloop

from iiifserver import metrics
from iiifserver.logs import log_to_server

from .bounds import KEY_BYTES, Terms, end_with_server
from .desk import Desk
from .lanes import Waiter
from .messages import Ask, Outcome, of_value, receive
from .nursery import adopt
from .streams import Messages

_MOST_CONNECTIONS = 1_024
_BACKLOG = 256


class _Client(Messages):
    """A connection from a web worker's thread, which asks one thing at a time."""

    def __init__(self, desk: Desk, key: bytes, clients: set[_Client]) -> None:
        super().__init__()
        self._desk = desk
        self._key = key
        self._shown = bytearray()
        self._known = False
        self._clients = clients
        self._waiter: Waiter | None = None

    def connection_made(self, transport: Any) -> None:
        """Let it in, unless there are too many."""
        super().connection_made(transport)
        self._clients.add(self)
        if len(self._clients) > _MOST_CONNECTIONS:
            transport.close()

    def data_received(self, data: bytes) -> None:
        """Take the key; nothing is believed before that."""
        if self._known:
            super().data_received(data)
            return
        self._shown += data
        if len(self._shown) >= KEY_BYTES:
            if not hmac.compare_digest(self._shown[:KEY_BYTES], self._key):
                self.transport.abort()
                return
            self._known = True
            super().data_received(bytes(self._shown[KEY_BYTES:]))

    def arrived(self, head: Any, body: bytes) -> None:
        """Answer, when there is an answer."""
        ask = Ask(*head)
        match ask.wish:
            case "render":
                self._waiter = self._desk.render(ask, body, self._reply)
            case "begin":
                self.say(*of_value(self._desk.begin(ask, body)))
            case "state":
                self.say(*of_value(self._desk.state()))
            case "drain":
                self.say(*of_value(self._desk.drain(ask.start_by)))

    def lost(self) -> None:
        """Nobody waits any more."""
        self._clients.discard(self)
        if self._waiter:
            self._desk.leave(self._waiter)

    def _reply(self, outcome: Outcome) -> None:
        self._waiter = None
        self.say(*outcome)


class _Parent(Messages):
    """The connection to the server: it asks now and then whether the broker lives."""

    def __init__(self, ended: asyncio.Event) -> None:
        super().__init__()
        self._ended = ended

    def arrived(self, head: Any, body: bytes) -> None:
        """Say that it does."""
        self.say(head)

    def lost(self) -> None:
        """There is no server any more."""
        self._ended.set()


def main(parent: int) -> None:
    """Answer at the address that comes through the socket *parent*, until it closes."""
    log_to_server()
    end_with_server()
    adopt()
    with socket.socket(fileno=parent) as server, contextlib.suppress(EOFError, OSError):
        told, _ = receive(server)
        terms = Terms(*told)
        if folder := os.environ.get(metrics.FOLDER):
            metrics.Counters(Path(folder), "broker")
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(server.dup(), terms))


async def _serve(server: socket.socket, terms: Terms) -> None:
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    desk, clients = Desk(terms.bounds), set[_Client]()
    listening = await loop.create_unix_server(
        lambda: _Client(desk, terms.key, clients), terms.address, backlog=_BACKLOG
    )
    try:
        await desk.warm()
        _, parent = await loop.create_unix_connection(lambda: _Parent(ended), sock=server)
        parent.say("ready")
        await ended.wait()
    finally:
        listening.close()  # held until now: uvloop closes what nobody holds
        await desk.close()


if __name__ == "__main__":
    main(int(sys.argv[1]))
