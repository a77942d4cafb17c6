"""Two lanes: what stands ready is answered at once, whatever the threads of all others do."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from iiifserver.errors import BadRequest, BrokenSource, Busy
from iiifserver.logs import request_id
from iiifserver.opened import OpenFile, Ready
from iiifserver.web.answers import Answer, Making
from iiifserver.web.bodies import LARGE_BYTES
from iiifserver.web.lanes import Lanes
from iiifserver.web.log import NAME
from iiifserver.web.tiles import REFUSED


class Client:
    """A connection that keeps what it is given."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.failed = threading.Event()
        self.thread = ""

    def response_bytes(self, status: int, headers: Any, body: bytes) -> None:
        self._take((status, headers, body))

    def response_iter(self, status: int, headers: Any, body: Iterator[bytes]) -> None:
        self._take((status, headers, list(body)))

    def response_ready(self, status: int, lines: bytes, body: Ready) -> None:
        self._take((status, lines, body.read()))

    def fail(self) -> None:
        self.failed.set()

    def _take(self, answer: Any) -> None:
        self.thread = threading.current_thread().name
        self.answer = answer
        self.done.set()


class Door:
    """Answers `/ready` at once; everything else by *app*."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app

    def at_once(self, environ: Any) -> Answer | None:
        if environ["PATH_INFO"] == "/file":
            return Answer(200, b"", ready=Ready(OpenFile(os.open(__file__, os.O_RDONLY)), 3, 9))
        return Answer(200, b"A: b\r\n", [b"ready"]) if environ["PATH_INFO"] == "/ready" else None


def ask(lanes: Lanes, path: str) -> Client:
    client = Client()
    lanes(client, {"PATH_INFO": path})
    return client


@pytest.fixture
def lanes_of() -> Iterator[Callable[..., Lanes]]:
    made: list[Lanes] = []

    def make(app: Callable[..., Iterable[bytes]], threads: int = 2) -> Lanes:
        made.append(Lanes(Door(app), threads))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for lanes in made:
        pool: ThreadPoolExecutor = lanes._pool
        pool.shutdown()


def test_what_stands_ready_is_answered_while_all_threads_wait(lanes_of: Any) -> None:
    gate = threading.Event()

    def app(_: Any, start_response: Any) -> list[bytes]:
        gate.wait(30)
        start_response("200 OK", [])
        return [b"made"]

    lanes = lanes_of(app)
    waiting = [ask(lanes, "/made") for _ in range(5)]
    for _ in range(100):
        client = ask(lanes, "/ready")
        assert client.done.is_set()
        assert client.answer == (200, b"A: b\r\n", b"ready")
        assert client.thread == threading.current_thread().name
    assert not any(client.done.is_set() for client in waiting)
    gate.set()
    for client in waiting:
        assert client.done.wait(30)
        assert client.answer == (200, [], b"made")


def test_bytes_of_a_file_are_passed_on_unread(lanes_of: Any) -> None:
    assert ask(lanes_of(lambda *_: []), "/file").answer == (200, b"", b"Two lanes")


def test_a_door_that_fails_leaves_the_request_to_others(lanes_of: Any) -> None:
    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("500 Internal Server Error", [])
        return [b"a document"]

    lanes = lanes_of(app)
    client = Client()
    lanes(client, {})  # a request without a path is none that it knows
    assert client.done.wait(30)
    assert client.answer == (500, [], b"a document")


class Caller:
    """Has pictures made when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, Any, str]] = []

    def render(self, job: Any, done: Any) -> None:
        self.asked.append((job, done, request_id.get()))


class Studio(Door):
    """Has everything made."""

    def __init__(self, app: Callable[..., Iterable[bytes]], gone: bool = False) -> None:
        super().__init__(app)
        self.gone = gone

    def at_once(self, environ: Any) -> Any:
        return Making(f"job for {environ['PATH_INFO']}", None)  # type: ignore[arg-type]

    def name(self, _: Any) -> str:
        return "seven"

    def made(self, environ: Any, making: Making, made: Any, taken_s: float) -> Answer:
        if self.gone:
            raise FileNotFoundError
        assert taken_s >= 0
        return Answer(200, f"Name: {environ[NAME]}\r\n".encode(), [made])


