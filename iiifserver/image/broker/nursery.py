"""Where render processes come from: copies of one process that has loaded what they need.

A copy is there in milliseconds and shares what was loaded with all others, which is most of what a
process holds that makes a tile. What is copied has one thread, has used nothing of libvips, and
only waits to be copied again. Each process is started anew elsewhere than on Linux, where copies
of what has loaded so much may crash, and within commands, which should not adopt what others leave
behind. docs/decisions/0016-render-processes-are-forked.md
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Protocol

from iiifserver.logs import log_to_server

from .bounds import end_with_server
from .work import work

_THRIFT = {
    "MALLOC_ARENA_MAX": "2",  # half of the memory
    "VIPS_CONCURRENCY": "1",
    # a tile's memory stays for the next one, while larger pieces go back to the system at once
    "MALLOC_MMAP_THRESHOLD_": str(4 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
}
_ADOPT, _ADOPTS = 36, 37  # PR_SET_CHILD_SUBREAPER and PR_GET_CHILD_SUBREAPER of prctl.h
_END_S = 1.0
_HANDED = 3  # a socket and the ends of two pipes
_BREATH_S = 0.0005
_log = logging.getLogger("iiifserver.image.broker")


class Child(Protocol):
    """A process that was started here."""

    def kill(self) -> None:
        """End it at once."""

    def poll(self) -> int | None:
        """Return how it ended, a signal as a negative number; None where it has not."""


class Copy:
    """A copy, which tells its number itself."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._ended: int | None = None

    def kill(self) -> None:
        """End it at once."""
        if self.number is not None and self.poll() is None:
            os.kill(self.number, signal.SIGKILL)  # its number is free only after `poll`

    def poll(self) -> int | None:
        """Return how it ended, 0 where it told no number."""
        if self.number is None:
            return 0
        if self._ended is None:
            try:
                number, status = os.waitpid(self.number, os.WNOHANG)
            except ChildProcessError:  # the system was told to keep no count of what ends
                number, status = self.number, 0
            if number:
                self._ended = os.waitstatus_to_exitcode(status)
        return self._ended


class Nursery:
    """The process that is copied, as the broker sees it; it is started when it is needed."""

    def __init__(self, loaded: Sequence[str]) -> None:
        self._loaded = loaded
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def bear(self, numbers: Sequence[int]) -> Child:
        """Return a process that works on *numbers*, as `work` does.

        Raises:
            OSError: this machine has no room for another process.
        """
        if not _adopts():
            return _started("work", numbers)
        if self._socket is None or not self._asked(numbers):
            self.end()
            self._socket = self._start()
            socket.send_fds(self._socket, [b"."], numbers)
        return Copy()

    def end(self) -> None:
        """End it, but not its copies."""
        if self._socket:
            self._socket.close()
            self._socket = None
        if self._process:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_S)
            self._process = None

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = _started("nursery", [theirs.fileno()], self._loaded)
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        return ours

    def _asked(self, numbers: Sequence[int]) -> bool:
        try:
            return bool(self._socket and socket.send_fds(self._socket, [b"."], numbers))
        except OSError:  # it ended, or does not read
            return False


def _started(
    module: str, numbers: Sequence[int], words: Sequence[str] = ()
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - this program
        [sys.executable, "-m", f"{__package__}.{module}", *map(str, numbers), *words],
        stdin=subprocess.DEVNULL,
        pass_fds=numbers,
        env=os.environ | _THRIFT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        process_group=0,  # the terminal's ^C is the server's to handle
    )


def adopt() -> None:
    """Have processes whose parent has ended become children of this one, so that it has copies."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPT, 1, 0, 0, 0)


def _adopts() -> bool:
    adopts = ctypes.c_int(0)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_ADOPTS, ctypes.byref(adopts), 0, 0, 0)
    return bool(adopts)


# -- in the process that is copied


def main(broker: int, *loaded: str) -> None:
    """Be copied for each message that comes through the socket *broker*, until it closes."""
    end_with_server()
    log_to_server()
    adopter = os.getppid()
    with socket.socket(fileno=broker) as asks:
        for module in loaded:
            importlib.import_module(module)
        gc.collect()
        gc.freeze()  # to look through it would copy it
        while True:
            message, numbers, *_ = socket.recv_fds(asks, 1, _HANDED)
            if not message:
                return
            with contextlib.suppress(OSError):  # no room: the broker sees that nobody listens
                _bear(asks, adopter, numbers)
            for number in numbers:
                os.close(number)


def _bear(asks: socket.socket, adopter: int, numbers: Sequence[int]) -> None:
    """Make a copy whose parent is *adopter*: that of one that ends at once."""
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        return
    try:
        between = os.getpid()
        if not os.fork():
            asks.close()  # whoever holds it too would hide that the first one has ended
            while os.getppid() == between:
                time.sleep(_BREATH_S)
            if os.getppid() == adopter:
                work(*numbers)
    except Exception:  # the edge of a process
        _log.exception("a render process could not begin")
    finally:
        os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
