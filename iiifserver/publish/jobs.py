"""Many pieces of work through an executor; one that kills its process does not stop the others.

Work is a value that can be called and travel: to a process of this machine, or to whatever else
has an executor of `concurrent.futures`. Done twice it does no harm, and so what was lost on the
way is done again, a bounded number of times.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import multiprocessing
import os
import signal
import sys
import threading
from collections import Counter, deque
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
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from iiifserver.config import PROCESSES, Config
from iiifserver.errors import Away, BrokenSource, ConfigurationError, IiifServerError
from iiifserver.image.broker import keep_memory, limit_memory

LONGEST_S = 1800
"""A decoder that runs so long runs for ever."""
_AHEAD = 2  # jobs handed over for each worker: one in work, one waiting
_TRIES = 3
_LOOK_EVERY_S = 5.0
_NICENESS = 5
_LOADED = ("iiifserver.image.build", "iiifserver.publish.pyramids")
_DIED = "the process that read it died: it is damaged, or takes more memory or time than is allowed"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}

Result = TypeVar("Result")
Job = Callable[[], Result]


@runtime_checkable
class Movable(Protocol):
    """A job that works in a folder of this machine, and leaves nothing there."""

    def within(self, folder: Path) -> Job[Any]:
        """Return the same work, done in another folder."""
        ...


class ProcessDied(Exception):
    """The process of just this job died; what is known only where none shares its process."""


_PASSING = (ProcessDied, OSError, Away)  # what may go well the next time


def bounded(job: Job[Result]) -> Result:
    """Do a job in a process of the pool; where it takes too long, its process ends."""
    signal.alarm(LONGEST_S)
    try:
        return within_memory(job)
    finally:
        signal.alarm(0)


def within_memory(job: Job[Result]) -> Result:
    """Do a job; where it takes more memory than its process may, its scan is at fault."""
    try:
        return job()
    except MemoryError:
        raise BrokenSource("decoding it takes more memory than is allowed") from None


def _bound(job: Job[Any]) -> Job[Any]:
    return functools.partial(bounded, job)


@dataclass(frozen=True, slots=True)
class Workers:
    """Where work is done: so many at a time, by an executor that *make* returns for a number.

    `prepare` makes of a job what is handed to the executor. `lost` are the errors that tell that
    a worker died which may have had other jobs too. `there` says how many workers there are now,
    where that changes; it raises ConfigurationError where none is left.
    """

    count: int
    make: Callable[[int], Executor]
    prepare: Callable[[Job[Any]], Job[Any]] = _bound
    lost: tuple[type[BaseException], ...] = (BrokenExecutor,)
    there: Callable[[], int] | None = None


@contextlib.contextmanager
def workers_of(config: Config, shared: Path | None, *, written: bool = True) -> Iterator[Workers]:
    """Have the workers that the setting `executor` names.

    They are to see the folder *shared*, which is *written* by them or has what they read; None
    where all that they read and write is in stores.

    Raises:
        ConfigurationError: there are none.
    """
    if config.executor == PROCESSES:
        yield processes(config)
        return
    from .cluster import cluster  # it loads Dask, which not everybody has

    with cluster(config, shared, written=written) as workers:
        yield workers


def processes(config: Config) -> Workers:
    """Return one process for each core and one more, each with the memory of a render process.

    While one waits for the disk, which has to have a pyramid before it gets its name, all cores are
    at work.
    """

    def make(count: int) -> Executor:
        # numpy's threads would spin while it is loaded, and have nothing to do
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        return ProcessPoolExecutor(
            count,
            mp_context=_context(),
            initializer=_begin,
            initargs=(config.render_memory_mib << 20, dict(os.environ)),
        )

    return Workers(cores() + 1, make)


def _context() -> multiprocessing.context.BaseContext:
    """Return what starts processes: copies of one that has loaded what pyramids need, and no more.

    To load it takes as long as a pyramid of a small scan, in each process and each that replaces
    one that died.
    """
    if sys.platform != "linux":  # elsewhere copies of what has loaded so much may crash
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*_LOADED])
    return context


def cores() -> int:
    """Return the cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    jobs: Mapping[str, Job[Result]], workers: Workers
) -> Iterator[tuple[str, Result | IiifServerError]]:
    """Yield the name and the outcome of each job as it ends: its result, or why there is none.

    Where a worker dies, the jobs that it had are done again, one at a time; the one in whose
    company it dies again has failed. One whose own process dies, or that meets a file system
    or a store in trouble, is tried three times. Interrupted, what is in work is finished, and no
    more begun.

    Raises:
        ConfigurationError: nothing can be written, or there are no workers any more.
    """
    waiting = deque(jobs.items())
    tries: Counter[str] = Counter()
    while waiting:
        suspects = yield from _together(waiting, workers, tries)
        for name, job in suspects:
            yield name, _alone(job, workers)


