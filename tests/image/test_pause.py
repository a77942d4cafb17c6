"""When work that nobody waits for may begin."""

from __future__ import annotations

from iiifserver.image.broker.pause import Pause


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_wish_waits_for_a_pause_of_all_who_ask() -> None:
    clock = Clock()
    pause = Pause(0.5, clock)
    wished_at = clock.now
    assert pause.wait_s(wished_at) == 0.5  # a viewer that read info.json asks for tiles next
    clock.now += 0.4
    pause.broken()
    assert pause.wait_s(wished_at) == 0.5
    clock.now += 0.25
    assert pause.wait_s(wished_at) == 0.25
    clock.now += 0.25
    assert pause.wait_s(wished_at) == 0.0


def test_where_readers_never_pause_a_wish_is_granted_all_the_same() -> None:
    clock = Clock()
    pause = Pause(0.5, clock)
    wished_at = clock.now
    for _ in range(9):
        pause.broken()
        assert pause.wait_s(wished_at) > 0
        clock.now += 0.25
    pause.broken()
    assert pause.wait_s(wished_at) == 0.25
    clock.now += 0.25
    assert pause.wait_s(wished_at) == 0.0


def test_without_a_pause_nothing_waits() -> None:
    pause = Pause(0.0, clock := Clock())
    pause.broken()
    assert pause.wait_s(clock.now) == 0.0
