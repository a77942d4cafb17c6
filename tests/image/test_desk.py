"""The broker's decisions: who is let in, who waits, what is computed once, what is set aside.

Processes are played by seats that answer when the test says so: no time decides.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from in_a_loop import in_a_loop

from iiifserver.cache import Directory, write
from iiifserver.errors import BadRequest, BrokenSource, Busy, SetAside, TookTooLong
from iiifserver.image.broker import Bounds
from iiifserver.image.broker.desk import Desk
from iiifserver.image.broker.lanes import MOST_BACKGROUND, Flight, Lane
from iiifserver.image.broker.messages import Answer, Ask, Outcome, of_value, result_of
from iiifserver.image.broker.seat import Failed, Land

SMALL_MS, WHOLE_MS = 5.0, 1000.0
GiB = 1 << 30


class PlayedSeat:
    """A seat whose jobs end when the test ends them."""

    def __init__(self, lanes: tuple[Lane, ...], _bounds: Bounds) -> None:
        self.lanes = lanes
        self.flight: Flight | None = None
        self.started = True
        self.jobs = 0
        self.working: dict[bytes, Callable[[Outcome | Failed], None]] = {}
        self.keeps: list[str | None] = []

    async def ready(self) -> bool:
        return True

    def fly(self, flight: Flight, land: Land) -> None:
        self.jobs += 1
        self.keeps.append(flight.keep)

        def landed(what: Outcome | Failed) -> None:
            del self.working[flight.job]
            land(self, flight, what)

        self.working[flight.job] = landed
        if flight.job.startswith(b"\x80"):  # a job of the desk's own
            made = pickle.loads(flight.job).run()
            asyncio.get_running_loop().call_soon(landed, (Answer("bytes"), made))

    async def end(self) -> None:
        self.started = False


class Play:
    """A desk with played seats, and those who ask it."""

    def __init__(
        self,
        processes: int = 2,
        waiting: int = 8,
        derived: Directory | None = None,
        pause_s: float = 0.0,
    ) -> None:
        self.seats: list[PlayedSeat] = []
        bounds = Bounds(processes, waiting, 60.0, GiB, derived, pause_s=pause_s)
        self.desk = Desk(bounds, self._seat)
        self.patience_s = 30.0

    def _seat(self, lanes: tuple[Lane, ...], bounds: Bounds) -> PlayedSeat:
        self.seats.append(PlayedSeat(lanes, bounds))
        return self.seats[-1]

    def ask(self, key: str, cost_ms: float = SMALL_MS, **about: Any) -> Ask:
        start_by = time.monotonic() + self.patience_s
        return Ask(
            "render", key, key, about.pop("source", key), cost_ms, start_by=start_by, **about
        )

    async def render(self, key: str, cost_ms: float = SMALL_MS, **about: Any) -> asyncio.Task[Any]:
        """Ask for a job and come as far as one comes without an answer."""

        async def result() -> Any:
            answered: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
            ask = self.ask(key, cost_ms, **about)
            waiter = self.desk.render(ask, key.encode(), answered.set_result)
            try:
                return result_of(*await answered)
            except asyncio.CancelledError:
                self.desk.leave(waiter)
                raise

        task = asyncio.create_task(result())
        await settled()
        return task

    def begin(self, key: str, cost_ms: float = WHOLE_MS, **about: Any) -> bool:
        return self.desk.begin(self.ask(key, cost_ms, **about), key.encode())

    @property
    def working(self) -> list[str]:
        return sorted(job.decode() for seat in self.seats for job in seat.working)

    async def end(self, key: str, outcome: object = None, **about: Any) -> None:
        """Let the job *key* end: with an answer, or with the failure of its process."""
        [landed] = [s.working[key.encode()] for s in self.seats if key.encode() in s.working]
        if isinstance(outcome, Failed):
            landed(outcome)
        elif outcome is None:
            landed((Answer("bytes", **about), f"made {key}".encode()))
        else:
            landed(of_value(outcome, **about))
        await settled()


async def settled() -> None:
    """Return when nothing moves any more."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.mark.parametrize("processes", [1, 2, 5])
@in_a_loop
async def test_whole_pictures_never_keep_a_small_one_waiting(processes: int) -> None:
    play = Play(processes, waiting=60)
    for number in range(40):
        await play.render(f"whole {number}", WHOLE_MS)
        play.begin(f"background {number}")
    wholes = len(play.working)
    assert wholes == max(1, processes - 1) + 1
    for number in range(3):
        small = await play.render(f"small {number}")
        assert f"small {number}" in play.working
        await play.end(f"small {number}")
        assert await small == f"made small {number}".encode()
    assert len(play.working) == wholes


