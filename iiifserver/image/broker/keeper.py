"""Keeping a broker process alive at one address; whatever ends it, another is started."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from iiifserver.image import lossless

from .bounds import KEY_BYTES, Bounds, Terms
from .client import ADDRESS, KEY, PATIENCE_S, TIMEOUT_S
from .messages import receive, send

_START_S = 30.0
_ASKS_EVERY_S = 5.0
_SILENCE_S = 20.0  # and it is taken for dead
_BREATH_S = 0.2  # before a broker that ended is started again
_END_S = 5.0
_log = logging.getLogger("iiifserver.image.broker")


@contextlib.contextmanager
def running(bounds: Bounds) -> Iterator[dict[str, str]]:
    """Run a broker for the length of a `with`; yield the environment its clients need."""
    folder = Path(tempfile.mkdtemp(prefix="iiifserver-"))  # mode 0700: nobody else connects
    address, key = str(folder / "broker"), secrets.token_bytes(KEY_BYTES)
    keeper = _Keeper(Terms(address, key, bounds))
    try:
        yield {
            ADDRESS: address,
            KEY: key.hex(),
            PATIENCE_S: str(bounds.patience_s),
            TIMEOUT_S: str(bounds.timeout_s),
            lossless.VARIABLE: lossless.found(),
        }
    finally:
        keeper.stop()
        shutil.rmtree(folder, ignore_errors=True)


class _Keeper:
    """Starts a broker, asks it now and then whether it lives, and replaces one that does not."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._stopping = threading.Event()
        self._start()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _start(self) -> None:
        Path(self._terms.address).unlink(missing_ok=True)
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this program
                [sys.executable, "-m", "iiifserver.image.broker.door", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                process_group=0,  # the terminal's ^C is the server's to handle
            )
        with contextlib.suppress(EOFError, OSError):  # it ended, or hangs: _watch sees to it
            self._socket.settimeout(_START_S)
            send(self._socket, self._terms)
            receive(self._socket)
        self._socket.settimeout(_SILENCE_S)

    def _watch(self) -> None:
        while not self._stopping.is_set():
            try:
                send(self._socket, "alive?")
                receive(self._socket)
                self._quiet(_ASKS_EVERY_S)
            except (EOFError, OSError):
                self._end()
                if not self._stopping.wait(_BREATH_S):
                    _log.warning("the broker ended (%s): another starts", self._process.returncode)
                    self._start()

    def _quiet(self, seconds: float) -> None:
        """Return after *seconds*, or sooner if the broker ends: it says nothing unasked."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.select(seconds)

    def _end(self) -> None:
        """End the process and all that it started, which end with it."""
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S if self._stopping.is_set() else 0)
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)

    def stop(self) -> None:
        """End the broker and its render processes."""
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(2 * _END_S + _START_S)
        self._end()
