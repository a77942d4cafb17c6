"""Servers that stores are tried against: moto's S3, and a web server of files. Both can misbehave.

What is asked of them is written down. A fault is a name, taken from `faults` by one GET each.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import unquote

from werkzeug.serving import WSGIRequestHandler, make_server

SLOW_S = 30.0
"""Longer than anybody waits for an answer."""


class Asked(NamedTuple):
    """A request, as the server saw it."""

    method: str
    path: str
    range: str
    headers: dict[str, str]
    query: str = ""


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        """Note the connection, so that it can be ended."""
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        """End the connection."""
        self.server.connections.discard(self.connection)
        super().finish()

    def log(self, *_: Any) -> None:
        """Say nothing."""


class Server:
    """A WSGI application on a port of its own, with a record of what it was asked."""

    def __init__(self, app: Any, tls: Any = None) -> None:
        self.asked: list[Asked] = []
        self.faults: list[str] = []
        self.closing = threading.Event()
        self._app = app
        self._server = make_server(
            "127.0.0.1", 0, self._counted, True, request_handler=_Quiet, ssl_context=tls
        )
        self._server.daemon_threads = True
        self._server.connections = set()
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop, and let nobody wait any longer."""
        self.closing.set()
        self._server.shutdown()
        for connection in [*self._server.connections]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def reads(self) -> list[str]:
        """Return the last names of what was read, in order."""
        return [each.path.rpartition("/")[2] for each in self.asked if each.method == "GET"]

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Answer 503 to everything."""
        app, self._app = self._app, _unavailable
        try:
            yield
        finally:
            self._app = app

    def _counted(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        headers = {key[5:].lower(): v for key, v in environ.items() if key.startswith("HTTP_")}
        path = unquote(environ["PATH_INFO"])
        method = environ["REQUEST_METHOD"]
        if path.startswith("/moto-api"):
            return self._app(environ, start_response)
        query = environ.get("QUERY_STRING", "")
        self.asked.append(Asked(method, path, headers.get("range", ""), headers, query))
        fault = self.faults.pop(0) if self.faults and method == "GET" else ""
        return self._faulty(fault, environ, start_response)

    def _faulty(self, fault: str, environ: Any, start_response: Any) -> Iterable[bytes]:
        if fault == "slow":
            self.closing.wait(SLOW_S)
        elif fault.isdigit():
            start_response(f"{fault} {HTTPStatus(int(fault)).phrase}", [("Content-Length", "0")])
            return []
        elif fault.startswith("to "):
            start_response("302 Found", [("Location", fault[3:]), ("Content-Length", "0")])
            return []
        said: list[Any] = []

        def remember(status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
            said[:] = [status, headers]

        made = self._app(environ, remember)
        body = b"".join(made)
        getattr(made, "close", lambda: None)()
        status, headers = said
        change: dict[str, Callable[[str], str]] = {
            # the server says how much comes, and closes before
            "cut": lambda _: str(len(body)),
            "truncated": lambda _: str(len(body) // 2),  # less than the range that it names
            "longer": lambda _: str(len(body) + 3),
        }
        if fault in ("cut", "truncated"):
            body_sent = body[: len(body) // 2]
        else:
            body_sent = body + b"xyz" if fault == "longer" else body
        if fault in change:
            headers = [
                (k, change[fault](v) if k.lower() == "content-length" else v) for k, v in headers
            ]
        if fault == "other range":
            headers = [
                (k, v.replace("bytes ", "bytes 1") if k.lower() == "content-range" else v)
                for k, v in headers
            ]
        start_response(status, headers)
        return self._dripping(body_sent) if fault == "drip" else [body_sent]

    def _dripping(self, body: bytes) -> Iterator[bytes]:
        for start in range(len(body)):
            if self.closing.wait(0.1):
                return
            yield body[start : start + 1]


def _unavailable(_environ: Any, start_response: Any) -> list[bytes]:
    start_response("503 Service Unavailable", [("Content-Length", "0")])
    return []


class Files:
    """Files of a web server: ranges, ETags, nothing else."""

    def __init__(self) -> None:
        self.bodies: dict[str, bytes] = {}
        self.ranges = True
        self.etags = True

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        """Answer GET."""
        path = environ["PATH_INFO"].encode("latin-1").decode()
        if path not in self.bodies:
            start_response("404 Not Found", [("Content-Length", "0")])
            return []
        body = self.bodies[path]
        etag = f'"{hash(body):x}"'
        headers = [("ETag", etag)] if self.etags else []
        if environ.get("HTTP_IF_MATCH", etag) != etag:
            start_response("412 Precondition Failed", [("Content-Length", "0"), *headers])
            return []
        asked = environ.get("HTTP_RANGE")
        if not asked or not self.ranges:
            start_response("200 OK", [("Content-Length", str(len(body))), *headers])
            return [body]
        first, last = (int(each) for each in asked.removeprefix("bytes=").split("-"))
        if first >= len(body):
            start_response("416 Range Not Satisfiable", [("Content-Length", "0")])
            return []
        part = body[first : last + 1]
        told = f"bytes {first}-{first + len(part) - 1}/{len(body)}"
        headers += [("Content-Range", told), ("Content-Length", str(len(part)))]
        start_response("206 Partial Content", headers)
        return [part]


@contextlib.contextmanager
def web_server() -> Iterator[tuple[Server, Files]]:
    """Run a web server of files."""
    files = Files()
    server = Server(files)
    try:
        yield server, files
    finally:
        server.close()


class S3(Server):
    """moto's S3, with buckets that are made when they are named."""

    def bucket(self, name: str) -> str:
        """Return the URL of a new bucket."""
        import urllib.request

        request = urllib.request.Request(f"{self.url}/{name}", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        self.asked.clear()
        return f"s3://{name}"

    def environment(self) -> dict[str, str]:
        """Return the variables that lead to it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "archive",
            "AWS_SECRET_ACCESS_KEY": "not-to-be-shown",
            "AWS_REGION": "us-east-1",
        }


@contextlib.contextmanager
def s3_server() -> Iterator[S3]:
    """Run moto's S3."""
    from moto.server import DomainDispatcherApplication, create_backend_app

    for name in ("werkzeug", "moto"):
        logging.getLogger(name).setLevel(logging.ERROR)
    server = S3(DomainDispatcherApplication(create_backend_app))
    try:
        yield server
    finally:
        server.close()


def until(said: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Return what *said* returns once that is true; fail after *within_s*."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = said()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it never came true")