@in_a_loop
async def test_small_pictures_never_keep_a_whole_one_waiting_for_more_than_one() -> None:
    play = Play(2, waiting=60)
    for number in range(20):
        await play.render(f"small {number}")
    assert play.working == ["small 0", "small 1"]
    await play.render("whole", WHOLE_MS)
    await play.end("small 0")
    await play.end("small 1")
    assert play.working == ["small 2", "whole"]


@in_a_loop
async def test_equal_jobs_are_run_once() -> None:
    play = Play()
    first, second = await play.render("a"), await play.render("a")
    other = await play.render("b")
    assert play.working == ["a", "b"]
    await play.end("a")
    assert (await first, await second) == (b"made a", b"made a")
    await play.end("b")
    assert await other == b"made b"
    state = play.desk.state()
    assert (state.started, state.finished, state.joined) == (2, 2, 1)
    await play.render("a")  # it is over: this is another one
    assert play.working == ["a"]


@in_a_loop
async def test_who_joined_gets_the_error_too() -> None:
    play = Play()
    both = [await play.render("a"), await play.render("a")]
    await play.end("a", BadRequest("no", parameter="size"))
    for task in both:
        with pytest.raises(BadRequest, match="no"):
            await task
    assert play.desk.state().failed == 1


@in_a_loop
async def test_what_does_not_fit_is_refused_at_once_and_told_when_to_come_back() -> None:
    play = Play(processes=2, waiting=6)
    tasks = [await play.render(f"whole {number}", 3_000) for number in range(6)]
    late = await play.render("one more", 3_000)
    with pytest.raises(Busy, match="too many") as caught:
        await late
    assert 17 <= caught.value.retry_after_s <= 18  # six of three seconds, one after the other
    small = [await play.render(f"small {number}") for number in range(2)]  # places of their own
    joined = await play.render("whole 0", 3_000)  # who joins waits too
    with pytest.raises(Busy, match="too many"):
        await joined
    assert not any(task.done() for task in tasks + small)
    assert play.desk.state().refused == 2


@in_a_loop
async def test_who_would_wait_too_long_is_told_so_at_once() -> None:
    play = Play(waiting=60)
    for number in range(3):
        await play.render(f"whole {number}", 25_000)
    with pytest.raises(Busy, match="about 75 s") as caught:
        await (await play.render("whole", 1_000))
    assert caught.value.retry_after_s == 75
    await play.render("small")
    assert play.working == ["small", "whole 0"]


@in_a_loop
async def test_what_was_not_begun_in_time_is_dropped() -> None:
    play = Play(processes=1)
    await play.render("first", WHOLE_MS)
    play.patience_s = 0.01
    late = await play.render("late", WHOLE_MS)
    play.patience_s = 30.0
    in_time = await play.render("in time", WHOLE_MS)
    with pytest.raises(Busy, match=r"(late: other|those|the) pictures"):
        await late
    await play.end("first")
    assert play.working == ["in time"]
    await play.end("in time")
    assert await in_time == b"made in time"


@in_a_loop
async def test_what_nobody_waits_for_any_more_is_dropped() -> None:
    play = Play(processes=1)
    await play.render("first", WHOLE_MS)
    gone, stays = await play.render("gone", WHOLE_MS), await play.render("stays", WHOLE_MS)
    two = await play.render("stays", WHOLE_MS)
    for task in (gone, two):
        task.cancel()
    await settled()
    assert play.desk.state().waiting_whole == 1
    await play.end("first")
    await play.end("stays")
    assert await stays == b"made stays"


@in_a_loop
async def test_a_file_that_kills_twice_is_set_aside_until_it_is_replaced(
    caplog: pytest.LogCaptureFixture,
) -> None:
    play = Play()
    for key in ("tile 1", "tile 2"):
        task = await play.render(key, source="bomb.tif v1")
        await play.end(key, Failed("died", "status -9"))
        with pytest.raises(BrokenSource, match=f"{key}: decoding it"):
            await task
    with pytest.raises(SetAside, match="tile 3"):
        await (await play.render("tile 3", source="bomb.tif v1"))
    assert not play.begin("pyramid", source="bomb.tif v1")
    assert play.working == []
    assert play.desk.state().set_aside == ("tile 2",)
    assert play.desk.state().deaths == 2
    [told] = [each.message for each in caplog.records if "set aside" in each.message]
    assert told.startswith("tile 2 has stopped 2 render processes")
    await play.render("tile 4", source="bomb.tif v2")
    assert play.working == ["tile 4"]


