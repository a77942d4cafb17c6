"""HTTP/1.1 by sockets: what clients may send, how answers are ordered, and who waits for whom."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from iiifserver.errors import RequestError
from iiifserver.opened import OpenFile, Ready
from iiifserver.web.wire import Connection, Wire, new_loop
from iiifserver.web.wire import connection as wires
from iiifserver.web.wire import loop as loops

Answer = Callable[[Connection, dict[str, Any]], None]
CHUNKED = b"Transfer-Encoding: chunked\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: h2c\r\n"
GET = b"GET %b HTTP/1.1\r\nHost: here\r\n\r\n"


class Lanes:
    """Answers by path; what has no answer waits until it is given one."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[dict[str, Any]] = []
        self.waiting: dict[str, Connection] = {}
        self.looks = 0

    def __call__(self, client: Connection, request: dict[str, Any]) -> None:
        self.asked.append(request)
        path = request["PATH_INFO"]
        if path.startswith("/wait"):
            self.waiting[path] = client
        elif answer := self.answers.get(path):
            answer(client, request)
        else:
            client.response_bytes(200, [("X-Path", path)], f"[{path}]".encode())

    def let_go(self) -> None:
        self.looks += 1

    def refuse(self, client: Connection, _: dict[str, Any], why: RequestError) -> None:
        client.response_bytes(why.status, [], str(why).encode())


