"""Web workers: started, replaced when they end or when told to, ended together."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    "sys.platform != 'linux'", reason="workers are forked on Linux only"
)

# a worker sends its number to whoever connects
CREW = """
import os, signal, socket, sys, time
from pathlib import Path
from iiifserver.crew import Crew
from iiifserver.errors import IiifServerError
from iiifserver.logs import log_to_server

folder = Path(sys.argv[1])

def work(listening, ready):
    if (folder / "broken").exists():
        sys.exit(3)
    while (folder / "hanging").exists():
        time.sleep(0.1)
    if (folder / "stubborn").exists():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ready()
    while True:
        connection, _ = listening.accept()
        connection.sendall(str(os.getpid()).encode())
        connection.close()

log_to_server()
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[2]))]
print(sockets[0].getsockname()[1], flush=True)
crew = Crew(work, sockets, 20.0, float(sys.argv[3]))
try:
    crew.run(
        ready=lambda: print("ready", flush=True),
        reload=lambda: print("reload", flush=True),
        leave=lambda: print("leave", flush=True),
    )
except IiifServerError as error:
    print(error, flush=True)
    sys.exit(2)
print("end", flush=True)
"""


class Main:
    """A main process and its workers; `folder` says how they are."""

    def __init__(self, folder: Path, workers: int, ready_s: float) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-c", CREW, folder, str(workers), str(ready_s)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.port = int(self.line())

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def worker(self) -> int:
        """Return who answers now."""
        said = b""
        while not said:  # one that was just killed had taken the connection
            with (
                contextlib.suppress(ConnectionResetError),
                socket.create_connection(("127.0.0.1", self.port), 30) as connection,
            ):
                said = connection.recv(100)
        return int(said)

    def another_than(self, worker: int) -> int:
        found = worker
        end = time.monotonic() + 30
        while found == worker:  # for a moment both may answer
            assert time.monotonic() < end
            found = self.worker()
        return found

    def end(self) -> tuple[list[str], str]:
        """Wait until it ends; return what it said, and its log."""
        said, log = self.process.communicate(timeout=60)
        return said.split("\n")[:-1], log


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Main]]:
    mains: list[Main] = []

    def started(workers: int = 1, ready_s: float = 60.0) -> Main:
        mains.append(Main(tmp_path, workers, ready_s))
        return mains[-1]

    yield started
    for main in mains:
        main.process.terminate()  # killed, it could not end its workers
        main.process.communicate()


def test_it_says_when_all_are_ready_and_ends_when_told(start: Callable[..., Main]) -> None:
    main = start()
    assert main.line() == "ready"
    worker = main.worker()
    main.process.terminate()
    assert main.end()[0] == ["leave", "end"]
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)


def test_who_cannot_start_ends_the_start(start: Callable[..., Main], tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    main = start()
    assert (
        main.end()[0]
        == ["the server cannot start: see what its web workers say above", "leave"][::-1]
    )
    assert main.process.returncode == 2


def test_who_hangs_while_it_starts_ends_the_start_and_says_where(
    start: Callable[..., Main], tmp_path: Path
) -> None:
    (tmp_path / "hanging").touch()
    main = start(ready_s=0.1)
    said, log = main.end()
    assert said == ["leave", "the server cannot start: see what its web workers say above"]
    assert main.process.returncode == 2
    [line] = [json.loads(line) for line in log.splitlines()]
    told = re.fullmatch(
        r"web worker (\d+) was not ready 0.1 s after its start and is ended\..*", line["message"],
        re.DOTALL,
    )  # fmt: skip
    assert told
    assert " in work\n" in line["message"]
    assert not lives(int(told[1]))


def test_who_hangs_while_it_starts_in_place_of_another_is_ended_too(
    start: Callable[..., Main], tmp_path: Path
) -> None:
    main = start(ready_s=5.0)
    assert main.line() == "ready"
    worker = main.worker()
    (tmp_path / "hanging").touch()
    os.kill(worker, signal.SIGKILL)
    assert main.process.stderr is not None
    ended, given_up = main.process.stderr.readline(), main.process.stderr.readline()
    assert f"web worker {worker} ended" in ended
    assert "was not ready 5 s after its start" in given_up
    (tmp_path / "hanging").unlink()
    assert main.another_than(worker) != worker


def test_another_takes_the_place_of_one_that_ends(start: Callable[..., Main]) -> None:
    main = start()
    assert main.line() == "ready"
    worker = main.worker()
    os.kill(worker, signal.SIGKILL)
    another = main.another_than(worker)
    main.process.terminate()
    log = main.end()[1]
    assert f"web worker {worker} ended (SIGKILL): another starts" in log
    assert str(another) not in log


def test_a_worker_that_ends_again_and_again_ends_the_server(start: Callable[..., Main]) -> None:
    main = start()
    assert main.line() == "ready"
    worker = main.worker()
    for number in range(5):
        os.kill(worker, signal.SIGKILL)
        if number < 4:
            worker = main.another_than(worker)
    said, _ = main.end()
    assert said == ["leave", "a web worker ended 5 times within 60 s: the server ends"]
    assert main.process.returncode == 2


def test_told_to_all_are_replaced_without_a_moment_in_which_nobody_listens(
    start: Callable[..., Main],
) -> None:
    main = start()
    assert main.line() == "ready"
    worker = main.worker()
    main.process.send_signal(signal.SIGHUP)
    assert main.line() == "reload"
    main.another_than(worker)
    until(lambda: not lives(worker))


def lives(process: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, 0)
        return True
    return False


def test_those_there_are_stay_where_new_ones_cannot_start(
    start: Callable[..., Main], tmp_path: Path
) -> None:
    main = start()
    assert main.line() == "ready"
    worker = main.worker()
    (tmp_path / "broken").touch()
    main.process.send_signal(signal.SIGHUP)
    assert main.line() == "reload"
    assert main.process.stderr is not None
    assert "those before it stay" in main.process.stderr.readline()
    assert main.worker() == worker
    (tmp_path / "broken").unlink()
    main.process.send_signal(signal.SIGHUP)
    assert main.another_than(worker) != worker


def test_who_is_told_twice_does_not_wait(start: Callable[..., Main], tmp_path: Path) -> None:
    (tmp_path / "stubborn").touch()
    main = start()
    assert main.line() == "ready"
    main.process.terminate()
    assert main.line() == "leave"
    assert main.process.poll() is None
    main.process.terminate()
    assert main.end()[0] == ["end"]


def test_who_is_told_to_end_while_workers_are_replaced_starts_no_more(
    start: Callable[..., Main], tmp_path: Path
) -> None:
    main = start(3)
    assert main.line() == "ready"
    (tmp_path / "stubborn").touch()
    main.process.send_signal(signal.SIGHUP)
    assert main.line() == "reload"  # the first of three is being replaced
    main.process.terminate()
    assert main.line() == "leave"
    main.process.terminate()
    assert main.end()[0] == ["end"]


def test_nobody_connects_to_a_server_that_ends(start: Callable[..., Main], tmp_path: Path) -> None:
    (tmp_path / "stubborn").touch()
    main = start()
    assert main.line() == "ready"
    worker = main.worker()
    os.kill(worker, signal.SIGSTOP)
    main.process.terminate()
    assert main.line() == "leave"
    until(lambda: not listens(main.port))
    assert lives(worker)
    main.process.terminate()
    assert main.end()[0] == ["end"]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 30).close()
    except (ConnectionRefusedError, ConnectionResetError):
        return False
    return True
