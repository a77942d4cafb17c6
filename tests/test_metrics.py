"""Counters of several processes: summed, kept beyond a process's end, and free of locks."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from iiifserver import metrics
from iiifserver.metrics import Counters, bytes_cell, request_cell

COUNT = """
import sys
from pathlib import Path
from iiifserver.metrics import Counters
counters = Counters(Path(sys.argv[1]), sys.argv[2])
counters.request("page", "flask", 200, 1000, 0.01)
print("counted", flush=True)
sys.stdin.read()
"""


class Running:
    """Another process that counts one page, and lives until it is told to end."""

    def __init__(self, folder: Path, member: str = "web") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", COUNT, str(folder), member],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"counted\n"

    def end(self) -> None:
        self.process.communicate(timeout=30)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate(timeout=30)


@pytest.fixture
def folder() -> Iterator[Path]:
    with metrics.shared() as found:
        yield found


def test_all_processes_are_summed(folder: Path) -> None:
    processes = [Running(folder), Running(folder), Running(folder, "broker")]
    total = metrics.total(folder)
    assert total.requests("page", "flask", "2xx") == 3
    assert total.sent_bytes("flask") == 3_000
    assert total.times("flask") == ([0, 3, 0, 0, 0, 0, 0, 0], 0.03)
    assert (total.living["web"], total.living["broker"]) == (2, 1)
    for each in processes:
        each.end()
    after = metrics.total(folder)
    assert after.requests("page", "flask", "2xx") == 3  # what was done stays done
    assert (after.living.total(), after.died.total()) == (0, 0)


def test_the_next_process_goes_on_counting_where_one_ended(folder: Path) -> None:
    for _ in range(3):
        Running(folder).end()
    assert metrics.total(folder).requests("page", "flask", "2xx") == 3
    assert len(list(folder.glob("*-web-*"))) == 1


def test_a_process_that_is_killed_counts_as_dead_for_ever(folder: Path) -> None:
    Running(folder).kill()
    assert metrics.total(folder).died["web"] == 1
    after = Running(folder)  # takes its place
    total = metrics.total(folder)
    assert (total.died["web"], total.living["web"]) == (1, 1)
    assert total.requests("page", "flask", "2xx") == 2
    after.end()
    assert metrics.total(folder).died["web"] == 1


def test_whoever_reads_keeps_nobody_from_counting(folder: Path) -> None:
    counters = Counters(folder)
    for number in range(1, 4):
        counters.request("info", "made", 404, 10, 0.0)
        assert metrics.total(folder).requests("info", "made", "4xx") == number
    assert metrics.total(folder).living["web"] == 1


def test_counts_of_another_layout_are_left_alone(folder: Path) -> None:
    (folder / "00000000-web-0").write_bytes(b"\xff" * 4_000)
    assert not any(metrics.total(folder).cells)


def test_the_folder_is_private_and_gone_at_the_end() -> None:
    with metrics.shared() as folder:
        assert os.environ[metrics.FOLDER] == str(folder)
        assert folder.stat().st_mode & 0o777 == 0o700
        assert metrics.started_at(folder) > 1e9
    assert not folder.exists()
    assert metrics.FOLDER not in os.environ


def test_nobody_tidies_the_folder_away_while_a_server_runs(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)  # as systemd-tmpfiles does
    with pytest.raises(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(handle)


def test_no_two_things_are_counted_in_one_place() -> None:
    cells = [
        request_cell(kind, door, status)
        for kind in metrics.KINDS
        for door in metrics.DOORS
        for status in (200, 304, 404, 503)
    ]
    cells += [bytes_cell(door) for door in metrics.DOORS]
    cells += [metrics.at_once_cell(event) for event in metrics.EVENTS]
    assert len(set(cells)) == len(cells)


def test_threads_lose_nothing_where_they_share_a_place() -> None:
    counters = Counters()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(8):
            pool.submit(lambda: [counters.request("page", "flask", 200, 1, 0) for _ in range(500)])
    assert counters.total().requests("page", "flask", "2xx") == 4_000
