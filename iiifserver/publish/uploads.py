"""Objects on their way to a store: several at a time, and none is forgotten."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

_AT_A_TIME = 8
_MOST_WAITING = 64
"""Objects that are held in memory: whoever makes more of them waits."""


class Uploads:
    """Writes by *create*, in threads; an object that is there already is as good as written."""

    def __init__(self, create: Callable[[str, bytes], None]) -> None:
        self._create = create
        self._pool: ThreadPoolExecutor | None = None
        self._under_way: deque[Future[None]] = deque()

    def put(self, key: str, body: bytes) -> None:
        """Have an object written; raise what went wrong with one before it."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_AT_A_TIME, "uploading")
        while len(self._under_way) >= _MOST_WAITING:
            self._under_way.popleft().result()
        self._under_way.append(self._pool.submit(self._written, key, body))

    def settle(self) -> None:
        """Return when all is written; raise what went wrong."""
        try:
            while self._under_way:
                self._under_way.popleft().result()
        finally:
            if self._pool:
                self._pool.shutdown(cancel_futures=True)
            self._pool = None
            self._under_way.clear()

    def _written(self, key: str, body: bytes) -> None:
        with contextlib.suppress(FileExistsError):
            self._create(key, body)
