"""Which web workers are taken to hang: those that look after look find where they were."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iiifserver.watchdog import FOLDER, Watchdog, watching

EVERY_S = 0.02
CODE = """
import sys, time
from pathlib import Path
from iiifserver.watchdog import Progress, Pulse
pulse = Pulse(Path(sys.argv[1]), float(sys.argv[2]))
pulse.progress = lambda: Progress(*map(int, sys.argv[3:5]))
print("ready", flush=True)
time.sleep(600)
"""


class Clock:
    """A clock that the test winds."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Kennel:
    """A watchdog whose looks the test makes, and workers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.dog = Watchdog(folder, silence_s=5.0, every_s=1.0, clock=self.clock)
        self.workers: list[subprocess.Popen[str]] = []
        self.stopped: set[int] = set()

    def worker(self, begun: int = 7, done: int = 7) -> subprocess.Popen[str]:
        arguments = [self.folder, EVERY_S, begun, done]
        worker = subprocess.Popen(
            [sys.executable, "-c", CODE, *map(str, arguments)], stdout=subprocess.PIPE, text=True
        )
        self.workers.append(worker)
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        return worker

    def look(self, times: int = 1, every_s: float = 1.0) -> list[int]:
        """Look a few times, each after all workers that go on have written again."""
        ended = []
        for _ in range(times):
            for worker in self.workers:
                self._beat_of(worker)
            self.clock.now_s += every_s
            ended += self.dog.look()
        return ended

    def _beat_of(self, worker: subprocess.Popen[str]) -> None:
        """Wait until *worker* wrote once more, unless it is stopped or gone."""
        path, until = self.folder / str(worker.pid), time.monotonic() + 30
        before = path.read_bytes() if path.exists() else b""
        while worker.pid not in self.stopped and worker.poll() is None:
            if path.read_bytes() != before:
                return
            assert time.monotonic() < until
            time.sleep(EVERY_S / 4)

    def stop(self, worker: subprocess.Popen[str]) -> None:
        """Make a worker hang."""
        worker.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, worker.pid, os.WSTOPPED)
        self.stopped.add(worker.pid)


@pytest.fixture
def kennel(tmp_path: Path) -> Iterator[Kennel]:
    found = Kennel(tmp_path)
    yield found
    for worker in found.workers:
        worker.kill()
        worker.wait(20)
        assert worker.stdout is not None
        worker.stdout.close()


def test_a_worker_that_goes_on_is_left_alone(kennel: Kennel) -> None:
    worker = kennel.worker()
    assert kennel.look(8) == []
    assert worker.poll() is None


def test_a_worker_that_writes_no_more_is_ended(kennel: Kennel) -> None:
    hung, other = kennel.worker(), kennel.worker()
    kennel.look()
    kennel.stop(hung)
    assert kennel.look(8) == [hung.pid]
    assert hung.wait(20) == -signal.SIGKILL
    assert other.poll() is None


def test_a_worker_that_stays_at_one_request_is_ended(kennel: Kennel) -> None:
    worker = kennel.worker(begun=8, done=7)
    assert kennel.look(8) == [worker.pid]
    assert worker.wait(20) == -signal.SIGKILL


def test_a_machine_that_was_asleep_ends_nobody(kennel: Kennel) -> None:
    worker = kennel.worker(begun=8, done=7)
    kennel.look(4)
    kennel.stop(worker)
    assert kennel.look(20, every_s=30.0) == []  # each look came late
    assert kennel.look(5) == []  # and from now on it counts anew
    assert kennel.look() == [worker.pid]


def test_the_number_of_a_worker_that_ended_is_nobodys(kennel: Kennel, tmp_path: Path) -> None:
    worker = kennel.worker()
    kennel.look()
    worker.kill()
    worker.wait(20)
    # whoever gets that number next must not be ended for it
    (tmp_path / str(os.getpid())).write_bytes(bytes(24))
    assert kennel.look(8) == []
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_the_watch() -> None:
    with watching(5) as unwatch:
        folder = Path(os.environ[FOLDER])
        assert folder.is_dir()
        unwatch()
    assert FOLDER not in os.environ
    assert not folder.exists()
