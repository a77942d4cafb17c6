"""What render processes may use, and how a process is held to it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from iiifserver.cache import Directory
from iiifserver.config import Config
from iiifserver.machine import Machine

from .lanes import Lane

KEY_BYTES = 32
_PATIENCE_S = 30.0
_PAUSE_S = 0.25  # a viewer that has read info.json asks for tiles much sooner
_NICENESS: dict[Lane, int] = {"small": 2, "whole": 4, "background": 19}
_LOADED = (
    "iiifserver.image.render",
    "iiifserver.image.build",
    "iiifserver.image.render.beforehand",
)
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of malloc.h
_KEPT_BYTES = 256 << 20
_OOM_SCORE = "500"  # of -1000 to 1000: where memory ends, it ends for these processes first


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the broker may use: processes, waiting jobs, seconds a job, bytes a process.

    One process more takes nothing but small jobs where there is only one, and another one is
    started for background work. `derived` is swept where pictures are kept. Processes load the
    modules `loaded` before they take jobs: the first one should not have to wait for libvips.
    Background work begins after `pause_s` in which no picture was made for anybody.
    """

    processes: int
    waiting: int
    timeout_s: float
    memory_bytes: int
    derived: Directory | None = None
    loaded: tuple[str, ...] = ()
    pause_s: float = 0.0

    @classmethod
    def of(cls, config: Config) -> Bounds:
        """Return the bounds that *config* sets."""
        return cls(
            Machine.here().renders(config),
            config.render_queue,
            config.render_timeout_s,
            config.render_memory_mib << 20,
            Directory.of(config),
            _LOADED,
            _PAUSE_S,
        )

    @property
    def places(self) -> int:
        """Requests that may wait for an answer, or for the same answer, at one time."""
        return self.processes + self.waiting

    @property
    def patience_s(self) -> float:
        """Seconds that a job may wait before it is begun."""
        return min(_PATIENCE_S, self.timeout_s)


class Terms(NamedTuple):
    """What a broker is told first: where it listens, what its clients know, what it may use."""

    address: str
    key: bytes
    bounds: Bounds


def end_with_server() -> None:
    """Leave signals to the server, which may have requests to finish: its end is this one's."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def limit_memory(memory_bytes: int) -> None:
    """Keep this process from taking more memory; it gets a MemoryError, or ends."""
    if sys.platform == "linux":  # macOS has no limit that counts what a process really uses
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))


def keep_memory() -> None:
    """Keep what is freed for what comes next: to take it from the system anew costs a tenth.

    For processes that do much of the same and then end. Only the GNU C library knows of it.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        libc.mallopt(_TRIM_THRESHOLD, _KEPT_BYTES)


def give_way(lane: Lane) -> None:
    """Let others go first, where there is not enough time or memory for all."""
    os.nice(_NICENESS[lane])
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # not in every container
            if lane != "small":
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
            Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
