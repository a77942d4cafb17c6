"""Debian's nginx under our configuration, and our servers behind it, for the tests."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from small_exhibition import Small

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "deploy" / "nginx"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
START_S = 120
NODES = """upstream nodes {{
    hash $path consistent;
    {servers}
    keepalive 8;
}}
"""


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def cache(self) -> str | None:
        """What nginx's cache had to do with it."""
        return self.headers["X-Cache"]

    def document(self) -> dict[str, object]:
        """The body, read as JSON."""
        return dict(json.loads(self.body))


def ask(address: str, method: str = "GET", **headers: str) -> Answer:
    """Ask for *address*, whose path is sent as it is; `if_none_match` is If-None-Match."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=START_S)
    with contextlib.closing(connection):
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        path = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request(method, path, headers=named)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


@dataclass
class Node:
    """One of our servers, and the lines that it logs."""

    port: int
    log: Path
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> Counter[str]:
        """Return how often each path was asked for, up to now."""
        mark = f"/mark-{time.monotonic_ns()}"
        ask(f"{self.address}{mark}")
        until = time.monotonic() + START_S
        while mark not in (text := self.log.read_text()):
            assert time.monotonic() < until, "the log is not written"
            time.sleep(0.02)
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
        return Counter(line["path"] for line in lines)

    def stop(self) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(START_S)
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def running(
    count: int, scratch: Path, *arguments: str | Path, **settings: str
) -> Iterator[list[Node]]:
    """Run *count* of our servers, each `iiifserver serve` with *arguments*."""
    with contextlib.ExitStack() as stack:
        nodes = []
        for number in range(count):
            folder = scratch / f"node-{number}"
            folder.mkdir(parents=True)
            nodes.append(_started(folder, *arguments, **settings))
            stack.callback(nodes[-1].stop)
        for node in nodes:
            _ready(f"{node.address}/health", node.process, node.log)
        yield nodes


def _started(folder: Path, *arguments: str | Path, **settings: str) -> Node:
    port = free_port()
    command = [sys.executable, "-m", "iiifserver.cli", "serve", *map(str, arguments)]
    command += ["--port", str(port), "--workers", "1"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IIIFSERVER_")}
    environment |= {f"IIIFSERVER_{name.upper()}": value for name, value in settings.items()}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=log, cwd=folder
        )
    return Node(port, folder / "log", process)


class Changing(ThreadingHTTPServer):
    """A server whose one answer changes; it says for how long that may be kept."""

    body: bytes
    cache_control: str


class _Answering(BaseHTTPRequestHandler):
    server: Changing

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.send_header("Cache-Control", self.server.cache_control)
        self.end_headers()
        self.wfile.write(self.server.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def changing(body: bytes, cache_control: str) -> Iterator[Changing]:
    """Run a server that answers *body* until it is given another one."""
    with Changing(("127.0.0.1", 0), _Answering) as server:
        server.body, server.cache_control = body, cache_control
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield server
        finally:
            server.shutdown()
            serving.join()


@dataclass
class Front:
    """nginx, its address, and where it keeps what it keeps."""

    address: str
    folder: Path
    tls_port: int
    lines: Path = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.folder / "lines"

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        return ask(f"{self.address}{path}", method, **headers)

    def purge(self, *paths: str) -> str:
        """Run our script, and return what it says."""
        command = ["sh", str(CONFIGURATION / "purge"), str(self.folder / "cache"), *paths]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def front(
    folder: Path,
    port: int,
    nodes: Sequence[int],
    *,
    conf: str = "plain.conf",
    replaced: Mapping[str, Mapping[str, str]] | None = None,
) -> Iterator[Front]:
    """Run nginx at *port* before the *nodes* that listen at these ports.

    *replaced* says of each file of the configuration which text stands instead of which other.
    """
    assert NGINX, "nginx is missing"
    shutil.copytree(CONFIGURATION, folder / "conf")
    tls_port = free_port()
    listening = {
        "listen 8080": f"listen 127.0.0.1:{port}",
        "listen 8443": f"listen 127.0.0.1:{tls_port}",
    }
    servers = "\n    ".join(f"server 127.0.0.1:{each} max_fails=0;" for each in nodes)
    (folder / "conf" / "nodes.conf").write_text(NODES.format(servers=servers))
    given = dict(replaced or {})
    changes = {**given, conf: {**listening, **given.get(conf, {})}}
    for name, texts in changes.items():
        path = folder / "conf" / name
        text = path.read_text()
        for old, new in texts.items():
            assert old in text or old in listening, f"{name} has no {old!r}"
            text = text.replace(old, new)
        path.write_text(text)
    if os.geteuid() == 0:  # else its workers may not write where a test's files lie
        process_conf = folder / "conf" / "process.conf"
        process_conf.write_text(f"user root;\n{process_conf.read_text()}")
    command = [NGINX, "-p", str(folder), "-c", str(folder / "conf" / conf), "-e", "stderr"]
    with (folder / "lines").open("ab") as lines, (folder / "errors").open("ab") as errors:
        process = subprocess.Popen(
            [*command, "-g", "daemon off;"], stdout=lines, stderr=errors, start_new_session=True
        )
    running = Front(f"http://127.0.0.1:{port}", folder, tls_port)
    try:
        _ready(f"{running.address}/health", process, folder / "errors")
        yield running
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()


class Site(NamedTuple):
    """An exhibition, the nodes that serve it, and the front through which it is read."""

    small: Small
    nodes: list[Node]
    front: Front


def published(folder: Path, **settings: str) -> Iterator[Site]:
    port = free_port()
    small = Small(folder / "small")
    small.publish(base_url=f"http://127.0.0.1:{port}")
    settings |= {"data": str(small.data), "base_url": f"http://127.0.0.1:{port}"}
    settings |= {"trusted_proxies": "127.0.0.1"}
    with (
        running(2, folder, **settings) as nodes,
        front(
            folder / "front",
            port,
            [each.port for each in nodes],
            # no test of this site is about limits, and all come from one address
            replaced={"limits.conf": {"rate=5r/s": "rate=1000r/s", "burst=20 ": "burst=1000 "}},
        ) as nginx,
    ):
        yield Site(small, nodes, nginx)


def _ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(f"ended at once: {log.read_text()}")
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask(address)
            return
        time.sleep(0.02)
    raise AssertionError(f"does not listen: {log.read_text()}")