def other(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [b"refused" if REFUSED in environ else b"by others", environ[NAME].encode()]


def test_while_a_picture_is_made_nobody_waits() -> None:
    caller, before = Caller(), request_id.get()
    lanes = Lanes(Studio(other), 1, caller)  # type: ignore[arg-type]
    client = ask(lanes, "/a")
    assert (lanes.begun, lanes.done) == (1, 1)
    assert not client.done.is_set()
    ((job, done, name),) = caller.asked
    assert (job, name, request_id.get()) == ("job for /a", "seven", before)
    done(b"picture")
    assert client.answer == (200, b"Name: seven\r\n", b"picture")
    assert client.thread == threading.current_thread().name


@pytest.mark.parametrize(
    ("what", "gone", "answer"),
    [
        (Busy("full"), False, b"refusedseven"),
        (BrokenSource("bad"), False, b"by othersseven"),
        (b"picture", True, b"by othersseven"),
    ],
)
def test_what_cannot_be_made_is_for_others_to_answer(what: Any, gone: bool, answer: bytes) -> None:
    caller = Caller()
    lanes = Lanes(Studio(other, gone), 1, caller)  # type: ignore[arg-type]
    client = ask(lanes, "/a")
    caller.asked[0][1](what)
    assert client.done.wait(30)
    assert client.answer == (200, [], answer)


def test_an_error_when_a_picture_arrives_ends_its_request(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Studio):
        def made(self, *_: Any) -> Answer:
            raise RuntimeError("no such luck")

    caller = Caller()
    client = ask(Lanes(Broken(other), 1, caller), "/a")  # type: ignore[arg-type]
    caller.asked[0][1](b"picture")
    assert client.failed.is_set()
    assert "no such luck" in caplog.text


def test_without_a_caller_threads_wait_for_pictures() -> None:
    def app(_: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"made by a thread"]

    client = ask(Lanes(Studio(app), 1), "/a")  # type: ignore[arg-type]
    assert client.done.wait(30)
    assert client.answer[2] == b"made by a thread"


def test_what_cannot_be_read_is_answered_by_the_application(lanes_of: Any) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("400 Bad Request", [])
        return [str(environ[REFUSED]).encode()]

    client = Client()
    lanes_of(app).refuse(client, {"PATH_INFO": "/"}, BadRequest("no sense"))
    assert client.done.wait(30)
    assert client.answer == (400, [], b"no sense")


@pytest.mark.parametrize(("length", "whole"), [(1 << 20, True), ((1 << 20) + 1, False)])
def test_what_is_large_is_sent_piece_by_piece(lanes_of: Any, length: int, whole: bool) -> None:
    def app(_: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Length", str(length))])
        return iter([b"a", b"b"])

    client = ask(lanes_of(app), "/large")
    assert client.done.wait(30)
    assert client.answer[2] == (b"ab" if whole else [b"a", b"b"])


def test_an_answer_is_closed_when_it_was_sent(lanes_of: Any) -> None:
    closed = threading.Event()

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"x"])

        def close(self) -> None:
            closed.set()

    def app(_: Any, start_response: Any) -> Body:
        start_response("404 Not Found", [])
        return Body()

    client = ask(lanes_of(app), "/closed")
    assert client.done.wait(30)
    assert closed.wait(30)
    assert client.answer == (404, [], b"x")


def test_an_error_that_nobody_foresaw_is_logged_and_the_thread_goes_on(
    lanes_of: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/broken":
            raise RuntimeError("no such luck")
        start_response("200 OK", [])
        return [b"well"]

    lanes = lanes_of(app, threads=1)
    broken = ask(lanes, "/broken")
    well = ask(lanes, "/well")
    assert well.done.wait(30)
    assert broken.failed.is_set()
    assert not broken.done.is_set()
    assert "/broken" in caplog.text


def test_requests_look_as_wsgi_says(lanes_of: Any) -> None:
    seen: dict[str, Any] = {}

    def app(environ: Any, start_response: Any) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", [])
        return []

    assert ask(lanes_of(app), "/x").done.wait(30)
    assert seen["PATH_INFO"] == "/x"
    assert (seen["wsgi.version"], seen["SCRIPT_NAME"]) == ((1, 0), "")
    assert not [name for name in seen if name.startswith("IIIF")]


def test_who_does_not_read_large_pictures_keeps_no_other_waiting(
    lanes_of: Callable[..., Lanes],
) -> None:
    reading = threading.Event()

    class Slow(Client):
        def response_iter(self, status: int, headers: Any, body: Iterator[bytes]) -> None:
            begun.release()
            assert reading.wait(30)
            super().response_iter(status, headers, body)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        large = environ["PATH_INFO"] == "/large"
        start_response("200 OK", [("Content-Length", str((LARGE_BYTES + 1) if large else 2))])
        return [b"ok"]

    lanes, begun = lanes_of(app, threads=4), threading.Semaphore(0)
    slow = [Slow(), Slow()]
    for client in slow:
        lanes(client, {"PATH_INFO": "/large"})
        assert begun.acquire(timeout=30)
    refused, small = ask(lanes, "/large"), ask(lanes, "/small")
    assert refused.done.wait(30)
    assert refused.answer[0] == 503
    assert dict(refused.answer[1])["Retry-After"] == "10"
    assert dict(refused.answer[1])["Access-Control-Allow-Origin"] == "*"
    assert small.done.wait(30)
    assert small.answer[0] == 200
    reading.set()
    assert all(client.done.wait(30) and client.answer[0] == 200 for client in slow)
