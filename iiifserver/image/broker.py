"""The render processes of the whole server, behind one door.

    web workers --(Unix socket)--> broker process --(pipes)--> render processes

Web workers stay small and cannot be taken down by a picture: decoding happens in processes with
a memory limit, a time limit and lower priority. One that dies or hangs is replaced, and the request
that it was working on gets an error; the queue is bounded, and what does not fit is refused.
"""

from __future__ import annotations

import logging
import multiprocessing
import multiprocessing.connection
import os
import queue
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from iiifserver.config import Config
from iiifserver.errors import BrokenSource, Busy, RequestError, TookTooLong

from .job import Job

ADDRESS = "IIIF_BROKER_ADDRESS"
KEY = "IIIF_BROKER_KEY"
"""Environment variables in which a server tells its web workers of its broker."""

_NICENESS = 5
_JOBS_A_PROCESS = 2_000  # then it is replaced: what libraries leak stays bounded
_START_S = 30.0
_BREATH_S = 0.2  # before a broker that ended is started again
_LOST = (EOFError, OSError, AuthenticationError)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the broker may use: processes, waiting jobs, seconds a job, bytes a process."""

    processes: int
    waiting: int
    timeout_s: float
    memory_bytes: int

    @classmethod
    def of(cls, config: Config) -> Bounds:
        """Return the bounds that *config* sets."""
        return cls(
            config.render_processes,
            config.render_queue,
            config.render_timeout_s,
            config.render_memory_mib << 20,
        )


class _Process:
    """One render process and the pipe to it; not thread-safe, one job at a time."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._jobs = 0
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_work, args=(theirs, self._bounds.memory_bytes), daemon=True
        )
        self._process.start()
        theirs.close()
        self._jobs = 0
        self._ready = False

    def render(self, job: Job) -> bytes | RequestError:
        """Return the picture, or the error that explains why there is none."""
        if not self._process.is_alive() or self._jobs >= _JOBS_A_PROCESS:
            self.replace()
        self._jobs += 1
        try:
            if not self._started():
                self.replace()
                return Busy("a render process did not start in time")
            self._pipe.send(job)
            if not self._pipe.poll(self._bounds.timeout_s):
                self.replace()
                why = f"{job.name}: this picture took longer than {self._bounds.timeout_s:g} s"
                return TookTooLong(why)
            answer: bytes | RequestError = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(1)
            code = self._process.exitcode
            self.replace()
            _log.warning("a render process died (%s) on %s", code, job.name)
            why = f"{job.name}: decoding it took more memory than is allowed, or crashed"
            return BrokenSource(why, parameter="identifier")
        return answer

    def _started(self) -> bool:
        """Return whether the process takes jobs, after a wait: its start is no part of a job's."""
        if not self._ready and self._pipe.poll(_START_S):
            self._pipe.recv()
            self._ready = True
        return self._ready

    def replace(self) -> None:
        """Stop the process, whatever it does, and start another."""
        self.stop()
        self._start()

    def stop(self) -> None:
        """Stop the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _work(pipe: Connection[Any, Any], memory_bytes: int) -> None:
    """Render what comes through *pipe* until it closes: the life of a render process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the server's to handle
    os.nice(_NICENESS)
    limit_memory(memory_bytes)
    pipe.send(None)  # it has started
    while True:
        try:
            job = pipe.recv()
        except (EOFError, OSError):
            return
        answer: bytes | RequestError
        try:
            answer = job.run()
        except RequestError as error:
            answer = error
        except MemoryError:
            why = f"{job.name}: decoding it takes more memory than is allowed"
            answer = BrokenSource(why, parameter="identifier")
        except Exception:  # the edge of a process: what nobody foresaw must not end it unexplained
            _log.exception("unexpected error on %s", job.name)
            answer = RequestError(
                f"{job.name}: an unexpected error, which the server's log explains"
            )
        pipe.send(answer)


def limit_memory(memory_bytes: int) -> None:
    """Keep this process from taking more memory; it gets a MemoryError, or ends."""
    if sys.platform == "linux":  # macOS has no limit that counts what a process really uses
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


