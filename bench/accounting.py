"""What processes take: CPU seconds and memory of a server with all its children; foreign load."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_NICEST = 19


def tree(*roots: int) -> list[int]:
    """Return the processes *roots* and all that came from them."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        if fields := _fields(path):
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def cpu_s(*roots: int, least_nice: int = -20, exact: bool = False) -> float:
    """Return the CPU seconds that processes and their children took, those that ended included.

    With *least_nice* only that of processes which give way to others so much, 19 at most. What is
    not *exact* is counted in ticks of 10 ms, for each process: an idle server takes none of them.
    """
    spent = 0.0
    for pid in tree(*roots):
        fields = _fields(Path(f"/proc/{pid}/stat"))
        if fields and int(fields[16]) >= least_nice:
            own, ended = (sum(int(each) for each in fields[at : at + 2]) for at in (11, 13))
            spent += (_clock_s(pid) if exact else own / _TICKS) + ended / _TICKS
    return spent


def _clock_s(pid: int) -> float:
    """Return what a process took itself, as Linux numbers the clocks of others; 0 if it ended."""
    try:
        return time.clock_gettime(~pid << 3 | 2)
    except OSError:
        return 0.0


def pss_mb(*roots: int) -> int:
    """Return the proportional memory of processes and all that came from them, in MB."""
    total = 0
    for pid in tree(*roots):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total * 1024 // 1_000_000


def _fields(path: Path) -> list[str]:
    """Return the fields of a stat file after the command's name, none where it ended."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except OSError:
        return []


@dataclass(frozen=True, slots=True)
class Spent:
    """What a stretch of time took: wall seconds, a server's CPU, and that of strangers.

    Of the server's, `background_s` is what gave way to all else: nobody waited for it.
    """

    wall_s: float
    cpu_s: float
    background_s: float
    foreign_cores: float


class Meter:
    """Measures from where it is made to `read`, for a server of these processes."""

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self._before = self._now()

    def read(self) -> Spent:
        """Return what was spent so far."""
        wall, busy, cpu, background, own = (
            after - before for after, before in zip(self._now(), self._before, strict=True)
        )
        foreign = round(max(busy - cpu - own, 0) / max(wall, 0.01), 2)
        return Spent(wall, cpu, background, foreign)

    def _now(self) -> tuple[float, float, float, float, float]:
        own = os.times()
        mine = own.user + own.system + own.children_user + own.children_system
        background = cpu_s(*self._roots, least_nice=_NICEST, exact=True)
        return time.monotonic(), _busy_s(), cpu_s(*self._roots, exact=True), background, mine


def _busy_s() -> float:
    """Return the CPU seconds of the whole machine: all but idle and waiting for disks."""
    numbers = [int(each) for each in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(numbers) - numbers[3] - numbers[4]) / _TICKS
