"""What is set aside, and for how long."""

from __future__ import annotations

from iiifserver.image.broker.aside import Harm


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_culprit_is_set_aside_the_second_time() -> None:
    harm = Harm(2)
    assert [harm.note("a", "a.tif"), harm.is_aside("a")] == [False, False]
    assert [harm.note("a", "a.tif"), harm.is_aside("a")] == [True, True]
    assert [harm.note("a", "a.tif"), harm.is_aside("a")] == [False, True]  # that is no news
    assert (harm.is_aside("b"), harm.names()) == (False, ("a.tif",))


def test_after_an_hour_all_is_forgotten() -> None:
    clock = Clock()
    harm = Harm(2, clock)
    harm.note("a", "a.tif")
    clock.now = 3_599.0
    harm.note("a", "a.tif")
    clock.now = 3_599.0 + 3_599.0
    assert harm.is_aside("a")
    clock.now += 1.0
    assert (harm.is_aside("a"), harm.names()) == (False, ())
    assert not harm.note("a", "a.tif")  # the first time again


def test_names_are_told_once_each() -> None:
    harm = Harm(1)
    for culprit, name in (("a 1", "a.tif"), ("a 2", "a.tif"), ("b", "b.tif")):
        harm.note(culprit, name)
    assert harm.names() == ("a.tif", "b.tif")


def test_of_too_many_culprits_the_oldest_are_forgotten() -> None:
    harm = Harm(1)
    for number in range(1_001):
        harm.note(str(number), "")
    assert (harm.is_aside("0"), harm.is_aside("1"), harm.is_aside("1000")) == (False, True, True)
