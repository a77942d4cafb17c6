"""What the server says of itself: lines of JSON, each with the name of the request it is about.

    {"time": "2026-11-22T17:48:03.127Z", "level": "WARNING", "message": "...",
     "id": "9f3a01c2-000002a"}

`trace` is added where an error was not expected. The name travels with the request: from the web
worker's thread to the broker and to the render process, which all call it the same.

Nobody waits for who reads them: where that one stands still, lines are dropped, and counted.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import os
import select
import socket
import stat
from collections.abc import Callable, Iterator
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The name of the request that this thread answers, or that a job is done for."""

_STDERR = 2
_MOST_BYTES = 64 << 10  # at one time
_LOOK_EVERY_MS = 100


class Outlet:
    """Standard error, as a stream that nobody waits for: a pipe that is not read fills up.

    Lines that find no room are dropped, and before the next one that does stands how many:
    `{"dropped": 15}`. In a pipe a line of up to 4 KiB stays whole, whoever else writes there.
    """

    def __init__(self, number: int = _STDERR) -> None:
        self._number = number
        self._dropped = 0
        self._torn = False  # what was written last is no whole line

    def write(self, text: str) -> None:
        """Write lines if there is room."""
        self.put(text.encode(errors="replace"))

    def flush(self) -> None:
        """Do nothing: nothing is held back."""

    def put(self, lines: bytes, waits: Callable[[], bool] = lambda: False) -> None:
        """Write lines; where there is no room, look again for as long as *waits* says so."""
        with contextlib.suppress(OSError), _apart(self._number) as number:  # nobody reads any more
            for group in _groups(lines, _most_bytes(number)):
                if self._dropped and not self._placed(number, self._loss(), waits):
                    self._dropped = 0
                left = group if self._dropped else self._placed(number, group, waits)
                self._dropped += left.count(b"\n")

    def _loss(self) -> bytes:
        return (b"\n" if self._torn else b"") + b'{"dropped": %d}\n' % self._dropped

    def _placed(self, number: int, lines: bytes, waits: Callable[[], bool]) -> bytes:
        """Write, and return what found no room."""
        look = select.poll()
        look.register(number, select.POLLOUT)
        left = lines
        while left:
            if look.poll(0):
                with contextlib.suppress(BlockingIOError):  # another writer was there before
                    left = left[_written(number, left[: _most_bytes(number)]) :]
                    continue
            if not waits():
                break
            look.poll(_LOOK_EVERY_MS)
        if left != lines:
            self._torn = bool(left) and lines[-len(left) - 1] != ord("\n")
        return left


@contextlib.contextmanager
def _apart(number: int) -> Iterator[int]:
    """Yield another number of the same pipe, one that never blocks, if the system has it.

    Whether it blocks is a property that all processes share which inherited the pipe; one that is
    opened anew has its own.
    """
    own = number
    if stat.S_ISFIFO(os.fstat(number).st_mode):
        with contextlib.suppress(OSError):
            own = os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK)
    try:
        yield own
    finally:
        if own != number:
            os.close(own)


def _most_bytes(number: int) -> int:
    """Return how much is written at one time: what a pipe that has room takes whole."""
    return select.PIPE_BUF if stat.S_ISFIFO(os.fstat(number).st_mode) else _MOST_BYTES


def _written(number: int, lines: bytes) -> int:
    """Write some bytes, and return how many."""
    if not stat.S_ISSOCK(os.fstat(number).st_mode):
        return os.write(number, lines)
    stream = socket.socket(fileno=number)
    try:
        return stream.send(lines, socket.MSG_DONTWAIT)
    finally:
        stream.detach()  # it is not ours to close


def _groups(lines: bytes, most_bytes: int) -> Iterator[bytes]:
    """Yield as many whole lines at a time as fit, a longer one alone."""
    start = 0
    while start < len(lines):
        end = len(lines)
        if end - start > most_bytes:
            end = lines.rfind(b"\n", start, start + most_bytes) + 1
            end = end or lines.find(b"\n", start) + 1 or len(lines)
        yield lines[start:end]
        start = end


class Line(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        name = getattr(record, "id", "") or request_id.get()
        said = {
            "time": moment(at),
            "level": record.levelname,
            "message": record.getMessage(),
            **({"id": name} if name else {}),
            **({"trace": self.formatException(record.exc_info)} if record.exc_info else {}),
        }
        return json.dumps(said, ensure_ascii=False)


def moment(at: datetime.datetime) -> str:
    """Return a time as all lines of the log tell it: UTC, to the millisecond."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def log_to_server() -> None:
    """Write what is of interest to the operator where the server writes: what is ours, no more."""
    lines = logging.StreamHandler(Outlet())
    lines.setFormatter(Line())
    logging.basicConfig(handlers=[lines])
    logging.getLogger("iiifserver").setLevel(logging.INFO)
