"""What a cache before the server saves: python bench/viewers.py [--smoke] [--save]

Nothing is served: readers are drawn from a seed (`sessions.py`), and their requests go through
caches of several sizes, each told as a part of all tiles of the collection. With a popularity that
falls as a power below 1 of the rank, what a cache saves depends on that part and hardly on how
large the collection is; that is checked with one of a quarter of the size.
"""

from __future__ import annotations

import argparse
import statistics
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from goals import Figure, publish, rounded, save, say, show
from sessions import Asked, Collection, Habits, requests

DAY_S = 86_400  # as the server says: after that a cache asks whether it is still the same
MONTH_S = 30 * DAY_S
CACHES = ((0.005, DAY_S), (0.02, DAY_S), (0.1, DAY_S), (0.02, MONTH_S), (0.1, MONTH_S))
EDGES, EDGE_PART, SHIELD_PART = 8, 0.005, 0.02
STEEPER = 1.0
REQUESTS_A_SCAN_A_DAY = 8.64  # 1,000 a second of 10 million scans


class Cache:
    """What was asked for last, within so many bytes (LRU); it starts empty."""

    def __init__(self, most_bytes: float, max_age_s: float) -> None:
        self._left = most_bytes
        self._max_age_s = max_age_s
        self._held: OrderedDict[int, tuple[int, float]] = OrderedDict()
        self.full = False

    def ask(self, asked: Asked) -> str:
        """Return `held`, `checked` (what is held was confirmed by those behind it), or `read`."""
        found = self._held.pop(asked.key, None)
        if found and asked.at_s - found[1] <= self._max_age_s:
            self._held[asked.key] = found
            return "held"
        self._held[asked.key] = asked.size_bytes, asked.at_s
        if found:
            return "checked"
        self._left -= asked.size_bytes
        while self._left < 0 and len(self._held) > 1:
            self._left += self._held.popitem(last=False)[1][0]
            self.full = True
        return "read"


class Tally:
    """Of all requests since the half: how many, and how many bytes, by what became of them."""

    def __init__(self) -> None:
        self.count = dict.fromkeys(("held", "checked", "read"), 0)
        self.bytes = dict.fromkeys(self.count, 0)

    def note(self, what: str, asked: Asked) -> None:
        """Count a request."""
        self.count[what] += 1
        self.bytes[what] += asked.size_bytes

    def share(self, what: str) -> float:
        """Return the percentage of requests."""
        return rounded(100 * self.count[what] / max(sum(self.count.values()), 1))

    def byte_share(self, what: str) -> float:
        """Return the percentage of bytes."""
        return rounded(100 * self.bytes[what] / max(sum(self.bytes.values()), 1))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="a short run that proves it works")
    options.add_argument(
        "--save", action="store_true", help="write bench/results/viewers-DATE, README"
    )
    asked = options.parse_args()
    scans, sessions = (400, 300) if asked.smoke else (8_000, 16_000)
    figures = measure(scans, sessions)
    show(figures)
    if asked.save:
        path = save("viewers", figures, {"scans": scans, "sessions": sessions, "seed": 1})
        publish("viewers", figures, path)
        say(f"written: {path}")


