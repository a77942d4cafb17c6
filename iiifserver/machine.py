"""How many processes suit this machine, or the container that its kernel tells of."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from .config import Config

_MOST_WORKERS = 4
_WORKER_BYTES = 512 << 20  # of a machine's memory for each
_LEAST_RENDERS, _MOST_RENDERS = 2, 16
_LIMITS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """Cores, of which a container may have a share, and bytes of memory, for all processes."""

    cores: float
    memory_bytes: int

    @classmethod
    def here(cls) -> Machine:
        """Return what this process may use."""
        memory_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        return cls(_cores(), memory_bytes).within(_LIMITS)

    def within(self, limits: Path) -> Machine:
        """Return what is left of it in the container that *limits* tell of."""
        quota = _words(limits / "cpu.max") or [
            word
            for each in ("quota", "period")
            for word in _words(limits / f"cpu/cpu.cfs_{each}_us")
        ]
        cores = self.cores
        if len(quota) == 2 and all(word.isdigit() for word in quota):
            cores = min(cores, int(quota[0]) / int(quota[1]))
        most = _words(limits / "memory.max") or _words(limits / "memory/memory.limit_in_bytes")
        allowed = (int(word) for word in most if word.isdigit())
        return Machine(cores, min([self.memory_bytes, *allowed]))

    @property
    def workers(self) -> int:
        """How many web workers suit it."""
        return max(1, min(int(self.cores), _MOST_WORKERS, self.memory_bytes // _WORKER_BYTES))

    def renders(self, config: Config) -> int:
        """Return how many render processes suit it, or *config* asks for.

        As many as there are cores, if each may take all the memory that *config* allows it, and so
        may the one for background work.
        """
        if config.render_processes:
            return config.render_processes
        left = self.memory_bytes - self.workers * _WORKER_BYTES
        room = left // (config.render_memory_mib << 20) - 1
        return max(_LEAST_RENDERS, min(int(self.cores), _MOST_RENDERS, room))


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _words(path: Path) -> list[str]:
    """Return what the kernel says of a container, nothing where it says nothing."""
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []
