"""Limits of time: what is due is called, once, unless it was called off."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sized
from typing import NoReturn

import pytest
from in_a_loop import in_a_loop

from iiifserver.image.broker.alarms import Alarms

LONG_S = 30.0


class Awaited:
    """Whoever waits for a time."""

    def __init__(self, came: list[Awaited]) -> None:
        self.came = came

    def come(self) -> None:
        self.came.append(self)


async def until(came: Sized, count: int) -> None:
    async with asyncio.timeout(LONG_S):
        while len(came) < count:
            await asyncio.sleep(0.01)


@in_a_loop
async def test_what_is_due_is_called_once_and_nothing_before_its_time() -> None:
    alarms, came, begun = Alarms(), list[str](), asyncio.get_running_loop().time()
    alarms.call_later(0.3, came.append, "later")
    alarms.call_later(0.0, came.append, "at once")
    alarms.call_later(2 * LONG_S, came.append, "never")
    assert not came
    await until(came, 2)
    assert came == ["at once", "later"]
    assert asyncio.get_running_loop().time() - begun >= 0.3
    assert len(alarms.pending) == 1


@in_a_loop
async def test_what_was_called_off_is_not_called() -> None:
    alarms, came = Alarms(), list[str]()
    second = alarms.call_later(0, came.append, "second")
    second.cancel()
    second.cancel()  # twice is no fault
    alarms.call_later(0, lambda: (came.append("first"), third.cancel()))
    third = alarms.call_later(0, came.append, "third")
    alarms.call_later(0, came.append, "fourth")
    await until(came, 2)
    assert came == ["first", "fourth"]
    assert not alarms.pending


@in_a_loop
async def test_whoever_keeps_an_alarm_that_is_over_keeps_nothing_else_by_it() -> None:
    alarms, came = Alarms(), list[Awaited]()
    kept = [Awaited(came), Awaited(came)]
    gone = [weakref.ref(each) for each in kept]
    off, rung = (alarms.call_later(0, Awaited.come, each) for each in kept)
    off.cancel()
    await until(came, 1)
    assert came == [kept[1]]
    came.clear()
    gc.disable()  # which would find cycles, late
    try:
        kept.clear()
        assert [each() for each in gone] == [None, None]
    finally:
        gc.enable()
    assert not alarms.pending
    assert off is not rung


@in_a_loop
async def test_what_fails_keeps_nothing_else_from_being_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> NoReturn:
        raise ValueError("of a test")

    alarms, came = Alarms(), list[str]()
    alarms.call_later(0, fail)
    alarms.call_later(0, came.append, "next")
    await until(came, 1)
    assert "of a test" in caplog.text


@in_a_loop
async def test_where_nothing_is_set_nothing_looks() -> None:
    alarms, came = Alarms(), list[str]()
    alarms.call_later(0, came.append, "only")
    await until(came, 1)
    await asyncio.sleep(0.2)
    assert not alarms._looking
    alarms.call_later(0, came.append, "again")
    await until(came, 2)
