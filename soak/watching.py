"""What a server holds while it is asked: memory and file handles of all its processes."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from accounting import tree

_THIRD_OF = 6
"""Samples, at least, before a curve says something."""
MORE = 1.15
"""How much more the last third of a curve may be than the second."""
_MORE_MB, _MORE_HANDLES = 15, 40


@dataclass(frozen=True, slots=True)
class Sample:
    """One look: seconds since the start, MB of proportional memory, open files, processes.

    `by_role` is the memory of each kind of process.
    """

    at_s: float
    pss_mb: int
    handles: int
    processes: int
    by_role: dict[str, int]


def look(root: int, started: float) -> Sample:
    """Return what the processes of *root* hold now."""
    processes = tree(root)
    handles = sum(_handles(pid) for pid in processes)
    taken = dict.fromkeys(("main", "web", "broker", "render"), 0)
    for pid in processes:
        taken[_role(pid, root)] += _pss_kb(pid)
    by_role = {role: kb // 1_000 for role, kb in taken.items()}
    at_s = round(time.monotonic() - started, 1)
    return Sample(at_s, sum(taken.values()) // 1_000, handles, len(processes), by_role)


def _role(pid: int, root: int) -> str:
    with contextlib.suppress(OSError):
        said = Path(f"/proc/{pid}/cmdline").read_text()
        if "broker.door" in said:
            return "broker"
        if "broker.nursery" in said:
            return "render"
    return "main" if pid == root else "web"


def _pss_kb(pid: int) -> int:
    with contextlib.suppress(OSError, StopIteration):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return (
            int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024 // 1000
        )
    return 0


def _handles(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


async def watch(root: int, every_s: float, going_on: Callable[[], bool]) -> list[Sample]:
    """Return looks at *root*, as long as *going_on* says so."""
    started, found = time.monotonic(), []
    while going_on():
        found.append(await asyncio.to_thread(look, root, started))
        await asyncio.sleep(every_s)
    return found


def rest(root: int, most_s: float = 90.0) -> Sample:
    """Return a look at a server that nobody asks any more, when it holds no more than it keeps."""
    started = time.monotonic()
    found = look(root, started)
    while time.monotonic() - started < most_s:
        time.sleep(5)
        again = look(root, started)
        if again.handles >= found.handles and again.pss_mb >= found.pss_mb:
            return again
        found = again
    return found


def growth(curve: Sequence[int]) -> float | None:
    """Return what the last third of a curve is of the second on average; None if it is short."""
    third = len(curve) // 3
    if len(curve) < 3 * _THIRD_OF:
        return None
    second, last = (statistics.fmean(curve[n * third : (n + 1) * third]) for n in (1, 2))
    return round(last / max(second, 1), 3)


def faults(samples: Sequence[Sample], before: Sample, after: Sample) -> list[str]:
    """Return what is not flat: the curves under load; and at rest, after it beside before it."""
    found = []
    for what, curve in (
        ("memory", [one.pss_mb for one in samples]),
        ("file handles", [one.handles for one in samples]),
    ):
        grown = growth(curve)
        if grown is not None and grown > MORE:
            found.append(f"{what} grew by {grown - 1:.0%} in the last third: {curve}")
    if after.handles > before.handles + _MORE_HANDLES:
        found.append(f"{after.handles} file handles at rest, {before.handles} before the load")
    if samples and after.pss_mb > max(one.pss_mb for one in samples) + _MORE_MB:
        found.append(f"{after.pss_mb} MB at rest, more than under load")
    return found
