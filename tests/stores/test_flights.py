"""Reads of one store: equal ones together, and few threads for one that is away."""

from __future__ import annotations

import threading

import pytest

from iiifserver.errors import Away, NotFound
from iiifserver.stores.pieces import Flights, Piece

PIECE = Piece(b"x", 1, "1")


class Clock:
    """Time that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Remote:
    """What is read; away as long as a test says so."""

    def __init__(self) -> None:
        self.asked = 0
        self.error: Exception | None = Away("no answer")

    def __call__(self) -> Piece:
        self.asked += 1
        if self.error:
            raise self.error
        return PIECE


def attempts(flights: Flights, remote: Remote, count: int) -> None:
    for number in range(count):
        with pytest.raises(Away):
            flights.read(number, remote)


def test_a_store_that_failed_some_times_is_tried_by_one_at_a_time() -> None:
    clock, remote = Clock(), Remote()
    flights = Flights("s3://bucket", clock=clock)
    attempts(flights, remote, 10)
    assert remote.asked == 3
    clock.now_s = 5.0
    attempts(flights, remote, 10)
    assert remote.asked == 4
    clock.now_s = 10.0
    remote.error = None
    assert flights.read("any", remote) == PIECE
    assert flights.read("all again", remote) == PIECE


def test_what_is_not_there_is_an_answer_of_the_store() -> None:
    remote = Remote()
    remote.error = NotFound("nothing")
    flights = Flights("s3://bucket", clock=Clock())
    for number in range(10):
        with pytest.raises(NotFound):
            flights.read(number, remote)
    assert remote.asked == 10


def test_the_message_names_the_store() -> None:
    flights = Flights("s3://bucket", clock=Clock())
    attempts(flights, Remote(), 3)
    with pytest.raises(Away, match="s3://bucket cannot be reached"):
        flights.read("x", Remote())


def test_no_more_read_at_a_time_than_are_allowed() -> None:
    flights = Flights("s3://bucket", most=2)
    lock, held, most = threading.Lock(), 0, 0
    met = threading.Barrier(2)

    def read() -> Piece:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        met.wait(20)  # two are in at a time
        with lock:
            held -= 1
        return PIECE

    threads = [threading.Thread(target=flights.read, args=(n, read)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 2