def measure(scans: int, sessions: int) -> list[Figure]:
    """Return the figures of a collection, then of others: smaller, and with other readers."""
    figures, whole = _collection(scans, sessions, Habits(), told=True)
    _, quarter = _collection(scans // 4, sessions // 4, Habits(), told=False)
    apart = max(abs(a - b) for a, b in zip(whole, quarter, strict=True))
    what = "requests that caches answer: a collection of a quarter of the size differs by at most"
    figures.append(Figure(what, rounded(apart), "points of 100"))
    _, steeper = _collection(scans, sessions // 2, Habits(skew=STEEPER), told=False)
    for (part, max_age_s), held in zip(CACHES, steeper, strict=True):
        what = f"the same with popularity 1 / rank^{STEEPER:g}: {_named(part, max_age_s)}"
        figures.append(Figure(f"{what}: requests it answers", held, "%"))
    return figures


def _collection(
    scans: int, sessions: int, habits: Habits, *, told: bool
) -> tuple[list[Figure], list[float]]:
    """Return the figures, and the percentage of requests that each of `CACHES` answers."""
    say(f"{sessions:,} sessions with {scans:,} scans, skew {habits.skew:g}")
    collection = Collection(scans, 1, habits)
    drawn = list(requests(collection, min(sessions, 2_000), 2, habits))  # to know how many a day
    each = statistics.mean(len(session) for session in drawn)
    habits = replace(habits, sessions_a_day=REQUESTS_A_SCAN_A_DAY * scans / each)
    stored = collection.stored_bytes()
    singles = [(Cache(part * stored, max_age_s), Tally()) for part, max_age_s in CACHES]
    edges = [Cache(EDGE_PART * stored, DAY_S) for _ in range(EDGES if told else 0)]
    shield, outer, inner = Cache(SHIELD_PART * stored, DAY_S), Tally(), Tally()
    for number, session in enumerate(requests(collection, sessions, 2, habits)):
        counts = number >= sessions // 2  # the first half fills the caches
        for asked in session:
            for cache, tally in singles:
                what = cache.ask(asked)
                if counts:
                    tally.note(what, asked)
            if told:
                at_edge = edges[number % EDGES].ask(asked)
                behind = "held" if at_edge == "held" else shield.ask(asked)
                if counts:
                    outer.note(at_edge, asked)
                    inner.note(behind, asked)
    if told and not all(cache.full for cache, _ in singles):
        say("not all caches were full: they hold all that was asked")
    tallies = [tally for _, tally in singles]
    figures = [*_about(collection, drawn), *_of_one(tallies), *_of_two(outer, inner)]
    return figures, [tally.share("held") for tally in tallies]


def _named(part: float, max_age_s: float) -> str:
    age = {DAY_S: "a day", MONTH_S: "a month"}[max_age_s]
    return f"a cache of {100 * part:g} % of all tiles, kept for {age}"


def _about(collection: Collection, drawn: Sequence[Sequence[Asked]]) -> list[Figure]:
    tenth = rounded(100 * collection.popular_share(0.1))
    return [
        Figure("all tiles of a scan, on average", _mb(_a_scan(collection)), "MB"),
        Figure("sessions of the most popular tenth of records", tenth, "%"),
        Figure("requests a session", rounded(statistics.mean(map(len, drawn))), ""),
        Figure("bytes a session", _mb(statistics.mean(map(_bytes, drawn))), "MB"),
        Figure("bytes a request", rounded(_mean_bytes(drawn) / 1000), "kB"),
    ]


def _of_one(tallies: Sequence[Tally]) -> list[Figure]:
    found = []
    for (part, max_age_s), tally in zip(CACHES, tallies, strict=True):
        what = _named(part, max_age_s)
        found += [
            Figure(f"{what}: requests it answers", tally.share("held"), "%"),
            Figure(f"{what}: requests it only has confirmed", tally.share("checked"), "%"),
            Figure(f"{what}: bytes that are read behind it", tally.byte_share("read"), "%"),
        ]
    return found


def _of_two(outer: Tally, inner: Tally) -> list[Figure]:
    what = f"{EDGES} CDN caches of {100 * EDGE_PART:g} %"
    both = f"and one behind them of {100 * SHIELD_PART:g} %"
    return [
        Figure(f"{what}: requests they answer", outer.share("held"), "%"),
        Figure(f"{what} {both}: requests that reach the server", 100 - inner.share("held"), "%"),
        Figure(f"{what} {both}: bytes read from the store", inner.byte_share("read"), "%"),
    ]


def _bytes(session: Iterable[Asked]) -> int:
    return sum(asked.size_bytes for asked in session)


def _mean_bytes(drawn: Sequence[Sequence[Asked]]) -> float:
    return sum(map(_bytes, drawn)) / sum(map(len, drawn))


def _a_scan(collection: Collection) -> float:
    return collection.stored_bytes() / len(collection.sizes)


def _mb(size_bytes: float) -> float:
    return rounded(size_bytes / 1e6)


if __name__ == "__main__":
    main()
