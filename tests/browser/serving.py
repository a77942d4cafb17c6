"""Servers for the tests: ours, started once for all workers, and one that plays somebody else's."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
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


@contextlib.contextmanager
def somebody_else() -> Iterator[str]:
    """Serve the pages of `elsewhere/` on another site than ours: another name, another port."""
    handler = functools.partial(_Quiet, directory=Path(__file__).parent)
    with ThreadingHTTPServer(("localhost", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://localhost:{server.server_port}/elsewhere"
        finally:
            server.shutdown()
            serving.join()
