"""The render processes: what they survive and what they refuse."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from iiifserver.errors import BadRequest, BrokenSource, Busy, TookTooLong
from iiifserver.image.broker import Bounds, Pool, Remote, remote, running

MIB = 1 << 20


@dataclass(frozen=True)
class Answer:
    """A job that answers with its process's number."""

    name: str = "answer"

    def run(self) -> bytes:
        return str(os.getpid()).encode()


@dataclass(frozen=True)
class Die:
    name: str = "die.tif"

    def run(self) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""


@dataclass(frozen=True)
class Hang:
    name: str = "hang.tif"

    def run(self) -> bytes:
        threading.Event().wait()
        return b""


@dataclass(frozen=True)
class Devour:
    """A job that takes memory until there is none."""

    name: str = "bomb.png"

    def run(self) -> bytes:
        held = []
        while len(held) < 4096:
            held.append(bytearray(16 * MIB))
        return b"never"


@dataclass(frozen=True)
class Refuse:
    name: str = "refuse"

    def run(self) -> bytes:
        raise BadRequest("no", parameter="size", spec="https://example.org/#size")


@dataclass(frozen=True)
class Until:
    """A job that takes until a file is there."""

    path: Path
    name: str = "until"

    def run(self) -> bytes:
        while not self.path.exists():
            time.sleep(0.01)
        return b"done"


@pytest.fixture(scope="module")
def broker() -> Iterator[Remote]:
    with running(Bounds(1, 4, 3.0, 256 * MIB)) as environment:
        found = remote(environment)
        assert found is not None
        yield found


def test_work_is_done_in_another_process(broker: Remote) -> None:
    assert int(broker.render(Answer())) != os.getpid()


def test_an_error_arrives_as_it_was_raised(broker: Remote) -> None:
    with pytest.raises(BadRequest, match="no") as caught:
        broker.render(Refuse())
    assert (caught.value.parameter, caught.value.spec) == ("size", "https://example.org/#size")


def test_a_process_that_dies_is_replaced_and_the_culprit_named(broker: Remote) -> None:
    before = broker.render(Answer())
    with pytest.raises(BrokenSource, match=r"die\.tif"):
        broker.render(Die())
    assert broker.render(Answer()) != before


def test_a_process_that_hangs_is_replaced_and_the_request_refused(broker: Remote) -> None:
    before = broker.render(Answer())
    with pytest.raises(TookTooLong, match=r"hang\.tif"):
        broker.render(Hang())
    assert broker.render(Answer()) != before


@pytest.mark.skipif("sys.platform != 'linux'", reason="memory is limited on Linux only")
def test_memory_is_bounded(broker: Remote) -> None:
    with pytest.raises(BrokenSource, match=r"bomb\.png.*memory"):
        broker.render(Devour())
    assert broker.render(Answer())


def test_a_full_queue_refuses_at_once(tmp_path: Path) -> None:
    pool = Pool(Bounds(processes=1, waiting=1, timeout_s=30, memory_bytes=1024 * MIB))
    gate = tmp_path / "gate"
    results: list[bytes] = []
    clients = [
        threading.Thread(target=lambda: results.append(pool.render(Until(gate)))) for _ in range(2)
    ]
    try:
        for client in clients:
            client.start()
        while pool.places:
            time.sleep(0.01)
        with pytest.raises(Busy, match="too many"):
            pool.render(Answer())
        gate.touch()
        for client in clients:
            client.join()
        assert results == [b"done", b"done"]
        assert pool.places == 2
        assert pool.render(Answer())
    finally:
        pool.close()


def broker_of(pid: int) -> int:
    """The parent of a render process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds the broker's process in /proc")
def test_a_broker_that_is_killed_comes_back() -> None:
    with running(Bounds(1, 1, 30, 1024 * MIB)) as environment:
        found = remote(environment)
        assert found is not None
        os.kill(broker_of(int(found.render(Answer()))), signal.SIGKILL)
        for _ in range(300):
            try:
                assert int(found.render(Answer()))
                break
            except Busy:
                time.sleep(0.1)
        else:
            pytest.fail("no broker came back")


def test_nobody_without_the_key_is_answered() -> None:
    with running(Bounds(1, 1, 5, 1024 * MIB)) as environment:
        found = remote(environment)
        assert found is not None
        stranger = remote(environment | {"IIIF_BROKER_KEY": "00" * 32})
        assert stranger is not None
        with pytest.raises(Busy):
            stranger.render(Answer())
        assert found.render(Answer())
