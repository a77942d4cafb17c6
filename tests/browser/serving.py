"""Servers for the tests: ours, started once for all workers, and two that play somebody else's."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READY = "iiifserver: "
READY_TIMEOUT_S = 300
"""A first start cuts every pyramid of the demo."""
STOP_TIMEOUT_S = 20


@contextlib.contextmanager
def running(*arguments: str | Path) -> Iterator[str]:
    """Start the server, wait until it says where it listens, and stop it afterwards."""
    command = [sys.executable, "-m", "iiifserver.cli", *map(str, arguments), "--port", "0"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IIIFSERVER_")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        lines: queue.Queue[str] = queue.Queue()
        reading = threading.Thread(target=_read, args=(server, lines))
        reading.start()
        try:
            yield _address(lines)
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_TIMEOUT_S)
            server.kill()
            reading.join()


@contextlib.contextmanager
def shared(folder: Path, *arguments: str | Path) -> Iterator[str]:
    """Give the address of one server that all workers use; the first to come starts it.

    In *folder* a note holds the address. Who comes or goes holds one lock for that moment; who uses
    the server shares another, so that the one who started it can wait for all others.
    """
    note = folder / "address"
    with (
        (folder / "coming").open("w") as coming,
        (folder / "using").open("w") as using,
        contextlib.ExitStack() as held,
    ):
        fcntl.flock(coming, fcntl.LOCK_EX)
        if not note.exists():
            note.write_text(held.enter_context(running(*arguments)))
            held.callback(fcntl.flock, using, fcntl.LOCK_EX)
            held.callback(fcntl.flock, coming, fcntl.LOCK_UN)
            held.callback(note.unlink)
            held.callback(fcntl.flock, coming, fcntl.LOCK_EX)
        address = note.read_text()
        fcntl.flock(using, fcntl.LOCK_SH)
        fcntl.flock(coming, fcntl.LOCK_UN)
        yield address


def _read(server: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert server.stdout is not None
    for line in server.stdout:
        lines.put(line)
    lines.put("")


def _address(lines: queue.Queue[str]) -> str:
    while line := lines.get(timeout=READY_TIMEOUT_S):
        if line.startswith(READY):
            return line.removeprefix(READY).strip().rstrip("/")
    pytest.fail("the server ended before it was ready")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


PIECE_BYTES = 800
PAUSE_S = 0.03
"""Longer than a browser needs to show what has come."""
PAINTED = "/painted"
PAINT_TIMEOUT_S = 20


class _InPieces(BaseHTTPRequestHandler):
    """Hands on what a server answers: pages in pieces, everything else at once.

    The second half of a page waits until the browser tells, at `PAINTED`, that it shows the first.
    """

    upstream = ""
    painted = threading.Event()
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer as the server does, with its address in documents exchanged for this one."""
        with contextlib.suppress(ConnectionError):  # of a browser that has gone on
            if self.path == PAINTED:
                self.painted.set()
                self.send_response(204)
                self.end_headers()
            else:
                self._hand_on(f"http://{self.headers['Host']}")

    def _hand_on(self, own: str) -> None:
        asked = urllib.request.Request(self.upstream + self.path, headers={"Accept": "*/*"})
        with urllib.request.urlopen(asked) as answer:
            body, headers = answer.read(), answer.headers
        kind = headers.get_content_type()
        if kind in ("text/html", "application/json", "application/ld+json"):
            body = body.replace(self.upstream.encode(), own.encode())
        self.send_response(200)
        for name in ("Content-Type", "Content-Security-Policy"):
            if name in headers:
                self.send_header(name, headers[name])
        if kind == "text/html":
            self._send_in_pieces(body)
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def _send_in_pieces(self, body: bytes) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.painted.clear()
        for start in range(0, len(body), PIECE_BYTES):
            if start > len(body) / 2:
                self.painted.wait(PAINT_TIMEOUT_S)
            piece = body[start : start + PIECE_BYTES]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
            time.sleep(PAUSE_S)
        self.wfile.write(b"0\r\n\r\n")


@contextlib.contextmanager
def in_pieces(upstream: str) -> Iterator[str]:
    """Hand on what *upstream* answers as a slow connection does: pages a piece at a time."""
    handler = type("Handler", (_InPieces,), {"upstream": upstream, "painted": threading.Event()})
    with _listening("127.0.0.1", handler) as address:
        yield address


@contextlib.contextmanager
def somebody_else() -> Iterator[str]:
    """Serve the pages of `elsewhere/` on another site than ours: another name, another port."""
    handler = functools.partial(_Quiet, directory=Path(__file__).parent)
    with _listening("localhost", handler) as address:
        yield f"{address}/elsewhere"


@contextlib.contextmanager
def _listening(host: str, handler: Callable[..., BaseHTTPRequestHandler]) -> Iterator[str]:
    with ThreadingHTTPServer((host, 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://{host}:{server.server_port}"
        finally:
            server.shutdown()
            serving.join()
