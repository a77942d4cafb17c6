"""Render processes are copies of one: what they share, and what each is held to all the same."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from broker_jobs import Answer, Describe, Die

from iiifserver.config import Config
from iiifserver.errors import BrokenSource, Busy
from iiifserver.image.broker import Bounds, nursery, process
from iiifserver.image.broker.pool import Pool
from iiifserver.image.job import bytes_of

MIB = 1 << 20
LOADED = ("colorsys",)  # which nobody else here loads

linux = pytest.mark.skipif("sys.platform != 'linux'", reason="elsewhere each is started anew")


@dataclass
class Processes:
    """A broker in this process, and the processes that it has started."""

    pool: Pool

    def number(self) -> int:
        """The process that takes small jobs."""
        return int(bytes_of(self.pool.render(Answer())))

    def nursery(self) -> int:
        """The one that is copied."""
        [found] = [pid for pid in ours() if "nursery" in command(pid) and not is_copy(pid)]
        return found


@pytest.fixture(params=[LOADED])
def anew(request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Processes that are started each by itself."""
    with closing(Pool(Bounds(1, 8, 60.0, 256 * MIB, loaded=request.param))) as pool:
        yield Processes(pool)


@pytest.fixture
def processes(anew: Processes) -> Iterator[Processes]:
    """Processes that are copied, by a process that adopts, as a broker does, for the time."""
    nursery.adopt()
    try:
        yield anew
    finally:
        ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)


def children() -> dict[int, bool]:
    """The children of this process, and whether they have ended."""
    found = {}
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            state, parent, *_ = (each / "stat").read_text().rpartition(")")[2].split()
            if int(parent) == os.getpid():
                found[int(each.name)] = state == "Z"
    return found


def ours() -> list[int]:
    """The children of this process that have not ended."""
    return [pid for pid, ended in children().items() if not ended]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def is_copy(pid: int) -> bool:
    return Path(f"/proc/{pid}/comm").read_text().startswith("render")


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


@linux
def test_a_copy_has_loaded_what_the_first_one_has_and_is_our_child(processes: Processes) -> None:
    told = json.loads(bytes_of(processes.pool.render(Describe())))
    assert told["loaded"]
    assert "colorsys" not in sys.modules
    number = processes.number()
    assert number in ours()
    assert is_copy(number)
    assert processes.nursery() != number


@linux
@pytest.mark.parametrize("anew", [Bounds.of(Config()).loaded], indirect=True)
def test_what_is_copied_has_one_thread(processes: Processes) -> None:
    """What another one holds or does at that moment would be lost in the copy."""
    assert processes.number()
    first = processes.nursery()
    assert len(list(Path(f"/proc/{first}/task").iterdir())) == 1
    mapped = Path(f"/proc/{first}/maps").read_text()
    assert "libvips" in mapped
    assert "libopenjp2" in mapped  # so that the first JPEG 2000 does not wait for it
    assert "obstore" not in mapped  # it has threads of its own as soon as it is used


@linux
@pytest.mark.parametrize(
    ("cost_ms", "name", "nice", "policy"),
    [(1.0, "render small", 2, os.SCHED_OTHER), (60_000.0, "render whole", 4, os.SCHED_BATCH)],
)
def test_a_copy_is_held_to_what_its_lane_may_use(
    processes: Processes, cost_ms: float, name: str, nice: int, policy: int
) -> None:
    told = json.loads(bytes_of(processes.pool.render(Describe(cost_ms=cost_ms))))
    before = os.getpriority(os.PRIO_PROCESS, 0)
    assert told["name"] == name
    assert told["nice"] == min(before + nice, 19)
    assert told["policy"] == policy
    assert told["memory"] == 256 * MIB


@linux
def test_where_what_is_copied_dies_its_copies_go_on_and_another_takes_its_place(
    processes: Processes,
) -> None:
    number, first = processes.number(), processes.nursery()
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: first not in ours())
    assert processes.number() == number
    os.kill(number, signal.SIGKILL)
    assert processes.number() != number
    assert processes.nursery() != first


@linux
def test_where_what_is_copied_hangs_another_takes_its_place(
    processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    number, first = processes.number(), processes.nursery()
    monkeypatch.setattr(process, "_START_S", 0.5)
    os.kill(first, signal.SIGSTOP)
    os.kill(number, signal.SIGKILL)
    with pytest.raises(Busy, match="did not start"):
        processes.number()
    monkeypatch.undo()
    assert processes.number() != number
    assert first not in ours()


@linux
def test_how_a_copy_ended_is_told(processes: Processes, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BrokenSource):
        processes.pool.render(Die())
    assert "status -9" in caplog.text


@linux
def test_nothing_is_left_of_processes_that_ended(processes: Processes) -> None:
    for _ in range(3):
        os.kill(processes.number(), signal.SIGKILL)
    number, first = processes.number(), processes.nursery()
    assert {number, first} <= set(children())
    assert not any(children().values())


def test_where_none_can_be_copied_each_is_started_anew(
    anew: Processes, caplog: pytest.LogCaptureFixture
) -> None:
    before = anew.number()
    with pytest.raises(BrokenSource):
        anew.pool.render(Die())
    assert "status -9" in caplog.text
    assert anew.number() != before
    if sys.platform == "linux":
        assert json.loads(bytes_of(anew.pool.render(Describe())))["loaded"]
        assert not any("nursery" in command(pid) for pid in ours())