@in_a_loop
async def test_a_picture_that_takes_too_long_twice_is_set_aside_but_not_its_file() -> None:
    play = Play()
    for _ in range(2):
        task = await play.render("full/max", source="large.tif")
        await play.end("full/max", Failed("late", ""))
        with pytest.raises(TookTooLong, match="longer than 60 s"):
            await task
    with pytest.raises(SetAside):
        await (await play.render("full/max", source="large.tif"))
    await play.render("a tile", source="large.tif")
    assert play.working == ["a tile"]
    assert play.desk.state().timeouts == 2


@in_a_loop
async def test_where_no_process_starts_the_file_is_not_blamed() -> None:
    play = Play()
    for _ in range(3):
        task = await play.render("a")
        await play.end("a", Failed("absent", "no memory"))
        with pytest.raises(Busy):
            await task
    assert play.desk.state().set_aside == ()


@in_a_loop
async def test_background_jobs_run_one_at_a_time_and_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    play = Play()
    assert [play.begin(key) for key in ("a", "b", "c", "a", "b")] == [True] * 5
    await settled()
    assert play.working == ["a"]
    assert play.desk.state().running_background == ("a",)
    assert play.desk.state().waiting_background == 2
    for key in ("a", "b", "c"):
        await play.end(key)
    assert [record.message for record in caplog.records] == [
        "background 1 of 1: a",
        "background 2 of 3: b",
        "background 3 of 3: c",
    ]
    assert play.desk.state().finished_background == 3
    play.begin("d")
    await settled()
    assert caplog.records[-1].message == "background 1 of 1: d"


@in_a_loop
async def test_who_asks_for_a_background_job_joins_it_and_brings_it_to_the_front() -> None:
    play = Play()
    for key in ("a", "b", "c", "d"):
        play.begin(key)
    await settled()
    running, waiting = await play.render("a", WHOLE_MS), await play.render("c", WHOLE_MS)
    waiting.cancel()  # who came and went leaves it where it is: it is wanted still
    await settled()
    waiting = await play.render("c", WHOLE_MS)
    assert play.working == ["a"]
    await play.end("a")
    assert await running == b"made a"
    assert play.working == ["c"]
    await play.end("c")
    assert await waiting == b"made c"
    assert play.working == ["b"]


@in_a_loop
async def test_a_background_job_waits_for_a_pause_unless_somebody_waits_for_it() -> None:
    play = Play(pause_s=1_000)
    for key in ("a", "b"):
        assert play.begin(key)
    await settled()
    assert play.working == []
    wanted = await play.render("b", WHOLE_MS)
    assert play.working == ["b"]
    await play.end("b")
    assert await wanted == b"made b"
    assert play.working == []
    assert play.desk.state().waiting_background == 1


@in_a_loop
async def test_a_background_job_begins_when_the_pause_has_come() -> None:
    play = Play(pause_s=0.01)
    assert play.begin("a")
    assert play.working == []
    picture = await play.render("picture", WHOLE_MS)
    await play.end("picture")
    await picture
    async with asyncio.timeout(10):
        while play.working != ["a"]:
            await asyncio.sleep(0.001)


@in_a_loop
async def test_a_background_job_that_failed_is_not_begun_again() -> None:
    play = Play()
    assert play.begin("broken")
    await settled()
    await play.end("broken", BrokenSource("no end"))
    assert not play.begin("broken")
    task = await play.render("broken")  # but who wants to know gets it tried
    assert play.working == ["broken"]
    await play.end("broken")
    assert await task == b"made broken"


@in_a_loop
async def test_background_jobs_are_stopped_only_where_they_hang() -> None:
    play = Play()
    for key, cost_ms in (("quick", 1_000), ("large", 300_000)):
        play.begin(key, cost_ms)
    await play.render("small")
    limits = {seat.flight.name: seat.flight.limit_s for seat in play.seats if seat.flight}
    assert limits == {"quick": 600.0, "small": 60.0}
    await play.end("quick")
    limits = {seat.flight.name: seat.flight.limit_s for seat in play.seats if seat.flight}
    assert limits == {"large": 18_000.0, "small": 60.0}


@in_a_loop
async def test_background_jobs_are_bounded() -> None:
    play = Play()
    begun = [play.begin(str(number)) for number in range(MOST_BACKGROUND + 2)]
    assert begun == [True] * MOST_BACKGROUND + [True, False]