class Server:
    """A wire in a thread of its own."""

    def __init__(self, most: int = 100) -> None:
        self.lanes = Lanes()
        self.wire = Wire(self.lanes, new_loop(), most)
        listening = socket.create_server(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        ready = threading.Event()
        self.thread = threading.Thread(target=self.wire.run, args=(listening, ready.set, 5.0))
        self.thread.start()
        assert ready.wait(30)
        self._stack = contextlib.ExitStack()

    def connect(self) -> Client:
        return self._stack.enter_context(Client(self.port))

    def answer(self, path: str, body: bytes = b"late") -> None:
        until(lambda: path in self.lanes.waiting)
        self.lanes.waiting.pop(path).response_bytes(200, [], body)

    def leave(self) -> None:
        self.wire.soon(self.wire.leave)

    def stop(self) -> None:
        self._stack.close()
        self.leave()
        self.thread.join(30)
        assert not self.thread.is_alive()


class Client:
    """A connection, and what was read of it."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.held = b""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def get(self, path: str) -> tuple[int, dict[str, str], bytes]:
        self.send(GET % path.encode())
        return self.read()

    def read(self, *, head_only: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of the next answer."""
        while b"\r\n\r\n" not in self.held:
            self._more()
        head, _, self.held = self.held.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        length = 0 if head_only else int(headers.get("Content-Length", 0))
        while len(self.held) < length:
            self._more()
        body, self.held = self.held[:length], self.held[length:]
        return int(first.split()[1]), headers, body

    def rest(self) -> bytes:
        """Return all until the server closes."""
        with contextlib.suppress(EOFError):
            while True:
                self._more()
        return self.held

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise EOFError
        self.held += data


def until(true: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.stop()


def test_one_connection_carries_many_requests(server: Server) -> None:
    client = server.connect()
    for number in range(5):
        status, headers, body = client.get(f"/{number}")
        assert (status, body) == (200, f"[/{number}]".encode())
        assert headers["Content-Length"] == "4"
        assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", headers["Date"])
        assert "Connection" not in headers


def test_lanes_are_told_now_and_then_to_let_go(server: Server) -> None:
    until(lambda: server.lanes.looks > 2)


def test_answers_come_in_the_order_of_their_requests(server: Server) -> None:
    client = server.connect()
    client.send(GET % b"/wait/1" + GET % b"/2" + GET % b"/wait/3" + GET % b"/4")
    until(lambda: server.lanes.waiting)
    assert [each["PATH_INFO"] for each in server.lanes.asked] == ["/wait/1"]
    server.answer("/wait/1", b"one")
    assert [client.read()[2] for _ in range(2)] == [b"one", b"[/2]"]
    server.answer("/wait/3", b"three")
    assert [client.read()[2] for _ in range(2)] == [b"three", b"[/4]"]
    assert client.get("/5")[2] == b"[/5]"


def test_who_asks_far_more_than_it_waits_for_is_answered_in_part_and_left(server: Server) -> None:
    client = server.connect()
    client.send(GET % b"/wait/1" + GET % b"/x" * 500)
    server.answer("/wait/1", b"one")
    found = client.rest()
    assert found.startswith(b"HTTP/1.1 200 OK")
    assert 10 < found.count(b"[/x]") < 100
    assert found.count(b"Connection: close") == 1


def test_a_request_may_come_byte_by_byte(server: Server) -> None:
    client = server.connect()
    for byte in b"GET /slow%20ly?a=b HTTP/1.1\r\nHost: here\r\nX-Long: " + b"x" * 20 + b"\r\n\r\n":
        client.send(bytes([byte]))
    assert client.read()[2] == b"[/slow ly]"
    (asked,) = server.lanes.asked
    assert (asked["QUERY_STRING"], asked["HTTP_X_LONG"]) == ("a=b", "x" * 20)


def test_a_request_looks_as_wsgi_says(server: Server) -> None:
    client = server.connect()
    client.send(
        b"GET /a%2Fb/%E3%81%82?x=%20 HTTP/1.1\r\nhost: here\r\nX-One: 1\r\nx-one: 2\r\n"
        b"X_One: 3\r\nContent-Type: text/plain\r\n\r\n"
    )
    client.read()
    (asked,) = server.lanes.asked
    assert asked["PATH_INFO"].encode("latin-1").decode() == "/a/b/あ"
    assert asked["QUERY_STRING"] == "x=%20"
    assert (asked["REQUEST_METHOD"], asked["SERVER_PROTOCOL"]) == ("GET", "HTTP/1.1")
    assert (asked["HTTP_HOST"], asked["CONTENT_TYPE"]) == ("here", "text/plain")
    assert asked["HTTP_X_ONE"] == "1,2"  # and not the one that looks like it
    assert (asked["REMOTE_ADDR"], asked["SERVER_NAME"]) == ("127.0.0.1", "127.0.0.1")
    assert (asked["SERVER_PORT"], asked["wsgi.url_scheme"]) == (str(server.port), "http")


def test_an_address_may_name_its_host(server: Server) -> None:
    client = server.connect()
    client.send(b"GET http://there:81/a/b?c HTTP/1.1\r\nHost: elsewhere\r\n\r\n")
    assert client.read()[2] == b"[/a/b]"
    (asked,) = server.lanes.asked
    assert (asked["QUERY_STRING"], asked["HTTP_HOST"]) == ("c", "there:81")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" + CHUNKED + b"\r\n", 400),
        (b"POST / HTTP/1.0\r\nHost: a\r\n" + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\n" + UPGRADE + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (b"CONNECT there:443 HTTP/1.1\r\nHost: there\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 200_000, 431),
        (b"GET /" + b"x" * 200_000, 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X-%d: x\r\n" * 120 % (*range(120),) + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n" + b"x" * 99_999, 413),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(
    server: Server, sent: bytes, status: int
) -> None:
    client = server.connect()
    assert client.get("/before")[0] == 200
    client.send(sent)
    found, headers, body = client.read()
    assert (found, headers["Connection"]) == (status, "close")
    assert body
    assert client.rest() == b""


def test_what_comes_before_nonsense_is_answered_first(server: Server) -> None:
    client = server.connect()
    client.send(GET % b"/wait/1" + b"nonsense\r\n\r\n")
    server.answer("/wait/1", b"one")
    assert client.read()[2] == b"one"
    assert client.read()[0] == 400


def test_a_body_is_read_and_may_be_announced(server: Server) -> None:
    client = server.connect()
    client.send(b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
    while b"\r\n\r\n" not in client.held:
        client._more()
    assert client.held == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.held = b""
    client.send(b"hello")
    assert client.read()[2] == b"[/x]"
    client.send(
        b"POST /y HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
        b"X-Forwarded-Host: evil\r\n\r\n"
    )
    assert client.read()[2] == b"[/y]"
    assert "HTTP_X_FORWARDED_HOST" not in server.lanes.asked[-1]  # it came too late to be believed
    assert [each["wsgi.input"].read() for each in server.lanes.asked] == [b"hello", b"abc"]


@pytest.mark.parametrize(
    ("first", "headers", "connection"),
    [
        (b"HTTP/1.0", b"", "close"),
        (b"HTTP/1.0", b"Connection: keep-alive\r\n", "keep-alive"),
        (b"HTTP/1.1", b"Host: a\r\nConnection: close\r\n", "close"),
        (b"HTTP/1.1", b"Host: a\r\n", None),
    ],
)
def test_connections_close_when_clients_wish(
    server: Server, first: bytes, headers: bytes, connection: str | None
) -> None:
    client = server.connect()
    client.send(b"GET / " + first + b"\r\n" + headers + b"\r\n")
    assert client.read()[1].get("Connection") == connection
    if connection == "close":
        assert client.rest() == b""
    else:
        assert client.get("/again")[2] == b"[/again]"


def test_a_wish_for_another_protocol_is_not_followed(server: Server) -> None:
    client = server.connect()
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    client.send(b"GET /1 HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n" + GET % b"/2")
    assert [client.read()[2] for _ in range(2)] == [b"[/1]", b"[/2]"]
    assert client.get("/3")[2] == b"[/3]"


def test_a_body_is_never_read_as_the_requests_that_follow(server: Server) -> None:
    evil = GET % b"/evil"
    length = b"Content-Length: %d\r\n\r\n" % len(evil)
    client = server.connect()
    client.send(b"POST /1 HTTP/1.1\r\nHost: a\r\n" + UPGRADE + length + evil + GET % b"/2")
    assert client.read()[0] == 400
    assert client.rest() == b""
    assert server.lanes.asked == []


def test_who_speaks_http_1_0_is_not_told_to_continue(server: Server) -> None:
    client = server.connect()
    client.send(b"POST /x HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx")
    assert client.read()[0] == 200


def test_an_answer_to_head_has_a_length_and_no_body(server: Server, tmp_path: Path) -> None:
    server.lanes.answers["/file"] = lambda client, _: client.response_ready(
        200, b"Content-Length: 5\r\n", ready(tmp_path, b"12345")
    )
    client = server.connect()
    for path, length in (("/long", "7"), ("/file", "5")):
        client.send(b"HEAD " + path.encode() + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert client.read(head_only=True)[1]["Content-Length"] == length
    server.lanes.answers["/unknown"] = lambda client, _: client.response_bytes(200, [], b"")
    client.send(b"HEAD /unknown HTTP/1.1\r\nHost: a\r\n\r\n")
    assert "Content-Length" not in client.read(head_only=True)[1]  # nobody has made it yet
    assert client.get("/after")[2] == b"[/after]"


def test_what_is_unchanged_has_neither_length_nor_body(server: Server) -> None:
    server.lanes.answers["/same"] = lambda client, _: client.response_bytes(304, [], b"")
    client = server.connect()
    for _ in range(2):
        status, headers, _ = client.get("/same")
        assert (status, "Content-Length" in headers) == (304, False)


def ready(folder: Path, content: bytes, prefix: bytes = b"", more: int = 0) -> Ready:
    path = folder / "file"
    path.write_bytes(b"abc" + content)
    return Ready(OpenFile(os.open(path, os.O_RDONLY)), 3, len(content) + more, prefix)


@pytest.mark.parametrize("length", [0, 1, 50_000, 900_000])
@pytest.mark.parametrize("prefix", [b"", b"before"])
@pytest.mark.parametrize("straight", [True, False])
def test_bytes_of_a_file_are_sent_as_they_are(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    prefix: bytes,
    straight: bool,
) -> None:
    monkeypatch.setattr(wires, "_SENDFILE", straight and wires._SENDFILE)
    content = random.Random(length).randbytes(length)
    body = ready(tmp_path, content, prefix)
    server.lanes.answers["/file"] = lambda client, _: client.response_ready(
        200, b"Content-Length: %d\r\n" % body.size_bytes, body
    )
    client = server.connect()
    client.send(GET % b"/file" * 5 + GET % b"/after")
    time.sleep(0.05)  # so that its system takes no more
    for _ in range(5):
        assert client.read()[2] == prefix + content
    assert client.read()[2] == b"[/after]"


def test_where_a_file_cannot_be_sent_it_is_read(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(errno.EINVAL, "not here")

    monkeypatch.setattr(os, "sendfile", refuse)
    body = ready(tmp_path, b"12345", b"before")
    server.lanes.answers["/file"] = lambda client, _: client.response_ready(
        200, b"Content-Length: 11\r\n", body
    )
    client = server.connect()
    client.send(GET % b"/file" + GET % b"/after")
    assert client.read()[2] == b"before12345"
    assert client.read()[2] == b"[/after]"


def test_a_file_that_ends_early_is_never_taken_for_whole(server: Server, tmp_path: Path) -> None:
    body = ready(tmp_path, b"12345", more=1)
    server.lanes.answers["/file"] = lambda client, _: client.response_ready(
        200, b"Content-Length: 6\r\n", body
    )
    client = server.connect()
    client.send(GET % b"/file")
    assert not client.rest().endswith(b"123456")
    assert server.connect().get("/on")[0] == 200


def in_pieces(*pieces: bytes, length: int, closed: threading.Event | None = None) -> Answer:
    class Body(Iterator[bytes]):
        def __init__(self) -> None:
            self._next = iter(pieces).__next__

        def __next__(self) -> bytes:
            return self._next()

        def close(self) -> None:
            if closed:
                closed.set()

    def answer(client: Connection, _: Any) -> None:
        said = (200, [("Content-Length", str(length))], Body())
        threading.Thread(target=client.response_iter, args=said).start()

    return answer


def test_a_large_answer_comes_in_pieces(server: Server) -> None:
    closed = threading.Event()
    server.lanes.answers["/large"] = in_pieces(
        *[b"x" * 300_000] * 10, length=3_000_000, closed=closed
    )
    client = server.connect()
    client.send(GET % b"/large" + GET % b"/after")
    assert client.read()[2] == b"x" * 3_000_000
    assert client.read()[2] == b"[/after]"
    assert closed.wait(30)


@pytest.mark.parametrize("pieces", [[b"x" * 10], [], [b"x" * 30, b"x" * 30]])
def test_an_answer_that_is_not_as_long_as_its_head_says_is_broken_off(
    server: Server, pieces: list[bytes]
) -> None:
    server.lanes.answers["/large"] = in_pieces(*pieces, length=50)
    client = server.connect()
    client.send(GET % b"/large" + GET % b"/after")
    assert b"[/after]" not in client.rest()


def test_who_does_not_read_keeps_nobody_waiting_and_no_memory(server: Server) -> None:
    given = []
    closed = threading.Event()

    class Endless(Iterator[bytes]):
        def __next__(self) -> bytes:
            given.append(1)
            return b"x" * (256 << 10)

        def close(self) -> None:
            closed.set()

    server.lanes.answers["/endless"] = lambda client, _: threading.Thread(
        target=client.response_iter, args=(200, [("Content-Length", str(1 << 40))], Endless())
    ).start()
    slow = server.connect()
    slow.send(GET % b"/endless")
    until(lambda: len(given) > 1)
    seen = -1
    while seen != len(given):  # until its system takes no more
        seen = len(given)
        time.sleep(0.2)
    assert seen < 100
    assert server.connect().get("/other")[2] == b"[/other]"
    slow.socket.close()
    assert closed.wait(30)


def test_who_takes_nothing_for_long_is_left(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wires, "_STALL_S", 0.5)
    closed = threading.Event()
    server.lanes.answers["/large"] = in_pieces(
        *[b"x" * 300_000] * 90, length=27_000_000, closed=closed
    )
    client = server.connect()
    client.send(GET % b"/large")
    assert closed.wait(30)
    assert len(client.rest()) < 27_000_000


def test_where_many_take_nothing_those_are_left_at_once_who_do_that_longest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(loops, "_EVERY_S", 1_000.0)  # it looks at nobody
    server = Server()
    size = 30_000_000  # much more than the system takes
    monkeypatch.setattr(loops, "_MOST_UNSENT_BYTES", size * 2)
    server.lanes.answers["/large"] = lambda client, _: client.response_bytes(200, [], b"x" * size)
    first = server.connect()
    first.send(GET % b"/large")
    until(lambda: server.wire._unsent)
    (connection,) = server.wire._connections
    later = [server.connect() for _ in range(3)]
    for each in later:
        each.send(GET % b"/large")
    until(lambda: connection not in server.wire._connections)
    assert len(first.rest()) < size
    assert len(later[-1].read()[2]) == size
    monkeypatch.undo()
    server.stop()


def test_of_a_file_no_more_is_read_than_its_reader_has_room_for(
    server: Server, tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(30_000_000)
    body = ready(tmp_path, content, b"before")
    server.lanes.answers["/file"] = lambda client, _: client.response_ready(
        200, b"Content-Length: %d\r\n" % body.size_bytes, body
    )
    clients = [server.connect() for _ in range(3)]
    for client in clients:
        client.send(GET % b"/file" + GET % b"/after")
    until(lambda: len(server.wire._unsent) == 3)
    assert max(server.wire._unsent.values()) <= 2 * wires._PIECE_BYTES  # one, and the next
    if sys.platform == "linux":  # the disk has to be waited for, where there is one
        os.fsync(body.file.number)
        os.posix_fadvise(body.file.number, 0, 0, os.POSIX_FADV_DONTNEED)
    clients.pop().socket.close()
    for client in clients:
        assert client.read()[2] == b"before" + content
        assert client.read()[2] == b"[/after]"
    until(lambda: not server.wire._unsent)
    assert server.wire._unsent_bytes == 0


def test_a_file_that_is_cut_off_while_it_is_sent_is_never_taken_for_whole(
    server: Server, tmp_path: Path
) -> None:
    body = ready(tmp_path, b"x" * 30_000_000)
    server.lanes.answers["/file"] = lambda client, _: client.response_ready(
        200, b"Content-Length: %d\r\n" % body.size_bytes, body
    )
    client = server.connect()
    client.send(GET % b"/file")
    until(lambda: server.wire._unsent)
    os.truncate(tmp_path / "file", 20_000_000)
    assert len(client.rest()) < 30_000_000
    assert server.connect().get("/on")[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n", GET % b"/"])
def test_who_asks_nothing_for_long_is_left(
    server: Server, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(wires, "_IDLE_S", 0.5)
    waiting = server.connect()
    waiting.send(GET % b"/wait/1")
    client = server.connect()
    client.send(sent)
    client.rest()
    time.sleep(1)
    server.answer("/wait/1")  # it was not idle
    assert waiting.read()[2] == b"late"


def test_where_all_places_are_taken_who_is_idle_makes_room() -> None:
    server = Server(most=3)
    try:
        busy = server.connect()
        busy.send(GET % b"/wait/1")
        idle = [server.connect() for _ in range(2)]
        assert all(each.get("/")[0] == 200 for each in idle)
        assert server.connect().get("/new")[0] == 200
        assert idle[0].rest() == b""
        server.answer("/wait/1")
        assert busy.read()[2] == b"late"
    finally:
        server.stop()


def test_where_nobody_is_idle_nobody_else_comes_in() -> None:
    server = Server(most=2)
    try:
        for number in range(2):
            server.connect().send(GET % f"/wait/{number}".encode())
        until(lambda: len(server.lanes.waiting) == 2)
        assert server.connect().rest() == b""
        server.answer("/wait/0")
        server.answer("/wait/1")
    finally:
        server.stop()


def test_who_leaves_finishes_what_was_asked(server: Server) -> None:
    busy, idle, late = (server.connect() for _ in range(3))
    busy.send(GET % b"/wait/1")
    assert idle.get("/")[0] == late.get("/")[0] == 200
    until(lambda: server.lanes.waiting)
    server.leave()
    until(lambda: server.wire.leaving)
    status, headers, _ = late.get("/late")  # it was sent before it could know
    assert (status, headers["Connection"]) == (200, "close")
    assert idle.rest() == b""
    server.answer("/wait/1", b"done")
    assert busy.read()[2] == b"done"
    assert busy.rest() == b""
    server.thread.join(30)
    assert not server.thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), 5)


def test_who_has_said_all_still_gets_an_answer(server: Server) -> None:
    client = server.connect()
    client.send(GET % b"/wait/1" + GET % b"/2")
    client.socket.shutdown(socket.SHUT_WR)
    server.answer("/wait/1", b"one")
    assert client.read()[2] == b"one"
    assert client.read()[2] == b"[/2]"
    assert client.rest() == b""


def test_a_header_that_would_end_its_line_is_not_sent(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.lanes.answers["/evil"] = lambda client, _: client.response_bytes(
        200, [("Location", "/a\r\nSet-Cookie: b")], b""
    )
    client = server.connect()
    client.send(GET % b"/evil")
    assert client.rest() == b""
    assert "/evil" in caplog.text


@pytest.mark.parametrize(
    ("status", "length", "body"),
    [(200, 5, b"1234"), (200, 3, b"1234"), (304, 4, b"1234"), (204, 4, b"1234"), (799, 4, b"1234")],
)
def test_an_answer_that_would_be_read_otherwise_than_it_is_meant_is_not_sent(
    server: Server, status: int, length: int, body: bytes
) -> None:
    server.lanes.answers["/wrong"] = lambda client, _: client.response_bytes(
        status, [("Content-Length", str(length))], body
    )
    client = server.connect()
    client.send(GET % b"/wrong" + GET % b"/after")
    assert client.rest() == b""


def test_a_large_answer_whose_head_cannot_be_sent_ends_its_connection(server: Server) -> None:
    def answer(client: Connection, _: Any) -> None:
        headers = [("Content-Length", "4"), ("X", "a\r\nb")]
        said = (200, headers, iter([b"1234"]))
        threading.Thread(target=client.response_iter, args=said).start()

    server.lanes.answers["/wrong"] = answer
    client = server.connect()
    client.send(GET % b"/wrong")
    assert client.rest() == b""


def test_a_body_that_cannot_be_closed_spoils_no_other_answer(server: Server) -> None:
    class Body(Iterator[bytes]):
        _next = iter([b"1234"]).__next__

        def __next__(self) -> bytes:
            return self._next()

        def close(self) -> None:
            with contextlib.suppress(AssertionError):
                until(lambda: "/wait/2" in server.lanes.waiting, 0.3)
            raise OSError("no such luck")

    def send(client: Connection) -> None:
        try:
            client.response_iter(200, [("Content-Length", "4")], Body())
        except OSError:
            client.fail()

    server.lanes.answers["/odd"] = lambda client, _: threading.Thread(
        target=send, args=(client,)
    ).start()
    client = server.connect()
    client.send(GET % b"/odd" + GET % b"/wait/2")
    assert b" 500 " not in client.rest()
    assert client.held.endswith(b"1234")


def test_who_answers_does_not_wait_for_a_loop_that_has_ended(server: Server) -> None:
    """The thread has a piece in its hands while the connection is lost and the loop ends."""
    ended, taken = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    class Writable(threading.Event):
        def clear(self) -> None:
            taken.set()
            ended.wait(30)
            super().clear()

    def answer(client: Connection, _: Any) -> None:
        client._writable = Writable()
        said = (200, [("Content-Length", "8")], iter([b"1234", b"5678"]))
        threads.append(threading.Thread(target=client.response_iter, args=said, daemon=True))
        threads[-1].start()

    server.lanes.answers["/large"] = answer
    server.connect().send(GET % b"/large")
    assert taken.wait(30)
    server.stop()
    ended.set()
    threads[0].join(30)
    assert not threads[0].is_alive()


def test_an_answer_that_is_given_up_is_an_error_or_broken_off(server: Server) -> None:
    server.lanes.answers["/none"] = lambda client, _: client.fail()
    client = server.connect()
    assert client.get("/none")[0] == 500
    assert client.get("/after")[0] == 200


def test_an_error_in_the_loop_ends_one_connection(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_: Any, __: Any) -> None:
        raise RuntimeError("no such luck")

    server.lanes.answers["/broken"] = broken
    client = server.connect()
    client.send(GET % b"/broken")
    assert client.rest() == b""
    assert "no such luck" in caplog.text
    assert server.connect().get("/")[0] == 200


def test_whatever_is_sent_the_next_is_served(server: Server) -> None:
    """Requests mutated with a fixed seed: each connection is answered or closed, none hangs."""
    chance = random.Random(7)
    whole = (
        b"GET /a%20b?c HTTP/1.1\r\nHost: a\r\nX-Some: thing\r\n\r\n"
        b"POST /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        b"POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    )
    special = [b"\r", b"\n", b"\r\n\r\n", b":", b" ", b"\0", b"\xff", b"%", b"HTTP/1.1", b"-1"]
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 6)):
            place = chance.randrange(len(data))
            kind = chance.randrange(3)
            if kind == 0:
                data[place] = chance.randrange(256)
            elif kind == 1:
                del data[place : place + chance.randint(1, 20)]
            else:
                data[place:place] = chance.choice(special)
        client = server.connect()
        client.send(bytes(data))
        client.socket.shutdown(socket.SHUT_WR)
        client.rest()
    assert server.connect().get("/after")[0] == 200
    until(lambda: len(server.wire._connections) == 1)  # all others are let go
