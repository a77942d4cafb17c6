"""The broker as the loop of a web worker asks it: nobody waits, and everybody is told."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from broker_jobs import Answer, Refuse, Until

from iiifserver.errors import BadRequest, Busy
from iiifserver.image.broker import ADDRESS, KEY, Bounds, Caller, caller, running
from iiifserver.image.broker.client import Terms

MIB = 1 << 20


class Loop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def ask(self, asked: Caller, job: Any) -> Future[Any]:
        told: Future[Any] = Future()
        self.loop.call_soon_threadsafe(asked.render, job, told.set_result)
        return told

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.stop()


@contextmanager
def called(loop: Loop, most: int = 8) -> Iterator[Caller]:
    with running(Bounds(1, 8, 60.0, 256 * MIB)) as environment:
        found = caller(environment, loop.loop, most)
        assert found is not None
        yield found


def test_results_and_errors_come_over_connections_that_stay(loop: Loop) -> None:
    with called(loop) as broker:
        for _ in range(3):
            assert int(loop.ask(broker, Answer()).result(60)) != os.getpid()
        error = loop.ask(broker, Refuse()).result(60)
        assert isinstance(error, BadRequest)
        assert error.parameter == "size"
        assert len(broker._idle) == broker._lines == 1


def test_many_are_asked_at_one_time_and_no_more_than_are_allowed(
    loop: Loop, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    with called(loop, most=3) as broker:
        asked = [loop.ask(broker, Until(gate, tmp_path / "log")) for _ in range(3)]
        refused = loop.ask(broker, Answer()).result(60)
        assert isinstance(refused, Busy)
        assert not any(each.done() for each in asked)
        gate.touch()
        assert [each.result(60) for each in asked] == [b"done"] * 3
        assert loop.ask(broker, Answer()).result(60)


def test_who_had_a_connection_to_a_broker_that_is_gone_asks_the_next(loop: Loop) -> None:
    with called(loop) as broker:
        before = int(loop.ask(broker, Answer()).result(60))
        os.kill(parent_of(before), signal.SIGKILL)
        until = time.monotonic() + 60
        while isinstance(found := loop.ask(broker, Answer()).result(60), Busy):
            assert time.monotonic() < until
        assert int(found) != before


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def test_where_no_broker_is_everybody_is_told(loop: Loop, tmp_path: Path) -> None:
    nobody = Caller(Terms(str(tmp_path / "nobody"), bytes(32), 1, 1), loop.loop, 2)
    for _ in range(4):
        refused = loop.ask(nobody, Answer()).result(60)
        assert isinstance(refused, Busy)
        assert "restarted" in str(refused)
    assert caller({}, loop.loop, 1) is None


@pytest.mark.parametrize("terms", [(0.0, 0.0, 0.05), (30.0, 30.0, 5.0)])
def test_who_is_not_answered_is_told(
    loop: Loop, tmp_path: Path, terms: tuple[float, float, float]
) -> None:
    """A broker that says nothing, and one that hangs up."""
    address, silent = str(tmp_path / "mute"), terms[0] == 0
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(address)
        mute.listen()
        broker = Caller(Terms(address, bytes(32), *terms), loop.loop, 2)
        told = loop.ask(broker, Answer())
        with mute.accept()[0] as connection:
            if not silent:
                connection.recv(1_000)
                connection.close()
            answer = told.result(60)
    assert isinstance(answer, Busy)
    assert ("in time" if silent else "restarted") in str(answer)


def test_who_has_no_key_is_told(loop: Loop) -> None:
    with running(Bounds(1, 1, 5, 1024 * MIB)) as environment:
        stranger = caller(environment | {KEY: "00" * 32}, loop.loop, 2)
        assert stranger is not None
        assert environment[ADDRESS] == stranger.terms.address
        assert isinstance(loop.ask(stranger, Answer()).result(60), Busy)
