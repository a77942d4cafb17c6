"""What a connection needs of others: answers to its requests, and a worker that holds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from iiifserver.errors import RequestError

if TYPE_CHECKING:
    from .connection import Connection


class Lanes(Protocol):
    """What answers requests: `lanes.Lanes`."""

    def __call__(self, client: Connection, request: dict[str, Any]) -> None:
        """Answer *request*, now or from another thread."""
        ...

    def refuse(self, client: Connection, request: dict[str, Any], why: RequestError) -> None:
        """Answer what is no request that can be answered."""
        ...

    def let_go(self) -> None:
        """Let go of what nobody asks for any more; called now and then."""
        ...


class Worker(Protocol):
    """What a connection needs of the worker that holds it: `Wire`."""

    lanes: Lanes
    thread: int
    """The thread of the loop."""
    leaving: bool
    now_s: float
    """The loop's clock, as of the last look at all connections."""
    date: bytes
    """A line with the time of day."""

    def come(self, connection: Connection) -> bool:
        """Take a new connection; return whether it may stay."""
        ...

    def go(self, connection: Connection) -> None:
        """Forget a connection."""
        ...

    def hold(self, connection: Connection, unsent_bytes: int) -> None:
        """Take note of what a client has not taken; end those who hold too much."""
        ...

    def soon(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have the loop's thread call."""
        ...

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """Have it call after so many seconds."""
        ...
