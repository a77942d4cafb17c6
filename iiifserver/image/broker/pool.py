"""A broker within this process, for commands: its processes end with it."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future

from iiifserver.image.job import Job, State
from iiifserver.sources import Place

from .bounds import Bounds
from .desk import Desk
from .messages import Outcome, ask_for, picture_of

_GRACE_S = 5.0


class Pool:
    """Render processes for one caller process, shared by its threads; see `image.job.Renderer`."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._loop = asyncio.new_event_loop()
        self._desk = Desk(bounds)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def render(self, job: Job) -> Place | bytes:
        """Return the job's result."""
        start_by = time.monotonic() + self._bounds.patience_s
        longest_s = self._bounds.patience_s + self._bounds.timeout_s + _GRACE_S
        done: Future[Outcome] = Future()
        self._loop.call_soon_threadsafe(
            self._desk.render, *ask_for("render", job, start_by), done.set_result
        )
        return picture_of(*done.result(longest_s))

    def begin(self, job: Job) -> bool:
        """Have the job run some time."""
        ask, body = ask_for("begin", job, 0.0)

        async def begun() -> bool:
            return self._desk.begin(ask, body)

        return asyncio.run_coroutine_threadsafe(begun(), self._loop).result(_GRACE_S)

    def state(self) -> State:
        """Return what is going on."""

        async def told() -> State:
            return self._desk.state()

        return asyncio.run_coroutine_threadsafe(told(), self._loop).result(_GRACE_S)

    def close(self) -> None:
        """Stop all render processes."""
        asyncio.run_coroutine_threadsafe(self._desk.close(), self._loop).result(_GRACE_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_GRACE_S)
        self._loop.close()
