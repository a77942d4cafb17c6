"""The broker: who is let in, who waits, which process takes which job, and what became of it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from iiifserver.cache import Held
from iiifserver.errors import BrokenSource, Busy, RequestError, SetAside, TookTooLong
from iiifserver.image.job import State

from .alarms import Alarms
from .aside import Harm
from .bounds import Bounds
from .lanes import LANES, MOST_BACKGROUND, Flight, Lane, Lanes, Waiter, lane_for
from .messages import Answer, Ask, Outcome, ask_for, of_value
from .nursery import Nursery
from .pause import Pause
from .seat import Failed, Seat
from .sweep import Sweep, held_of

# only what hangs is to be stopped: at the lowest priority, work takes as long as others let it
_BACKGROUND_COSTS, _BACKGROUND_TIMEOUTS = 60, 10
_WHOLE_SHARE = 0.75  # of the places: small jobs find some however many whole pictures are asked
_KILLS = 2
_MOST_WAIT_S = 600
_REST_S = _SWEEP_AGAIN_S = 60.0
_log = logging.getLogger("iiifserver.image.broker")


class Desk:
    """Runs jobs for those who ask, in the processes that *bounds* allow."""

    def __init__(
        self, bounds: Bounds, seat: Callable[[tuple[Lane, ...], Bounds], Seat] | None = None
    ) -> None:
        self._bounds = bounds
        self._nursery = Nursery(bounds.loaded)
        seat = seat or partial(Seat, self._nursery)
        wholes = max(1, bounds.processes - 1)
        self._seats = [
            seat(("small",), bounds),
            *(seat(("whole", "small"), bounds) for _ in range(wholes)),
            seat(("background",), bounds),
        ]
        self._lanes = Lanes()
        self._flights: dict[str, Flight] = {}
        self._waiters: Counter[Lane] = Counter()
        self._kills = Harm(_KILLS)
        self._failures = Harm(1)
        self._counts: Counter[str] = Counter()
        self._background_done = 0
        self._held = Held(0, 0)
        self._complaint = ""
        self._resting: asyncio.Task[None] | None = None
        self._alarms = Alarms()
        self._pause = Pause(bounds.pause_s)
        self._waking: asyncio.TimerHandle | None = None
        self._draining = False
        self._drained = False

    async def warm(self) -> None:
        """Start the processes for requests, and return when all of them take jobs."""
        self._sweep()
        requests = [seat for seat in self._seats if "background" not in seat.lanes]
        await asyncio.gather(*(seat.ready() for seat in requests))

    def render(self, ask: Ask, job: bytes, reply: Callable[[Outcome], None]) -> Waiter | None:
        """Have *reply* called once, with what becomes of *job* or the equal one on its way.

        Return who waits, to be able to `leave`; None where nobody has to.
        """
        try:
            flight = self._flights.get(ask.key)
            lane = flight.lane if flight else lane_for(ask.cost_ms)
            self._check_room(lane)
            if flight is None:
                self._check_harm(ask)
                self._check_time(lane, ask)
                flight = self._board(ask, job, lane, self._bounds.timeout_s)
            else:
                self._join(flight)
        except RequestError as error:
            self._refuse(error, reply)
            return None
        waiter = Waiter(flight, reply)
        waiter.alarm = self._alarms.call_later(ask.start_by - time.monotonic(), self._late, waiter)
        flight.waiters.append(waiter)
        self._waiters[flight.lane] += 1
        self._dispatch()
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Take notice that *waiter* wants nothing any more."""
        flight = waiter.flight
        if waiter.alarm:
            waiter.alarm.cancel()
        flight.waiters.remove(waiter)
        self._waiters[flight.lane] -= 1
        if not flight.waiters and flight.began_at is None and flight.lane != "background":
            self._lanes.remove(flight)
            del self._flights[flight.key]

    def begin(self, ask: Ask, job: bytes) -> bool:
        """Have *job* run when there is time; return whether it will be, or is already."""
        if ask.key in self._flights:
            return True
        full = self._lanes.count("background") >= MOST_BACKGROUND
        if self._draining or full or self._failures.is_aside(ask.key) or self._is_aside(ask):
            return False
        limit_s = _BACKGROUND_TIMEOUTS * self._bounds.timeout_s
        limit_s = max(_BACKGROUND_COSTS * ask.cost_ms / 1000, limit_s)
        self._board(ask, job, "background", limit_s)
        self._dispatch()
        return True

    def state(self) -> State:
        """Return what is going on, and what has happened."""
        running = list(self._running())
        return State(
            **self._counts,
            **{f"waiting_{lane}": self._lanes.count(lane) for lane in LANES},
            running=tuple(each.name for each in running if each.lane != "background"),
            running_background=tuple(each.name for each in running if each.lane == "background"),
            set_aside=self._kills.names(),
            kept_entries=self._held.entries,
            kept_bytes=self._held.size_bytes,
        )

    def drain(self, until: float) -> bool:
        """Begin nothing more that nobody waits for; whoever still waits at *until* is told so.

        It is what a server does that is being stopped, while its web workers finish.
        """
        if not self._draining:
            self._draining = True
            for flight in self._lanes.unwanted():
                self._lanes.remove(flight)
                del self._flights[flight.key]
            loop = asyncio.get_running_loop()
            loop.call_later(max(until - time.monotonic(), 0), self._turn_away)
        return True

    def _turn_away(self) -> None:
        """Tell all who wait to come back, and let nothing else begin."""
        self._drained = True
        self._lanes.clear()
        for flight in list(self._flights.values()):
            for waiter in flight.waiters:
                waiter.answer(of_value(_stopping()))
            self._waiters[flight.lane] -= len(flight.waiters)
            flight.waiters.clear()
            if flight.began_at is None:
                del self._flights[flight.key]

    async def close(self) -> None:
        """End all processes; whoever still waits is told to come back, and nothing else begins."""
        self._turn_away()
        await asyncio.gather(*(seat.end() for seat in self._seats))
        self._nursery.end()

    # -- who is let in

    def _check_room(self, lane: Lane) -> None:
        if self._drained:
            raise _stopping()
        places = self._bounds.places
        whole = self._waiters["whole"] >= math.ceil(places * _WHOLE_SHARE)
        if self._waiters.total() >= places or (lane == "whole" and whole):
            why = "too many pictures are being made at this moment"
            raise Busy(why, retry_after_s=_shown(self._wait_s(lane)))

    def _check_time(self, lane: Lane, ask: Ask) -> None:
        """Refuse now what would be refused after a long wait; what jobs cost is known roughly."""
        wait_s = self._wait_s(lane)
        if wait_s > 2 * (ask.start_by - time.monotonic()):
            why = f"the pictures that wait already will take about {_shown(wait_s)} s"
            raise Busy(why, retry_after_s=_shown(wait_s))

    def _check_harm(self, ask: Ask) -> None:
        if self._is_aside(ask):
            why = f"{ask.name} has stopped render processes: it is set aside for an hour"
            raise SetAside(why, parameter="identifier")

    def _is_aside(self, ask: Ask) -> bool:
        return self._kills.is_aside(ask.source) or self._kills.is_aside(ask.key)

    def _wait_s(self, lane: Lane) -> float:
        seats = sum(lane in seat.lanes for seat in self._seats)
        return self._lanes.wait_s(lane, seats, self._running(), time.monotonic())

    def _refuse(self, error: RequestError, reply: Callable[[Outcome], None]) -> None:
        self._counts["refused"] += 1
        reply(of_value(error))

    def _running(self) -> Iterator[Flight]:
        return (seat.flight for seat in self._seats if seat.flight)

    # -- who waits

    def _board(
        self, ask: Ask, job: bytes, lane: Lane, limit_s: float, *, first: bool = False
    ) -> Flight:
        keep = ask.keep if self._has_room() else None
        about = (ask.name, ask.key, ask.source, ask.cost_ms)
        flight = Flight(*about, keep, job, lane, limit_s, ask.request)
        self._flights[ask.key] = flight
        self._lanes.add(flight, first=first)
        return flight

    def _join(self, flight: Flight) -> None:
        self._counts["joined"] += 1
        if flight.began_at is None and not flight.waiters:
            self._lanes.remove(flight)  # of the background: somebody waits for it now
            self._lanes.add(flight, first=True)

    def _late(self, waiter: Waiter) -> None:
        """End the patience of *waiter*, or begin the time of what has begun."""
        flight = waiter.flight
        if flight.began_at is not None:
            limit_s = self._bounds.timeout_s
            waiter.alarm = self._alarms.call_later(limit_s, self._give_up, waiter)
        else:
            self._give_up(waiter)

    def _give_up(self, waiter: Waiter) -> None:
        self.leave(waiter)
        why = f"{waiter.flight.name}: other pictures took all the time that this one could wait"
        wait_s = self._wait_s(waiter.flight.lane)
        self._refuse(Busy(why, retry_after_s=_shown(wait_s)), waiter.reply)

    # -- who works

    def _dispatch(self) -> None:
        """Give every process that is free the next job of its lanes, running ones first."""
        free = [seat for seat in self._seats if not seat.flight]
        for seat in sorted(free, key=_by_readiness) if len(free) > 1 else free:
            if seat.flight or (seat.lanes == ("background",) and not self._is_time()):
                continue
            flight = self._lanes.take(seat.lanes)
            if flight:
                seat.flight = flight
                flight.began_at = time.monotonic()
                self._counts["started"] += 1
                if flight.lane == "background":
                    self._announce(flight)
                seat.fly(flight, self._land)

    def _is_time(self) -> bool:
        """Return whether the next background job may begin; if not, `_dispatch` comes back."""
        flight = self._lanes.first("background")
        if flight is None or flight.waiters:
            return True
        if any(each.lane != "background" for each in self._running()):
            self._pause.broken()
        wait_s = self._pause.wait_s(flight.boarded_at)
        if wait_s > 0 and self._waking is None:
            self._waking = asyncio.get_running_loop().call_later(wait_s, self._wake)
        return wait_s <= 0

    def _wake(self) -> None:
        self._waking = None
        self._dispatch()

    def _land(self, seat: Seat, flight: Flight, what: Outcome | Failed) -> None:
        """Give what became of *flight* to all who wait, and *seat* to the next."""
        seat.flight = None
        if flight.lane != "background":
            self._pause.broken()
        self._count_time(flight)
        del self._flights[flight.key]
        outcome = of_value(self._explained(what, flight)) if isinstance(what, Failed) else what
        self._waiters[flight.lane] -= len(flight.waiters)
        for waiter in flight.waiters:
            waiter.answer(outcome)
        self._note(flight, outcome[0])
        self._dispatch()
        if seat.lanes == ("background",):
            loop = asyncio.get_running_loop()
            loop.call_later(_REST_S, self._rest, seat, seat.jobs)

    def _count_time(self, flight: Flight) -> None:
        """Count what a flight took beside what it was thought to cost."""
        lane, now = flight.lane, time.monotonic()
        self._counts[f"landed_{lane}"] += 1
        self._counts[f"taken_{lane}_ms"] += int((now - (flight.began_at or now)) * 1000)
        self._counts[f"foreseen_{lane}_ms"] += int(flight.cost_ms)

    def _rest(self, seat: Seat, jobs: int) -> None:
        """End the process of *seat* if it had nothing to do for a while: it may be large."""
        if seat.flight is None and seat.jobs == jobs:
            self._resting = asyncio.get_running_loop().create_task(seat.end())

    def _announce(self, flight: Flight) -> None:
        done, waiting = self._background_done, self._lanes.count("background")
        _log.info("background %d of %d: %s", done + 1, done + 1 + waiting, flight.name)

    def _explained(self, failure: Failed, flight: Flight) -> RequestError:
        """Return what to tell those who wait, after noting who did it."""
        name, about = flight.name, {"id": flight.request}
        match failure.how:
            case "absent":
                _log.error("no render process could be started: %s", failure, extra=about)
                return Busy("a render process did not start in time")
            case "died":
                self._counts["deaths"] += 1
                _log.warning("a render process died (%s) on %s", failure, name, extra=about)
                self._blame(flight.source, name)
                why = f"{name}: decoding it took more memory than is allowed, or crashed"
                return BrokenSource(why, parameter="identifier")
            case "late":
                self._counts["timeouts"] += 1
                why = "a render process was stopped after %g s on %s"
                _log.warning(why, flight.limit_s, name, extra=about)
                # of this picture only: others of the same file may be quick
                self._blame(flight.key, name)
                return TookTooLong(f"{name}: this picture took longer than {flight.limit_s:g} s")

    def _blame(self, culprit: str, name: str) -> None:
        if self._kills.note(culprit, name):
            _log.error(
                "%s has stopped %d render processes: it is set aside for an hour, or until the "
                "file is replaced",
                name,
                _KILLS,
            )

    def _note(self, flight: Flight, answer: Answer) -> None:
        """Count what became of a flight."""
        self._counts["finished" if answer.well else "failed"] += 1
        if flight.lane == "background":
            self._background_done += 1
            self._counts["finished_background"] += 1
            if not self._lanes.count("background"):
                self._background_done = 0
            if not answer.well:
                self._failures.note(flight.key, flight.name)
        if flight.keep and answer.well:
            if answer.complaint and answer.complaint != self._complaint:
                _log.warning("made pictures cannot be kept: %s", answer.complaint)
            self._complaint = answer.complaint
        if answer.kept_bytes:
            self._held = self._held.more(answer.kept_bytes)
            if self._bounds.derived and self._bounds.derived.is_filling(self._held):
                self._sweep()

    # -- the disk

    def _has_room(self) -> bool:
        """Return whether more may be kept: not beyond the bounds, while the directory is swept."""
        derived = self._bounds.derived
        return derived is None or not derived.is_full(self._held)

    def _sweep(self) -> None:
        derived = self._bounds.derived
        if derived is None or not derived.on or self._draining:
            return
        sweep = Sweep(derived)
        if sweep.key not in self._flights:
            ask, job = ask_for("begin", sweep, 0)
            limit_s = _BACKGROUND_TIMEOUTS * self._bounds.timeout_s
            flight = self._board(ask, job, "whole", limit_s, first=True)
            flight.waiters.append(Waiter(flight, self._swept))
            self._waiters["whole"] += 1
            self._dispatch()

    def _swept(self, outcome: Outcome) -> None:
        answer, body = outcome
        if answer.well:
            self._held = held_of(body)
        else:  # where nothing may be kept any more, nothing else would begin it again
            asyncio.get_running_loop().call_later(_SWEEP_AGAIN_S, self._sweep)


def _stopping() -> Busy:
    return Busy("the server is being stopped")


def _by_readiness(seat: Seat) -> bool:
    return not seat.started


def _shown(wait_s: float) -> int:
    """Return when to come back: whole seconds, and not all at the same moment as now."""
    return min(max(math.ceil(wait_s), 1), _MOST_WAIT_S)
