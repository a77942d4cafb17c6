"""The render processes: what they survive and what they refuse."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from broker_jobs import Answer, Devour, Die, Hang, Large, Refuse, Until

from iiifserver.cache import Directory
from iiifserver.errors import BadRequest, BrokenSource, Busy, RequestError, TookTooLong
from iiifserver.image.broker import KEY, Bounds, Remote, remote, running, seat
from iiifserver.image.broker.client import Terms
from iiifserver.image.broker.pool import Pool
from iiifserver.image.job import bytes_of
from iiifserver.sources import Place

MIB = 1 << 20


class Broker:
    """A broker that runs, and its clients."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._clients: list[Remote] = []
        self.remote = self.client()

    def client(self) -> Remote:
        found = remote(self._environment)
        assert found is not None
        self._clients.append(found)
        return found

    def close(self) -> None:
        for client in self._clients:
            client.close()


@contextmanager
def running_broker(bounds: Bounds) -> Iterator[Broker]:
    with running(bounds) as environment, closing(Broker(environment)) as found:
        yield found


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with running_broker(Bounds(1, 8, 60.0, 256 * MIB)) as found:
        yield found


def number_of(broker: Broker) -> int:
    """The number of the process that takes small jobs."""
    return int(bytes_of(broker.remote.render(Answer())))


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    pytest.fail("it did not become true")


def test_work_is_done_in_another_process(broker: Broker) -> None:
    assert number_of(broker) != os.getpid()


def test_an_error_arrives_as_it_was_raised(broker: Broker) -> None:
    with pytest.raises(BadRequest, match="no") as caught:
        broker.remote.render(Refuse())
    assert (caught.value.parameter, caught.value.spec) == ("size", "https://example.org/#size")


def test_a_process_that_dies_is_replaced_and_the_culprit_named(broker: Broker) -> None:
    before = broker.remote.render(Answer())
    with pytest.raises(BrokenSource, match=r"die\.tif"):
        broker.remote.render(Die())
    assert broker.remote.render(Answer()) != before


def test_a_process_that_hangs_is_replaced_and_the_request_refused() -> None:
    with running_broker(Bounds(1, 8, 5.0, 256 * MIB)) as broker:
        before = number_of(broker)
        with pytest.raises(TookTooLong, match=r"hang\.tif"):
            broker.remote.render(Hang())
        assert number_of(broker) != before


@pytest.mark.skipif("sys.platform != 'linux'", reason="memory is limited on Linux only")
def test_memory_is_bounded(broker: Broker) -> None:
    with pytest.raises(BrokenSource, match=r"bomb\.png.*memory"):
        broker.remote.render(Devour())
    assert broker.remote.render(Answer())


def test_a_process_has_so_many_jobs_and_then_another_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(seat, "_JOBS_A_PROCESS", 3)
    with closing(Pool(Bounds(1, 8, 60.0, 256 * MIB))) as pool:
        numbers = [bytes_of(pool.render(Answer())) for _ in range(7)]
    assert [numbers.count(each) for each in dict.fromkeys(numbers)] == [3, 3, 1]


def test_equal_jobs_of_two_web_workers_are_run_once(broker: Broker, tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    job = Until(gate, log)
    joined = broker.remote.state().joined
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(broker.client().render, job) for _ in range(4)]
        wait_until(lambda: broker.remote.state().joined == joined + 3)
        gate.touch()
        assert [each.result() for each in asked] == [b"done"] * 4
    assert log.read_text() == "run\n"


def test_a_background_job_is_begun_and_joined(broker: Broker, tmp_path: Path) -> None:
    gate, log = tmp_path / "gate", tmp_path / "log"
    job = Until(gate, log, name="pyramid")
    assert broker.remote.begin(job)
    assert broker.client().begin(job)
    wait_until(lambda: broker.remote.state().running_background == ("pyramid",))
    assert broker.remote.render(Answer())  # nobody waits for it
    with ThreadPoolExecutor(1) as threads:
        joined = threads.submit(broker.remote.render, job)
        gate.touch()
        assert joined.result() == b"done"
    assert log.read_text() == "run\n"


def test_what_is_kept_is_written_by_the_process_that_made_it(
    broker: Broker, tmp_path: Path
) -> None:
    directory = Directory(tmp_path / "derived", 1 << 30, 100)
    place = broker.remote.render(Answer(keep=directory.path("a", "1")))
    assert isinstance(place, Place)
    assert place == directory.get("a", "1")
    assert place.read().isdigit()