@in_a_loop
async def test_pictures_are_kept_until_there_is_no_room_and_then_the_directory_is_swept(
    tmp_path: Path,
) -> None:
    directory = Directory(tmp_path, GiB, 100)
    entry = directory.path("image", "key")
    assert entry is not None
    path = Path(entry)
    for number in range(96):  # as others left it
        write(b"x", path.parent / str(number))
        os.utime(path.parent / str(number), (number, number))  # clocks are coarser than this
    play = Play(derived=directory)
    await play.desk.warm()
    await settled()
    assert play.desk.state().kept_entries == 90
    for number in range(6):
        await play.render(str(number), keep=str(path))
        await play.end(str(number), kept_bytes=5)
    assert play.desk.state().kept_entries == 90  # swept again: what was kept is told, not there
    assert all(keep == str(path) for seat in play.seats for keep in seat.keeps if keep)


@in_a_loop
async def test_nothing_is_kept_beyond_the_bounds(tmp_path: Path) -> None:
    play = Play(derived=Directory(tmp_path, 3 * 4096, 100))
    await play.render("whole", WHOLE_MS)  # sweeping has to wait for it
    for number in range(6):
        await play.render(str(number), keep="x")
        await play.end(str(number), kept_bytes=1)
    keeps = [keep for seat in play.seats for keep in seat.keeps if seat.lanes == ("small",)]
    assert keeps == ["x"] * 3 + [None] * 3


@in_a_loop
async def test_a_disk_that_is_full_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    play = Play()
    for complaint in ("No space left", "No space left", "", "No space left"):
        await play.render("a", keep="x")
        await play.end("a", complaint=complaint)
    assert [r.message for r in caplog.records] == [
        "made pictures cannot be kept: No space left"
    ] * 2


@in_a_loop
async def test_who_waits_when_the_server_stops_is_told() -> None:
    play = Play(processes=1)
    tasks = [await play.render(key, WHOLE_MS) for key in ("a", "b")]
    await play.desk.close()
    for task in tasks:
        with pytest.raises(Busy, match="stopped"):
            await task
    assert not any(seat.started for seat in play.seats)


@in_a_loop
async def test_what_waits_when_the_server_stops_is_never_begun() -> None:
    play = Play(processes=1)
    tasks = [await play.render(key, WHOLE_MS) for key in ("a", "b")]
    assert play.working == ["a"]
    await play.desk.close()
    await play.end("a", Failed("died", "it was ended"))
    assert play.working == []
    await asyncio.gather(*tasks, return_exceptions=True)


def test_what_another_version_of_the_program_said_is_no_answer() -> None:
    with pytest.raises(Busy, match="replaced"):
        result_of(Answer("value"), b"ciiifserver.errors\nOfAnotherVersion\n.")


@in_a_loop
async def test_a_server_that_stops_begins_nothing_more_that_nobody_waits_for() -> None:
    play = Play()
    assert play.begin("first")
    assert play.begin("second")
    assert play.begin("wanted")
    joined = await play.render("wanted")
    await settled()
    assert play.desk.drain(time.monotonic() + 60)
    assert not play.begin("third")
    await play.end("first")
    assert play.working == ["wanted"]
    await play.end("wanted")
    assert await joined == b"made wanted"
    assert play.working == []
    assert play.desk.state().waiting_background == 0


@in_a_loop
async def test_who_waits_when_a_server_stops_is_answered_in_time() -> None:
    play = Play(processes=1)
    begun = await play.render("begun", WHOLE_MS)
    waits = await play.render("waits", WHOLE_MS)
    play.desk.drain(time.monotonic() + 60)
    await play.end("begun")
    assert await begun == b"made begun"  # and the next one begins
    assert play.working == ["waits"]
    also = await play.render("also", WHOLE_MS)
    play.desk._turn_away()  # when that time is over
    for refused in (waits, also, await play.render("later")):
        with pytest.raises(Busy, match="being stopped"):
            await refused
    await play.end("waits")  # nobody waits for it any more
    assert play.working == []
    assert play.desk.state().waiting_whole == 0


@in_a_loop
async def test_the_time_to_answer_begins_with_the_order_to_stop() -> None:
    play = Play(processes=1)
    begun = await play.render("begun", WHOLE_MS)
    play.desk.drain(time.monotonic())
    with pytest.raises(Busy, match="being stopped"):
        await asyncio.wait_for(begun, 30)
