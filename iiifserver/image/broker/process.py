"""One render process, as the broker sees it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from .lanes import Lane
from .messages import Answer
from .streams import Messages
from .work import Terms

_START_S = 30.0
_END_S = 2.0
_BREATH_S = 0.02
_THRIFT = {"MALLOC_ARENA_MAX": "2", "VIPS_CONCURRENCY": "1"}  # half of the memory


class _Pipe(Messages):
    """The way to a render process."""

    def __init__(self) -> None:
        super().__init__()
        self.said: asyncio.Queue[tuple[Any, bytes]] = asyncio.Queue()

    def arrived(self, head: Any, body: bytes) -> None:
        """Keep what was said for who waits for it."""
        self.said.put_nowait((head, body))

    def lost(self) -> None:
        """Tell who waits that nothing will be said any more."""
        self.said.put_nowait((None, b""))


class Died(Exception):
    """A render process ended on its own; `str` tells how."""


class NotBegun(Exception):
    """A render process ended, or was silent, before it began with the job that it was given."""


class Process:
    """A render process, from its start to its end, with one job at a time."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: _Pipe, lifeline: int) -> None:
        self._process = process
        self._pipe = pipe
        self._lifeline = lifeline
        self._ready = False
        self.jobs = 0

    @classmethod
    async def start(cls, lane: Lane, memory_bytes: int) -> Process:
        """Start a process; it is not ready yet.

        Raises:
            OSError: this machine has no room for another process.
        """
        ours, theirs = socket.socketpair()
        reading, lifeline = os.pipe()
        code = "iiifserver.image.broker.work"
        try:
            process = subprocess.Popen(  # noqa: S603 - this program
                [sys.executable, "-m", code, str(theirs.fileno()), str(reading)],
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), reading),
                env=os.environ | _THRIFT | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                process_group=0,  # the terminal's ^C is the server's to handle
            )
        except OSError:
            ours.close()
            os.close(lifeline)
            raise
        finally:
            theirs.close()
            os.close(reading)
        loop = asyncio.get_running_loop()
        _, pipe = await loop.create_unix_connection(_Pipe, sock=ours)
        pipe.say(Terms(lane, memory_bytes))
        return cls(process, pipe, lifeline)

    @property
    def alive(self) -> bool:
        """Whether it still runs and listens."""
        return self._process.poll() is None and not self._pipe.transport.is_closing()

    async def ready(self) -> bool:
        """Return whether it takes jobs, after a wait: its start is no part of a job's time."""
        if not self._ready:
            with contextlib.suppress(TimeoutError, Died):
                await self._listen(_START_S)
                self._ready = True
        return self._ready

    async def run(self, job: bytes, keep: Path | None, limit_s: float) -> tuple[Answer, bytes]:
        """Return what became of *job*.

        Raises:
            NotBegun: it had nothing to do with the end of the process.
            Died: the process ended instead.
            TimeoutError: it is still at work, and has to be ended.
        """
        self.jobs += 1
        self._pipe.say(keep, job)
        try:
            await self._listen(_START_S)
        except (Died, TimeoutError) as error:
            raise NotBegun(str(error)) from error
        return await self._listen(limit_s)

    async def _listen(self, limit_s: float) -> tuple[Answer, bytes]:
        async with asyncio.timeout(limit_s):
            head, body = await self._pipe.said.get()
        if head is None:
            await self._gone()
            raise Died(f"status {self._process.poll()}")
        return head, body

    async def end(self) -> bool:
        """End it, whatever it does; return False where the system does not let it go yet."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
        self._pipe.transport.abort()
        self._process.kill()
        return await self._gone()

    async def _gone(self) -> bool:
        for _ in range(int(_END_S / _BREATH_S)):
            if self._process.poll() is not None:
                return True
            await asyncio.sleep(_BREATH_S)
        return False
