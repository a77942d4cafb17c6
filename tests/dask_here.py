"""A Dask cluster on this machine, started as an operator starts one: a scheduler, two workers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DEADLINE_S = 180.0  # machines are busy


@dataclass
class DaskHere:
    """The processes of a cluster, which end with the test."""

    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def executor(self) -> str:
        """The setting that names it."""
        address = json.loads(self._file.read_text())["address"]
        return address.replace("tcp://", "dask://")

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        """Start a scheduler, and return when it listens."""
        process = self._start(
            "scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self._file)
        )
        wait_until(self._listens)
        return process

    def start_worker(self, name: str, *options: str) -> subprocess.Popen[bytes]:
        """Start a worker; it comes when it is ready."""
        scratch = self.folder / name
        scratch.mkdir(exist_ok=True)
        arguments = ("--scheduler-file", str(self._file), "--host", "127.0.0.1", "--name", name)
        arguments += ("--nthreads", "1", "--local-directory", str(scratch), *options)
        return self._start("worker", *arguments)

    def end(self) -> None:
        """End all that was started, workers first."""
        for process in reversed(self.started):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @property
    def _file(self) -> Path:
        return self.folder / "scheduler.json"

    def _listens(self) -> bool:
        with contextlib.suppress(FileNotFoundError, ValueError):
            return bool(json.loads(self._file.read_text())["address"])
        return False

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),  # they find the tests' jobs
            "PYTHONWARNINGS": "ignore",
            "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
        }
        command = [sys.executable, "-m", "dask", words[0], "--no-dashboard", *words[1:]]
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.started.append(process)
        return process


def wait_until(true: object, deadline_s: float = DEADLINE_S) -> None:
    """Wait until *true* is; fail if it does not become so."""
    assert callable(true)
    end = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextlib.contextmanager
def dask_here(folder: Path, workers: int = 2) -> Iterator[DaskHere]:
    """Have a cluster of so many workers of one thread each."""
    here = DaskHere(folder)
    try:
        here.start_scheduler()
        for number in range(workers):
            here.start_worker(f"w{number}")
        yield here
    finally:
        here.end()
