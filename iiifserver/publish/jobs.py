"""Many pieces of work through an executor; one that kills its process does not stop the others.

Work is a value that can be called and travel: to a process of this machine, or to whatever else
has an executor of `concurrent.futures`.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from dataclasses import dataclass
from typing import TypeVar

from iiifserver.config import Config
from iiifserver.errors import BrokenSource, IiifServerError
from iiifserver.image.broker import limit_memory

_AHEAD = 2  # jobs handed over for each worker: one in work, one waiting
_LONGEST_S = 1800  # a decoder that runs so long runs for ever
_NICENESS = 5
_DIED = "the process that read it died: it is damaged, or takes more memory or time than is allowed"

Result = TypeVar("Result")
Job = Callable[[], Result]


@dataclass(frozen=True, slots=True)
class Workers:
    """Where work is done: so many at a time, by an executor that *make* returns for a number."""

    count: int
    make: Callable[[int], Executor]


def processes(config: Config) -> Workers:
    """Return one process for each core, with the memory that a render process may have."""

    def make(count: int) -> Executor:
        return ProcessPoolExecutor(
            count,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(config.render_memory_mib << 20,),
        )

    return Workers(cores(), make)


def cores() -> int:
    """Return the cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    jobs: Mapping[str, Job[Result]], workers: Workers
) -> Iterator[tuple[str, Result | IiifServerError]]:
    """Yield the name and the outcome of each job as it ends: its result, or why there is none.

    Where a process dies, the jobs that were in work are done again, one at a time; the one in
    whose company it dies again has failed. Interrupted, what is in work is finished, and no more
    begun.
    """
    waiting = deque(jobs.items())
    while waiting:
        suspects = yield from _together(waiting, workers)
        for name, job in suspects:
            yield name, _alone(job, workers)


def _together(
    waiting: deque[tuple[str, Job[Result]]], workers: Workers
) -> Generator[tuple[str, Result | IiifServerError], None, list[tuple[str, Job[Result]]]]:
    """Do what is *waiting* until a process dies; return the jobs that may have killed it."""
    executor = workers.make(min(workers.count, len(waiting)))
    running: dict[Future[Result], tuple[str, Job[Result]]] = {}
    suspects: list[tuple[str, Job[Result]]] = []
    try:
        while running or (waiting and not suspects):
            while waiting and not suspects and len(running) < _AHEAD * workers.count:
                name, job = waiting.popleft()
                try:
                    running[executor.submit(_bounded, job)] = name, job
                except BrokenExecutor:
                    suspects.append((name, job))
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name, job = running.pop(future)
                try:
                    outcome = _outcome(future)
                except BrokenExecutor:
                    suspects.append((name, job))
                else:
                    yield name, outcome
    finally:
        executor.shutdown(cancel_futures=True)
    return suspects


def _alone(job: Job[Result], workers: Workers) -> Result | IiifServerError:
    with workers.make(1) as executor:
        try:
            return _outcome(executor.submit(_bounded, job))
        except BrokenExecutor:
            return BrokenSource(_DIED)


def _outcome(future: Future[Result]) -> Result | IiifServerError:
    try:
        return future.result()
    except IiifServerError as error:
        return error


def _bounded(job: Job[Result]) -> Result:
    """Do a job; where it takes too long, its process ends."""
    signal.alarm(_LONGEST_S)
    try:
        return job()
    except MemoryError:
        raise BrokenSource("decoding it takes more memory than is allowed") from None
    finally:
        signal.alarm(0)


def _begin(memory_bytes: int) -> None:
    """Prepare a worker: bounded, polite, and gone when the publisher is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the publisher's to handle
    os.nice(_NICENESS)
    limit_memory(memory_bytes)
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=functools.partial(_follow, parent), daemon=True).start()


def _follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
