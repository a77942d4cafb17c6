"""The life of a render process: jobs in, results out, until the broker is gone."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import logging
import os
import select
import socket
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

from iiifserver import cache
from iiifserver.errors import BrokenSource, RequestError
from iiifserver.image.job import Job
from iiifserver.logs import log_to_server, request_id

from .bounds import end_with_server, give_way, limit_memory
from .lanes import Lane
from .messages import Answer, Outcome, of_place, of_value, receive, send, value_of

_MOMENT_S = 1.0
_LONG_S = 0.2  # what takes as long may have taken much memory
_log = logging.getLogger("iiifserver.image.broker")


class Terms(NamedTuple):
    """What a render process is told first."""

    lane: Lane
    memory_bytes: int
    loaded: tuple[str, ...]


def work(jobs: int, lifeline: int, begun: int) -> None:
    """Work on what comes through the socket *jobs* until it or the pipe *lifeline* closes.

    For each job that is begun, a byte goes into the pipe *begun*: nobody reads it but after this
    process has ended, to know whether the job had to do with it.
    """
    end_with_server()
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    log_to_server()
    with socket.socket(fileno=jobs) as broker, contextlib.suppress(EOFError, OSError):
        send(broker, os.getpid())
        told, _ = receive(broker)
        terms = Terms(*told)
        _say_what_this_is(terms.lane)
        give_way(terms.lane)
        limit_memory(terms.memory_bytes)
        for module in terms.loaded:
            importlib.import_module(module)
        gc.collect()
        gc.freeze()  # it stays: there is no use in looking through it while pictures wait
        send(broker, "ready")
        while True:
            _wait(broker)
            (keep, name), body = receive(broker)
            request_id.set(name)
            os.write(begun, b".")
            started = time.monotonic()
            send(broker, *_outcome(body, keep))
            if time.monotonic() - started > _LONG_S:
                _trim()


def _say_what_this_is(lane: Lane) -> None:
    """Have `top` show the lane: what has copied this process is called the same."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"render {lane}", encoding="ascii")


def _wait(broker: socket.socket) -> None:
    """Return when there is a job; give back memory if none comes in a moment."""
    if not select.select([broker], [], [], _MOMENT_S)[0]:
        _trim()


def _trim() -> None:
    """Give the memory that jobs have left back to the system: glibc keeps it."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)


def _end_with(lifeline: int) -> None:
    """End this process, whatever it does, when the broker has ended."""
    os.read(lifeline, 1)
    os._exit(0)


def _outcome(body: bytes, keep: str | None) -> Outcome:
    name = "a job"
    try:
        job: Job = value_of(body)
        name = job.name
        made = job.run()
    except RequestError as error:
        return of_value(error)
    except MemoryError:
        why = f"{name}: decoding it takes more memory than is allowed"
        return of_value(BrokenSource(why, parameter="identifier"))
    except Exception:  # the edge of a process: what nobody foresaw must not end it unexplained
        _log.exception("unexpected error on %s", name)
        return of_value(
            RequestError(f"{name}: an unexpected error, which the server's log explains")
        )
    return _kept(made, keep) if keep else (Answer("bytes"), made)


def _kept(made: bytes, keep: str) -> Outcome:
    """Write what was made to the disk and answer with its place; with itself, where that fails."""
    try:
        return of_place(cache.write(made, keep))
    except FileNotFoundError:
        return Answer("bytes"), made  # its folder was purged this moment
    except OSError as error:
        return Answer("bytes", complaint=error.strerror or str(error)), made


if __name__ == "__main__":
    work(*map(int, sys.argv[1:]))