def test_what_cannot_be_kept_is_answered_all_the_same(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    directory = Directory(tmp_path / "file" / "derived", 1 << 30, 100)
    answer = broker.remote.render(Answer(keep=directory.path("a", "1")))
    assert isinstance(answer, bytes)
    assert answer.isdigit()


def test_a_large_picture_comes_through(broker: Broker) -> None:
    assert broker.remote.render(Large()) == bytes(40 * MIB)


def test_a_process_that_died_while_idle_is_not_held_against_the_next_file(broker: Broker) -> None:
    deaths = broker.remote.state().deaths
    for _ in range(3):
        os.kill(number_of(broker), signal.SIGKILL)
        assert number_of(broker)
    assert broker.remote.state().deaths == deaths


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def asks_until_answered(broker: Broker) -> None:
    for _ in range(300):
        try:
            assert number_of(broker)
        except Busy:
            time.sleep(0.1)
        else:
            return
    pytest.fail("no broker came back")


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_a_broker_that_is_killed_comes_back_and_leaves_nothing(tmp_path: Path) -> None:
    with running_broker(Bounds(1, 4, 30, 1024 * MIB)) as broker, ThreadPoolExecutor(1) as threads:
        working = number_of(broker)
        busy = threads.submit(broker.client().render, Until(tmp_path / "never", tmp_path / "log"))
        wait_until((tmp_path / "log").exists)
        os.kill(parent_of(working), signal.SIGKILL)
        with pytest.raises(Busy, match="restarted"):
            busy.result()
        asks_until_answered(broker)
        wait_until(lambda: not Path(f"/proc/{working}").exists())


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_nothing_is_left_of_a_server_that_is_killed() -> None:
    code = (
        "import time\n"
        "from iiifserver.image.broker import *\n"
        "with running(Bounds(1, 1, 5, 1 << 30)) as environment:\n"
        "    print(environment[ADDRESS], flush=True)\n"
        "    time.sleep(60)\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert server.stdout is not None
    with server, server.stdout:
        address = server.stdout.readline().decode().strip()
        started = [pid for pid in numbers() if parent(pid) == server.pid]
        started += [pid for pid in numbers() if parent(pid) in started]
        assert len(started) >= 2
        server.kill()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in started))
    shutil.rmtree(Path(address).parent)


def numbers() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def parent(pid: int) -> int:
    try:
        return parent_of(pid)
    except OSError:
        return 0


def test_a_broker_of_a_server_that_stops_refuses_what_comes_too_late() -> None:
    with running_broker(Bounds(1, 8, 60.0, 256 * MIB)) as broker:
        assert broker.remote.drain(60.0)
        assert not broker.remote.begin(Answer())
        assert number_of(broker)  # there is still time for this
    with running_broker(Bounds(1, 8, 60.0, 256 * MIB)) as broker:
        assert broker.remote.drain(0.0)
        with pytest.raises(Busy, match="being stopped"):
            broker.remote.render(Answer())


def test_nobody_without_the_key_is_answered() -> None:
    with running(Bounds(1, 1, 5, 1024 * MIB)) as environment:
        known, stranger = remote(environment), remote(environment | {KEY: "00" * 32})
        assert known is not None
        assert stranger is not None
        with pytest.raises(Busy), closing(stranger):
            stranger.render(Answer())
        with closing(known):
            assert known.render(Answer())


def test_a_broker_lets_in_who_comes_late() -> None:
    """Objects that nobody holds are given up after a while, and with them what they listen on."""
    with running(Bounds(1, 8, 60.0, 256 * MIB)) as environment:
        for _ in range(1_000):
            late = remote(environment)
            assert late is not None
            with closing(late):
                assert late.state().started == 0


def test_where_no_broker_is_nobody_is_told(tmp_path: Path) -> None:
    client = Remote(Terms(str(tmp_path / "none"), b"", 1.0, 1.0))
    assert not client.drain(1.0)


def test_where_no_broker_is_the_answer_is_busy(tmp_path: Path) -> None:
    nobody = Remote(Terms(str(tmp_path / "nobody"), bytes(32), 1, 1))
    for ask in (lambda: nobody.render(Answer()), lambda: nobody.begin(Answer()), nobody.state):
        with pytest.raises(Busy, match="restarted") as caught:
            ask()
        assert caught.value.retry_after_s == 2


def test_a_broker_that_does_not_answer_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    address = str(tmp_path / "mute")
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(address)
        mute.listen()
        waits = Remote(Terms(address, bytes(32), 0.0, 0.0, grace_s=0.05))
        with pytest.raises(Busy, match="in time"):
            waits.render(Answer())


def test_a_pool_is_a_broker_within_this_process() -> None:
    with closing(Pool(Bounds(2, 1, 30, 1024 * MIB))) as pool:
        assert int(bytes_of(pool.render(Answer()))) != os.getpid()
        with pytest.raises(BrokenSource, match=r"die\.tif"):
            pool.render(Die())
        assert pool.begin(Answer(key="background"))
        wait_until(lambda: pool.state().finished_background == 1)
        assert pool.state().deaths == 1


@pytest.mark.parametrize(
    "error",
    [
        Busy("full", retry_after_s=17),
        TookTooLong("slow", parameter="size"),
        BadRequest("no", parameter="size", spec="https://example.org/"),
    ],
)
def test_errors_travel_whole(error: RequestError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))
