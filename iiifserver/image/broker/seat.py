"""A place for a render process, whichever process sits there."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from .lanes import Flight, Lane
from .messages import Answer
from .process import Died, NotBegun, Process

_ATTEMPTS = 3  # to find a process that begins
_JOBS_A_PROCESS = 2_000  # then it is replaced: what libraries leak stays bounded


class Failed(Exception):
    """A job has no result; `how` is why: there was no process, it died, or it took too long."""

    def __init__(self, how: Literal["absent", "died", "late"], why: str) -> None:
        super().__init__(why)
        self.how = how


class Seat:
    """Takes the jobs of *lanes*, those of the first before all others; one at a time."""

    def __init__(self, lanes: tuple[Lane, ...], memory_bytes: int) -> None:
        self.lanes = lanes
        self.flight: Flight | None = None
        self._memory_bytes = memory_bytes
        self._process: Process | None = None
        self._leaving: Process | None = None
        self._starting = asyncio.Lock()

    @property
    def started(self) -> bool:
        """Whether a process sits here."""
        return self._process is not None and self._process.alive

    @property
    def jobs(self) -> int:
        """How many jobs the process has had."""
        return self._process.jobs if self._process else 0

    async def ready(self) -> bool:
        """Return whether a process takes jobs here, after starting one if that is needed."""
        async with self._starting:
            if self._process and (not self._process.alive or self.jobs >= _JOBS_A_PROCESS):
                await self.end()
            if self._leaving and not await self._leaving.end():
                return False  # the system holds it fast, as in a disk that does not answer
            self._leaving = None
            try:
                self._process = self._process or await Process.start(
                    self.lanes[0], self._memory_bytes
                )
            except OSError:
                return False
            if not await self._process.ready():
                await self.end()
                return False
            return True

    async def run(self, job: bytes, keep: Path | None, limit_s: float) -> tuple[Answer, bytes]:
        """Return what became of *job*.

        Raises:
            Failed: nothing became of it; the process is gone, and the next job gets another.
        """
        for _ in range(_ATTEMPTS):
            if not await self.ready() or not self._process:
                break
            try:
                return await self._process.run(job, keep, limit_s)
            except NotBegun:
                await self.end()
            except Died as error:
                await self.end()
                raise Failed("died", str(error)) from error
            except TimeoutError as error:
                await self.end()
                raise Failed("late", "it is still at work") from error
        raise Failed("absent", "it did not start in time")

    async def end(self) -> None:
        """End the process that sits here, whatever it does."""
        process, self._process = self._process, None
        if process and not await process.end():
            self._leaving = process
