"""What stands around all that is not answered at once: names, counts and logs each request.

The name is that of `X-Request-ID`, if a proxy gave one, and is told in the answer under the same
header: whoever complains of an answer names the lines of the log that are about it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from iiifserver.logs import request_id
from iiifserver.metrics import Counters, Door, Kind

from .log import NAME, WSGI, AccessLog, Names

DOOR, KIND = "iiifserver.door", "iiifserver.kind"
"""Keys of a WSGI environment: who answered, where it was not Flask; and what was asked."""
HEADER = "X-Request-ID"

# of the environment what the log reads: others may change what they are given
_READ = (
    "HTTP_X_REQUEST_ID",
    "REMOTE_ADDR",
    "HTTP_X_FORWARDED_FOR",
    "REQUEST_METHOD",
    "PATH_INFO",
)


class Watch:
    """A WSGI application that answers what *app* does."""

    def __init__(self, app: WSGI, log: AccessLog | None, counters: Counters) -> None:
        self._app = app
        self._log = log
        self._counters = counters
        self._names = log.names if log else Names()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request; it is recorded when all bytes of its answer were taken."""
        started_s, said = time.perf_counter(), [500]
        name = self._names.of(environ)
        # it stays until this thread has another request: bodies are read after this returns
        request_id.set(name)
        about = {key: environ[key] for key in _READ if key in environ} | {NAME: name}

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            said[0] = int(status[:3])
            named = any(key == HEADER for key, _ in headers)
            return start_response(status, headers if named else [*headers, (HEADER, name)], *error)

        def record(length: int) -> None:
            self._record(about, environ, said[0], length, started_s)

        return _Counted(self._app(environ, start), record)

    def _record(
        self,
        about: Mapping[str, Any],
        environ: Mapping[str, Any],
        status: int,
        length: int,
        started_s: float,
    ) -> None:
        door: Door = environ.get(DOOR, "flask")
        kind: Kind = environ.get(KIND, "other")
        self._counters.request(kind, door, status, length, time.perf_counter() - started_s)
        if self._log:
            self._log.record(about, status, length, started_s, door)


class _Counted(Iterator[bytes]):
    """Bytes on their way, counted; *record* is called once, when they were taken or given up."""

    def __init__(self, body: Iterable[bytes], record: Callable[[int], None]) -> None:
        self._body = body
        self._next = iter(body).__next__
        self._record = record
        self._length = 0
        self._closed = False

    def __next__(self) -> bytes:
        piece = self._next()
        self._length += len(piece)
        return piece

    def close(self) -> None:
        """Let go of what is left."""
        if self._closed:
            return
        self._closed = True
        self._record(self._length)
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