def _together(
    waiting: deque[tuple[str, Job[Result]]], workers: Workers, tries: Counter[str]
) -> Generator[tuple[str, Result | IiifServerError], None, list[tuple[str, Job[Result]]]]:
    """Do what is *waiting* until a worker dies; return the jobs that may have killed it."""
    executor = workers.make(min(workers.count, len(waiting)))
    running: dict[Future[Result], tuple[str, Job[Result]]] = {}
    suspects: list[tuple[str, Job[Result]]] = []
    try:
        while running or (waiting and not suspects):
            most = _AHEAD * (workers.there() if workers.there else workers.count)
            while waiting and not suspects and len(running) < most:
                name, job = waiting.popleft()
                try:
                    running[executor.submit(workers.prepare(job))] = name, job
                except BrokenExecutor:
                    suspects.append((name, job))
            timeout_s = _LOOK_EVERY_S if workers.there else None
            for future in wait(running, timeout_s, FIRST_COMPLETED).done:
                name, job = running.pop(future)
                try:
                    outcome = _outcome(future)
                except workers.lost:
                    suspects.append((name, job))
                except _PASSING as error:
                    tries[name] += 1
                    if tries[name] < _TRIES:
                        waiting.append((name, job))
                    else:
                        yield name, _explained(error)
                else:
                    yield name, outcome
    finally:
        executor.shutdown(cancel_futures=True)
    return suspects


def _alone(job: Job[Result], workers: Workers) -> Result | IiifServerError:
    executor = workers.make(1)
    try:
        return _outcome(executor.submit(workers.prepare(job)))
    except workers.lost:
        return BrokenSource(_DIED)
    except _PASSING as error:
        return _explained(error)
    finally:
        executor.shutdown(cancel_futures=True)


def _outcome(future: Future[Result]) -> Result | IiifServerError:
    try:
        result = future.result()
        if isinstance(result, IiifServerError):  # errors travel as values from where they can
            raise result
    except (ConfigurationError, Away):
        raise  # it is not the scan that is at fault
    except IiifServerError as error:
        return error
    except OSError as error:
        if error.errno in _FULL:
            why = f"{error.filename or 'a pyramid'} cannot be written: {error.strerror}"
            raise ConfigurationError(f"{why}; what is made stays: begin again after") from error
        raise
    return result


def _explained(error: Exception) -> IiifServerError:
    if isinstance(error, Away):
        return error
    if isinstance(error, OSError):
        return BrokenSource(f"it cannot be read, or its pyramid written: {error.strerror or error}")
    return BrokenSource(_DIED)


def _begin(memory_bytes: int, environment: dict[str, str]) -> None:
    """Prepare a worker: bounded, polite, and gone when the publisher is."""
    os.environ.update(environment)  # of now, not of when the first one was started
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's ^C is the publisher's to handle
    os.nice(_NICENESS)
    limit_memory(memory_bytes)
    keep_memory()
    parent = multiprocessing.parent_process()
    if parent:
        threading.Thread(target=functools.partial(_follow, parent), daemon=True).start()


def _follow(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os._exit(1)
