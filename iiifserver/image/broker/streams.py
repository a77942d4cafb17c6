"""Messages as they arrive at an event loop."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

from .messages import LENGTHS, lengths_of, packed


class Messages(asyncio.Protocol):
    """One side of a connection; `arrived` and `lost` are for those who listen."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._held = bytearray()
        self._lengths: tuple[int, int] | None = None

    def arrived(self, head: Any, body: bytes) -> None:
        """Take a message; a head that was a named tuple is a plain one."""
        raise NotImplementedError

    def lost(self) -> None:
        """Take notice that there will be no more."""
        raise NotImplementedError

    def say(self, head: object, body: bytes = b"") -> None:
        """Send a message."""
        self.transport.write(packed(head, body))

    def connection_made(self, transport: Any) -> None:
        """Remember the way back."""
        self.transport = transport

    def connection_lost(self, _error: Exception | None) -> None:
        """Tell those who listen."""
        self.lost()

    def data_received(self, data: bytes) -> None:
        """Take a piece of the stream."""
        try:
            if not self._held and self._lengths is None and self._is_one(data):
                return
            self._held += data
            while self._whole():
                head_bytes, body_bytes = self._lengths or (0, 0)
                head, held = bytes(self._held[:head_bytes]), memoryview(self._held)
                body = bytes(held[head_bytes : head_bytes + body_bytes])
                held.release()
                del self._held[: head_bytes + body_bytes]
                self._lengths = None
                self.arrived(pickle.loads(head), body)  # noqa: S301 - our own
        except EOFError:
            self.transport.abort()

    def _is_one(self, data: bytes) -> bool:
        """Take *data* if it is just one message, as it mostly is; return whether it was."""
        if len(data) < LENGTHS.size:
            return False
        head_bytes, body_bytes = lengths_of(data[: LENGTHS.size])
        body_at = LENGTHS.size + head_bytes
        if len(data) != body_at + body_bytes:
            return False
        self.arrived(pickle.loads(data[LENGTHS.size : body_at]), data[body_at:])  # noqa: S301 - our own
        return True

    def _whole(self) -> bool:
        if self._lengths is None:
            if len(self._held) < LENGTHS.size:
                return False
            self._lengths = lengths_of(self._held[: LENGTHS.size])
            del self._held[: LENGTHS.size]
        return len(self._held) >= sum(self._lengths)
