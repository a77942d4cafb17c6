"""The web workers of a server: started, replaced when they end or when told to, ended together.

The main process holds a listening socket for each, so that no connection is lost while one is
replaced: what the system has accepted waits for the next. It does nothing but wait, for a signal
or for the end of a worker.

SIGTERM and SIGINT end all, once their requests are answered; a second one does not wait for that.
SIGHUP replaces one after the other, each when the new one is ready. One that is not ready in time
says where it stands, and is ended.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import multiprocessing
import os
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from .errors import IiifServerError

Work = Callable[[socket.socket, Callable[[], None]], None]
"""What a worker does: serve on a socket until SIGTERM, and say when it is ready."""

_READY_S = 60.0  # for a worker, from its start
_TELL_S = 2.0  # for one that is not, to say where it stands
_LEAVE_S = 5.0  # beyond what it may take to finish
_EVERY_S = 1.0
_MOST_DEATHS, _DEATHS_S = 5, 60.0  # of one worker: then there is no use in starting another
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# where the system's libraries allow it: pages that nobody writes are shared then
_METHOD = "fork" if sys.platform == "linux" else "spawn"
_READY = b"ready"
_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Worker:
    process: BaseProcess
    said: Connection
    began_s: float
    word: bytes = b""  # that it is ready, or where it stands if it is not in time
    given_up: bool = False

    @property
    def ready(self) -> bool:
        """Whether it serves."""
        return self.word.endswith(_READY)

    def look(self) -> bool:
        """Return whether it lives; note what it says."""
        if not self.ready:
            with contextlib.suppress(OSError):
                if self.said.poll():
                    self.word += os.read(self.said.fileno(), 64 << 10)
        return self.process.is_alive()

    def give_up(self, ready_s: float) -> None:
        """End it, since it was not ready within so many seconds."""
        self.given_up = True
        where = self.word.decode(errors="replace") or "it cannot say where it stands"
        _log.error(
            "web worker %d was not ready %g s after its start and is ended. What it waits for, the "
            "last call first: %s", self.process.pid, ready_s, where,
        )  # fmt: skip
        self.process.kill()


@dataclass(eq=False, slots=True)
class _Post:
    """A listening socket, who serves on it, and who is to take over."""

    listening: socket.socket
    worker: _Worker
    coming: _Worker | None = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_DEATHS))


class Crew:
    """Workers that do *work*, one for each of *sockets*.

    They have *ready_s* to be ready, and *finish_s* to finish.
    """

    def __init__(
        self,
        work: Work,
        sockets: Sequence[socket.socket],
        finish_s: float,
        ready_s: float = _READY_S,
    ) -> None:
        self._work = work
        self._sockets = sockets
        self._finish_s = finish_s
        self._ready_s = ready_s
        self._context: Any = multiprocessing.get_context(_METHOD)
        self._posts: list[_Post] = []
        self._replaced: deque[_Post] = deque()  # those that are to have another worker
        self._leaving: dict[_Worker, float] = {}  # until when they may take

    def run(
        self, ready: Callable[[], None], reload: Callable[[], None], leave: Callable[[], None]
    ) -> None:
        """Run until told to end; *ready*, *reload* and *leave* are called at that moment.

        Raises:
            IiifServerError: workers cannot start in time, or end again and again.
        """
        with _told() as told:
            announced = False
            try:
                for each in self._sockets:
                    self._posts.append(_Post(each, self._start(each)))
                while True:
                    signals = told(self._events())
                    if signals & {signal.SIGTERM, signal.SIGINT}:
                        break
                    if signal.SIGHUP in signals:
                        reload()
                        self._replaced = deque(self._posts)
                    self._look(announced)
                    if not announced and all(post.worker.ready for post in self._posts):
                        announced = True
                        ready()
            finally:
                leave()
                self._end(told)

    def _start(self, listening: socket.socket) -> _Worker:
        said, say = self._context.Pipe(duplex=False)
        # a signal that comes before a worker is its own master would be taken for ours
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            process = self._context.Process(
                target=_begin, args=(self._work, listening, say, self._ready_s)
            )
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        say.close()
        return _Worker(process, said, time.monotonic())

    def _all(self) -> Iterator[_Worker]:
        for post in self._posts:
            yield post.worker
            if post.coming:
                yield post.coming
        yield from self._leaving

    def _events(self) -> list[int | Connection]:
        """Return what to wait for: an end, or a word."""
        events: list[int | Connection] = []
        for worker in self._all():
            events.append(worker.process.sentinel)
            if not worker.ready and not worker.said.closed:
                events.append(worker.said)
        return events

    def _look(self, announced: bool) -> None:
        now = time.monotonic()
        for worker in self._all():
            late = worker.look() and now - worker.began_s > self._ready_s + _TELL_S
            if late and not worker.ready and not worker.given_up:
                worker.give_up(self._ready_s)
        for post in self._posts:
            self._look_at(post, now, announced)
        for worker, until in [*self._leaving.items()]:
            if now > until:
                worker.process.kill()
            if not worker.look():
                self._bury(worker)
        if self._replaced and not any(post.coming for post in self._posts):
            post = self._replaced.popleft()
            post.coming = self._start(post.listening)

    def _look_at(self, post: _Post, now: float, announced: bool) -> None:
        coming = post.coming
        if coming and not coming.look():
            _log.error("a new web worker ended before it was ready: those before it stay")
            post.coming = None
            self._replaced.clear()
            self._bury(coming)
        elif coming and coming.ready:
            self._dismiss(post.worker, now)
            post.worker, post.coming = coming, None
        if post.worker.look():
            return
        ended, post.worker = post.worker, self._successor(post, now, announced)
        _log.error(
            "web worker %d ended (%s): another starts", ended.process.pid, _how(ended.process)
        )
        self._bury(ended)

    def _successor(self, post: _Post, now: float, announced: bool) -> _Worker:
        """Return who serves in place of a worker that has ended."""
        if not announced and not post.worker.ready:
            raise IiifServerError("the server cannot start: see what its web workers say above")
        post.deaths.append(now)
        if len(post.deaths) == _MOST_DEATHS and now - post.deaths[0] < _DEATHS_S:
            raise IiifServerError(
                f"a web worker ended {_MOST_DEATHS} times within {_DEATHS_S:g} s: the server ends"
            )
        successor, post.coming = post.coming or self._start(post.listening), None
        return successor

    def _dismiss(self, worker: _Worker, now: float) -> None:
        worker.process.terminate()
        self._leaving[worker] = now + self._finish_s + _LEAVE_S

    def _bury(self, worker: _Worker) -> None:
        self._leaving.pop(worker, None)
        worker.process.join()
        worker.process.close()
        worker.said.close()

    def _end(self, told: Callable[[list[int | Connection]], set[int]]) -> None:
        now = time.monotonic()
        for worker in [*self._all()]:
            if worker not in self._leaving:
                self._dismiss(worker, now)
        self._posts.clear()
        self._replaced.clear()  # nobody is to come any more
        while self._leaving:
            if told(self._events()) & {signal.SIGTERM, signal.SIGINT}:
                self._leaving = dict.fromkeys(self._leaving, 0.0)
            self._look(True)
            self._refuse()

    def _refuse(self) -> None:
        """Let nobody connect who would wait in vain; those who serve have stopped listening."""
        for each in self._sockets:
            with contextlib.suppress(OSError):  # it was done before
                each.shutdown(socket.SHUT_RDWR)


def _begin(work: Work, listening: socket.socket, say: Connection, ready_s: float) -> None:
    """Be a worker.

    A terminal's ^C goes to a whole process group. It is for the main process, which then tells its
    workers.
    """
    os.setpgrp()
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    faulthandler.dump_traceback_later(ready_s, file=say.fileno())

    def ready() -> None:
        faulthandler.cancel_dump_traceback_later()
        os.write(say.fileno(), _READY)

    work(listening, ready)


def _how(process: BaseProcess) -> str:
    code = process.exitcode or 0
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


@contextlib.contextmanager
def _told() -> Iterator[Callable[[list[int | Connection]], set[int]]]:
    """Take signals; yield a function that waits for them, or for events, and returns signals."""
    taken: set[int] = set()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)

    def take(number: int, _: object) -> None:
        taken.add(number)
        with contextlib.suppress(BlockingIOError):
            os.write(wake, b"!")

    def told(events: list[int | Connection]) -> set[int]:
        if woken in wait([woken, *events], _EVERY_S):
            os.read(woken, 4_096)
        signals = {*taken}
        taken.difference_update(signals)
        return signals

    before = {each: signal.signal(each, take) for each in _SIGNALS}
    try:
        yield told
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(woken)
        os.close(wake)