class Pool:
    """Render processes for one caller process, shared by its threads."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._free: queue.LifoQueue[_Process] = queue.LifoQueue()
        self._all = [_Process(bounds) for _ in range(bounds.processes)]
        for process in self._all:
            self._free.put(process)
        self._lock = threading.Lock()
        self.places = bounds.processes + bounds.waiting
        """Jobs that would still be taken."""

    def render(self, job: Job) -> bytes:
        """Return the encoded picture.

        Raises:
            Busy: too many pictures are waiting, or this one took too long.
            BrokenSource: the file cannot be decoded within the memory that is allowed.
        """
        with self._place():
            try:
                process = self._free.get(timeout=self._bounds.timeout_s)
            except queue.Empty:
                raise Busy("no picture was finished in time to begin this one") from None
            try:
                answer = process.render(job)
            finally:
                self._free.put(process)
        if isinstance(answer, RequestError):
            raise answer
        return answer

    @contextmanager
    def _place(self) -> Iterator[None]:
        with self._lock:
            if not self.places:
                raise Busy("too many pictures are being made at this moment")
            self.places -= 1
        try:
            yield
        finally:
            with self._lock:
                self.places += 1

    def close(self) -> None:
        """Stop all render processes."""
        for process in self._all:
            process.stop()


class Remote:
    """The broker as seen from a web worker: one connection a thread, made when first needed."""

    def __init__(self, address: str, key: bytes) -> None:
        self._address = address
        self._key = key
        self._here = threading.local()

    def render(self, job: Job) -> bytes:
        """Return the encoded picture, as `Pool.render` does."""
        try:
            answer = self._ask(job)
        except _LOST:
            # the broker was replaced since this thread last asked: once more, of the new one
            try:
                answer = self._ask(job)
            except _LOST as error:
                raise Busy("the render processes are being restarted") from error
        if isinstance(answer, RequestError):
            raise answer
        return answer

    def _ask(self, job: Job) -> bytes | RequestError:
        try:
            connection = self._connection()
            connection.send(job)
            answer: bytes | RequestError = connection.recv()
        except _LOST:
            self._here.connection = None
            raise
        return answer

    def _connection(self) -> Connection[Any, Any]:
        connection: Connection[Any, Any] | None = getattr(self._here, "connection", None)
        if connection is None:
            connection = Client(self._address, "AF_UNIX", authkey=self._key)
            self._here.connection = connection
        return connection


def serve(address: str, key: bytes, bounds: Bounds, ready: Connection[Any, Any]) -> None:
    """Answer render jobs at *address* until the parent closes *ready*: the broker's life."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pool = Pool(bounds)
    with Listener(address, "AF_UNIX", backlog=128, authkey=key) as listener:
        threading.Thread(target=_accept, args=(listener, pool), daemon=True).start()
        ready.send(None)
        while True:
            try:
                ready.recv()
            except (EOFError, OSError):
                break
    pool.close()


def _accept(listener: Listener, pool: Pool) -> None:
    while True:
        try:
            connection = listener.accept()
        except (OSError, EOFError, AuthenticationError):
            time.sleep(0.01)  # a client that left, or a stranger: never a reason to stop
            continue
        threading.Thread(target=_converse, args=(connection, pool), daemon=True).start()


def _converse(connection: Connection[Any, Any], pool: Pool) -> None:
    with connection:
        while True:
            try:
                job = connection.recv()
                try:
                    answer: bytes | RequestError = pool.render(job)
                except RequestError as error:
                    answer = error
                connection.send(answer)
            except (EOFError, OSError):
                return


class _Keeper:
    """Keeps one broker process alive at one address; whatever ends it, another is started."""

    def __init__(self, address: str, key: bytes, bounds: Bounds) -> None:
        self._arguments = (address, key, bounds)
        self._stopping = threading.Event()
        self._start()
        threading.Thread(target=self._watch, daemon=True).start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        # not a daemon: daemons may not have children, and render processes are its children
        self._process = context.Process(target=serve, args=(*self._arguments, theirs))
        Path(self._arguments[0]).unlink(missing_ok=True)
        self._process.start()
        theirs.close()
        with suppress(EOFError, OSError):  # it ended before it was ready: _watch sees to it
            self._pipe.recv()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            multiprocessing.connection.wait([self._process.sentinel], timeout=1)
            if not self._process.is_alive() and not self._stopping.wait(_BREATH_S):
                _log.warning("the broker ended (%s); starting another", self._process.exitcode)
                self._pipe.close()
                self._start()

    def stop(self) -> None:
        """End the broker and its render processes."""
        self._stopping.set()
        self._pipe.close()
        self._process.join(5)
        self._process.kill()


@contextmanager
def running(bounds: Bounds) -> Iterator[dict[str, str]]:
    """Run a broker for the length of a `with`; yield the environment its clients need."""
    folder = Path(tempfile.mkdtemp(prefix="iiifserver-"))  # mode 0700: nobody else connects
    address, key = str(folder / "broker"), secrets.token_bytes(32)
    keeper = _Keeper(address, key, bounds)
    try:
        yield {ADDRESS: address, KEY: key.hex()}
    finally:
        keeper.stop()
        shutil.rmtree(folder, ignore_errors=True)


def remote(environment: dict[str, str] | os._Environ[str]) -> Remote | None:
    """Return the broker that *environment* names, None where it names none."""
    address, key = environment.get(ADDRESS), environment.get(KEY)
    return Remote(address, bytes.fromhex(key)) if address and key else None
