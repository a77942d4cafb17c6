"""A place for a render process, whichever process sits there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Literal

from .bounds import Bounds
from .lanes import Flight, Lane
from .messages import Outcome
from .nursery import Nursery
from .process import Failure, Process
from .work import Terms

_ATTEMPTS = 3  # to find a process that begins
_JOBS_A_PROCESS = 2_000  # then it is replaced: what libraries leak stays bounded


class Failed(Exception):
    """A job has no result; `how` is why: there was no process, it died, or it took too long."""

    def __init__(self, how: Literal["absent", "died", "late"], why: str) -> None:
        super().__init__(why)
        self.how = how


Land = Callable[["Seat", Flight, Outcome | Failed], None]


class Seat:
    """Takes the jobs of *lanes*, those of the first before all others; one at a time."""

    def __init__(self, nursery: Nursery, lanes: tuple[Lane, ...], bounds: Bounds) -> None:
        self.lanes = lanes
        self.flight: Flight | None = None
        self._nursery = nursery
        self._terms = Terms(lanes[0], bounds.memory_bytes, bounds.loaded)
        self._process: Process | None = None
        self._leaving: Process | None = None
        self._starting = asyncio.Lock()
        self._tasks: set[asyncio.Task[object]] = set()

    @property
    def started(self) -> bool:
        """Whether a process sits here that takes jobs."""
        process = self._process
        return process is not None and process.ready and process.alive

    @property
    def jobs(self) -> int:
        """How many jobs the process has had."""
        return self._process.jobs if self._process else 0

    def fly(self, flight: Flight, land: Land, attempts: int = _ATTEMPTS) -> None:
        """Run the job of *flight*; *land* is called once, with what became of it."""
        if self._process and self.started and self.jobs < _JOBS_A_PROCESS:
            told = partial(self._told, flight, land, attempts)
            self._process.run(flight, told)
        else:
            self._spawn(self._start_and_fly(flight, land, attempts))

    async def ready(self) -> bool:
        """Return whether a process takes jobs here, after starting one if that is needed."""
        async with self._starting:
            if self._process and (not self._process.alive or self.jobs >= _JOBS_A_PROCESS):
                await self._end()
            if self._leaving and not await self._leaving.end():
                return False  # the system holds it fast, as in a disk that does not answer
            self._leaving = None
            try:
                self._process = self._process or await Process.start(self._terms, self._nursery)
            except OSError:
                return False
            if not await self._process.wait_ready():
                if not self._process.born:
                    self._nursery.end()  # the next one comes from another
                await self._end()
                return False
            return True

    async def end(self) -> None:
        """End the process that sits here, and all that is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._end()

    async def _end(self) -> str:
        process, self._process = self._process, None
        if process and not await process.end():
            self._leaving = process
        return process.status if process else "no process"

    async def _start_and_fly(self, flight: Flight, land: Land, attempts: int) -> None:
        if attempts and await self.ready():
            self.fly(flight, land, attempts - 1)
        else:
            land(self, flight, Failed("absent", "it did not start in time"))

    def _told(self, flight: Flight, land: Land, attempts: int, what: Outcome | Failure) -> None:
        if isinstance(what, tuple):
            land(self, flight, what)
        else:
            self._spawn(self._after(what, flight, land, attempts))

    async def _after(self, what: Failure, flight: Flight, land: Land, attempts: int) -> None:
        """End the process; the next job gets another, or this one where it had no part in it."""
        status = await self._end()
        if what == "unbegun":
            await self._start_and_fly(flight, land, attempts)
        else:
            land(self, flight, Failed(what, status))

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
