"""How requests are answered: what stands ready at once, all others in threads.

A request occupies the thread that answers it until it ends. So tiles are answered by the thread
that has read the request (`wire/`), which waits for nothing, neither a picture nor a disk nor a
client: it has pictures made of stored tiles, and goes on meanwhile. All others come from a pool
that has more threads than may wait for pictures: pages and documents go on, too.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import Any, Protocol

from iiifserver.errors import Busy, RequestError
from iiifserver.image.broker import Caller
from iiifserver.logs import request_id
from iiifserver.opened import Ready
from iiifserver.sources import Place

from . import problems
from .answers import OPEN, Answer, Making
from .bodies import LARGE_BYTES
from .log import NAME
from .tiles import REFUSED, Door

_RETRY_AFTER_S = 10
_log = logging.getLogger(__name__)


class Client(Protocol):
    """What takes an answer, from whichever thread: `wire.Connection`."""

    def response_bytes(
        self, status: int, headers: list[tuple[str, str]] | bytes, body: bytes
    ) -> None:
        """Send an answer; *headers* as WSGI has them, or all of them as `answers.written` does."""
        ...

    def response_ready(self, status: int, lines: bytes, body: Ready) -> None:
        """Send an answer whose headers are written."""
        ...

    def response_iter(
        self, status: int, headers: list[tuple[str, str]], body: Iterator[bytes]
    ) -> None:
        """Send an answer piece by piece, and close *body*."""
        ...

    def fail(self) -> None:
        """Send nothing more, so that nobody takes what was sent for the whole."""
        ...


class Lanes:
    """Answers requests through *door*, with *threads* for what it does not answer at once.

    *caller* has pictures made; without it threads wait for them.
    """

    def __init__(self, door: Door, threads: int, caller: Caller | None = None) -> None:
        self.begun = self.done = 0
        """Requests that were taken, and answered at once or passed on: by one thread."""
        self._door = door
        self._caller = caller
        self._pool = ThreadPoolExecutor(threads, "answering")
        # who reads slowly, or not at all, keeps a thread: never all of them
        self._large = threading.BoundedSemaphore(max(threads // 2, 1))
        self._environ = {
            "SCRIPT_NAME": "",
            "wsgi.errors": sys.stderr,
            "wsgi.input": BytesIO(),
            "wsgi.input_terminated": True,
            "wsgi.multiprocess": True,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.version": (1, 0),
        }

    def __call__(self, client: Client, request: Mapping[str, Any]) -> None:
        """Answer *request*, or have it answered."""
        self.begun += 1
        try:
            answer = self._at_once(request)
            if isinstance(answer, Answer):
                self._give(client, answer)
            elif answer is None or self._caller is None:
                self._leave_to_others(client, request)
            else:
                self._have_made(client, request, answer, self._caller)
        finally:
            self.done += 1

    def _at_once(self, request: Mapping[str, Any]) -> Answer | Making | None:
        try:
            return self._door.at_once(request)
        except Exception:  # the edge of the loop: others tell the client of it, if they meet it too
            _log.exception("unexpected error on %s", request.get("PATH_INFO"))
            return None

    def let_go(self) -> None:
        """Let go of what nobody asks for any more; called now and then."""
        self._door.let_go()

    def _give(self, client: Client, answer: Answer) -> None:
        if answer.ready is None:
            client.response_bytes(answer.status, answer.lines, b"".join(answer.body))
        else:
            client.response_ready(answer.status, answer.lines, answer.ready)

    def _leave_to_others(self, client: Client, request: Mapping[str, Any]) -> None:
        self._pool.submit(self._answer, client, {**self._environ, **request})

    def _have_made(
        self, client: Client, request: Mapping[str, Any], making: Making, caller: Caller
    ) -> None:
        started_s = time.perf_counter()
        environ = {**request, NAME: self._door.name(request)}

        def made(what: Place | bytes | RequestError) -> None:
            if isinstance(what, Busy):
                self.refuse(client, environ, what)
            elif isinstance(what, RequestError):
                self._leave_to_others(client, environ)  # who know what may be done about it
            else:
                taken_s = time.perf_counter() - started_s
                try:
                    self._give(client, self._door.made(environ, making, what, taken_s))
                except OSError:  # it was purged this moment
                    self._leave_to_others(client, environ)
                except Exception:  # the edge of the loop: nobody else would answer
                    _log.exception("unexpected error on %s", environ.get("PATH_INFO"))
                    client.fail()

        before = request_id.set(environ[NAME])
        try:
            caller.render(making.job, made)
        finally:
            request_id.reset(before)

    def refuse(self, client: Client, request: Mapping[str, Any], why: RequestError) -> None:
        """Answer *request*, which cannot be read, with *why*."""
        self._pool.submit(self._answer, client, {**self._environ, **request, REFUSED: why})

    def _answer(self, client: Client, environ: dict[str, Any]) -> None:
        said: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _error: Any = None
        ) -> Callable[[bytes], None]:
            said[:] = [int(status[:3]), headers]
            return _no_write

        try:
            body = self._door.app(environ, start_response)
            status, headers = said
            if _length(headers) > LARGE_BYTES:
                self._send(client, status, headers, _Pieces(body))
            else:
                client.response_bytes(status, headers, _whole(body))
        except Exception:  # the edge of a thread: it must not end without a word
            _log.exception("unexpected error on %s", environ.get("PATH_INFO"))
            client.fail()

    def _send(
        self, client: Client, status: int, headers: list[tuple[str, str]], body: _Pieces
    ) -> None:
        """Send a large body, as slowly as its reader takes it, unless too many do that already."""
        if not self._large.acquire(blocking=False):
            body.close()
            why = "too many large pictures are being sent at this moment"
            refusal = problems.answer_to(Busy(why, retry_after_s=_RETRY_AFTER_S))
            refusal.headers.update(OPEN)
            client.response_bytes(refusal.status_code, list(refusal.headers), refusal.get_data())
            return
        try:
            client.response_iter(status, headers, body)
        finally:
            self._large.release()


def _no_write(_: bytes) -> None:
    raise NotImplementedError("PEP 3333's write() is for applications of before 2003")


def _length(headers: list[tuple[str, str]]) -> int:
    return next((int(value) for name, value in headers if name == "Content-Length"), 0)


def _whole(body: Iterable[bytes]) -> bytes:
    pieces = _Pieces(body)
    try:
        return b"".join(pieces)
    finally:
        pieces.close()


class _Pieces(Iterator[bytes]):
    """A body, which can always be closed."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body = body
        self._next = iter(body).__next__

    def __next__(self) -> bytes:
        return self._next()

    def close(self) -> None:
        close = getattr(self._body, "close", None)
        if close is not None:
            close()
