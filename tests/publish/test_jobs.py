"""Work in other processes: what comes back, what fails alone, and what ends with its publisher."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from iiifserver.config import Config
from iiifserver.errors import BrokenSource, ConfigurationError, IiifServerError
from iiifserver.publish.jobs import Workers, processes, run

POOL = Workers(2, processes(Config(render_memory_mib=512)).make)
BESIDE = Path(__file__).parent


def threads(count: int) -> Executor:
    return ThreadPoolExecutor(count)


def double(number: int) -> int:
    return 2 * number


def refuse(number: int) -> int:
    raise BrokenSource(f"{number} cannot be read", parameter="identifier")


def stumble() -> int:
    return 1 // 0


def die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def die_without(path: Path) -> int:
    """Die, unless it was tried before."""
    if not path.exists():
        path.touch()
        die()
    return 1


def gorge() -> int:
    return len(bytearray(2 << 30))


def test_every_job_has_its_own_outcome() -> None:
    jobs: dict[str, Callable[[], int]] = {str(n): partial(double, n) for n in range(50)}
    jobs["bad"] = partial(refuse, 7)
    outcomes = dict(run(jobs, POOL))
    assert str(outcomes.pop("bad")) == "7 cannot be read"
    assert outcomes == {str(n): 2 * n for n in range(50)}


@pytest.mark.parametrize("make", [POOL.make, threads])
def test_any_executor_will_do(make: Callable[[int], Executor]) -> None:
    jobs = {str(n): partial(double, n) for n in range(9)}
    assert dict(run(jobs, Workers(2, make))) == {str(n): 2 * n for n in range(9)}


def test_nothing_to_do_starts_nothing() -> None:
    def make(count: int) -> Executor:
        raise AssertionError(count)

    assert dict(run({}, Workers(2, make))) == {}


@pytest.mark.parametrize("place", [0, 11])
def test_a_job_that_kills_its_process_fails_alone(place: int) -> None:
    jobs: dict[str, Callable[[], int]] = {str(n): partial(double, n) for n in range(12)}
    jobs[str(place)] = die
    outcomes = dict(run(jobs, POOL))
    assert "died" in str(outcomes.pop(str(place)))
    assert outcomes == {str(n): 2 * n for n in range(12) if n != place}


def test_several_that_kill_are_all_found() -> None:
    jobs: dict[str, Callable[[], int]] = {str(n): partial(double, n) for n in range(8)}
    jobs |= {"first": die, "second": die}
    outcomes = dict(run(jobs, POOL))
    failed = {name for name, each in outcomes.items() if isinstance(each, IiifServerError)}
    assert failed == {"first", "second"}
    assert len(outcomes) == 10


def test_one_that_merely_was_there_is_done_again(tmp_path: Path) -> None:
    assert dict(run({"a": partial(die_without, tmp_path / "tried")}, POOL)) == {"a": 1}


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no such limit")
def test_a_job_that_wants_too_much_memory_fails_alone() -> None:
    outcomes = dict(run({"large": gorge, "small": partial(double, 1)}, POOL))
    assert "memory" in str(outcomes["large"])
    assert outcomes["small"] == 2


def test_a_fault_of_ours_is_not_taken_for_one_of_the_scan() -> None:
    with pytest.raises(ZeroDivisionError):
        dict(run({"a": stumble}, POOL))


def stumble_over(path: Path, times: int, number: int) -> int:
    """Meet a file system in trouble so many times."""
    tried = len(list(path.parent.glob("tried-*")))
    if tried < times:
        path.with_name(f"tried-{tried}").touch()
        raise OSError(number, os.strerror(number), str(path))
    return tried


def test_a_file_system_in_trouble_is_tried_again(tmp_path: Path) -> None:
    jobs = {"a": partial(stumble_over, tmp_path / "a", 2, errno.ESTALE), "b": partial(double, 1)}
    assert dict(run(jobs, POOL)) == {"a": 2, "b": 2}


def test_one_that_stays_in_trouble_is_named_after_three_times(tmp_path: Path) -> None:
    jobs = {"a": partial(stumble_over, tmp_path / "a", 9, errno.EIO), "b": partial(double, 1)}
    outcomes = dict(run(jobs, POOL))
    assert "Input/output error" in str(outcomes.pop("a"))
    assert outcomes == {"b": 2}
    assert len(list(tmp_path.iterdir())) == 3


def test_a_full_disk_stops_all_and_is_named(tmp_path: Path) -> None:
    jobs = {str(n): partial(stumble_over, tmp_path / "a", 9, errno.ENOSPC) for n in range(99)}
    with pytest.raises(ConfigurationError, match="/a cannot be written: No space left on device"):
        dict(run(jobs, POOL))
    assert len(list(tmp_path.iterdir())) < 9


@dataclass
class Counted:
    """Jobs that tell how many were begun, and wait until they may end."""

    begun: list[int]
    gate: threading.Event

    def __call__(self) -> int:
        self.begun.append(1)
        self.gate.wait(10)
        return len(self.begun)


def test_interrupted_no_more_is_begun() -> None:
    counted = Counted([], threading.Event())
    counted.gate.set()
    outcomes: Iterator[tuple[str, object]] = run(
        {str(n): counted for n in range(1000)}, Workers(2, threads)
    )
    with closing(outcomes):
        next(outcomes)
    assert len(counted.begun) <= 5


def test_only_few_jobs_are_handed_over_ahead() -> None:
    handed = []

    class Watched(ThreadPoolExecutor):
        def submit(self, *arguments, **options):
            handed.append(1)
            return super().submit(*arguments, **options)

    outcomes = run({str(n): partial(double, n) for n in range(1000)}, Workers(2, Watched))
    next(outcomes)
    assert len(handed) <= 4
    assert len(dict(outcomes)) == 999


ORPHANED = """if True:
    import os, signal, sys, time
    from test_jobs import POOL, linger
    from iiifserver.publish.jobs import run

    if __name__ == "__main__":
        for _ in run({str(n): linger for n in range(4)}, POOL):
            pass
"""


def linger() -> int:
    print(os.getpid(), flush=True)
    threading.Event().wait(60)
    return 0


def test_workers_end_with_a_publisher_that_was_killed(tmp_path: Path) -> None:
    script = tmp_path / "publisher.py"
    script.write_text(ORPHANED)
    environment = os.environ | {"PYTHONPATH": str(BESIDE)}
    with subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, env=environment
    ) as process:
        assert process.stdout is not None
        first, second = process.stdout.readline(), process.stdout.readline()
        assert int(first) != int(second)
        process.kill()
        # the pipe ends when the last of those who hold it has ended
        assert process.stdout.read() == b""
