"""Readers of a collection, drawn from a seed: which tiles their viewers ask for, and when.

A collection has records of several scans. Some records are looked at far more often than others:
the popularity of the n-th is n to the power of minus `skew` (Zipf). Who opens a record looks at
some of its pages; on each, first at the whole, then closer and closer at a place, and from side to
side. What a browser has already it does not ask for again in the same session.
"""

from __future__ import annotations

import bisect
import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

TILE = 512
BYTES_A_PIXEL = 52_000 / TILE**2
"""Of tiles of drawn scans with a quality of 85, on average; see README.md."""
HEAD_BYTES = 600
"""Of an answer besides its picture."""
INFO_BYTES, THUMBNAIL_BYTES = 1_300, 9_000
# width and height of the viewer on a screen, in its own pixels, and how many of 100 readers have it
SCREENS = ((1170, 1500, 30), (1440, 800, 30), (1920, 980, 25), (2880, 1600, 15))


class Asked(NamedTuple):
    """A request: what for, how large the answer is, and when, in seconds from the first."""

    key: int
    size_bytes: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Habits:
    """What is assumed of readers; each may be replaced."""

    skew: float = 0.8
    """Of 100,000 records, the most popular tenth then has about 60 % of the sessions."""
    pages: float = 4.0
    """Pages that are opened in a session, on average."""
    steps: float = 7.0
    """Movements on a page, on average: half of them closer, others to the side, some back."""
    thumbnails: int = 12
    """Pages of which a viewer shows small pictures beside the first."""
    sessions_a_day: float = 86_400.0


class Collection:
    """Scans of 4 to 150 megapixels in records of 1 to 60 pages, by their sizes."""

    def __init__(self, scans: int, seed: int, habits: Habits) -> None:
        pick = random.Random(seed)
        self.sizes: list[tuple[int, int]] = []
        self.records: list[range] = []
        while len(self.sizes) < scans:
            pages = min(max(1, round(pick.lognormvariate(1.8, 0.9))), 60)
            area = min(max(pick.lognormvariate(3.4, 0.6), 4.0), 150.0) * 1e6
            ratio = pick.uniform(0.6, 0.8)
            wide, high = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            first = len(self.sizes)
            self.sizes += [(wide, high) if pick.random() < 0.8 else (high, wide)] * pages
            self.records.append(range(first, len(self.sizes)))
        popularity = [(rank + 1) ** -habits.skew for rank in range(len(self.records))]
        self._up_to = list(itertools.accumulate(popularity))
        self._records = pick.sample(self.records, len(self.records))

    def stored_bytes(self) -> int:
        """Return how much all tiles of all scans are; a level has a quarter of the one before."""
        return round(sum(w * h for w, h in self.sizes) * BYTES_A_PIXEL * 4 / 3)

    def record(self, pick: random.Random) -> range:
        """Return the scans of a record, one that is popular more often."""
        return self._records[bisect.bisect(self._up_to, pick.random() * self._up_to[-1])]

    def popular_share(self, part: float) -> float:
        """Return the share of sessions of the most popular *part* of the records."""
        return self._up_to[max(round(len(self._up_to) * part) - 1, 0)] / self._up_to[-1]


def requests(
    collection: Collection, sessions: int, seed: int, habits: Habits
) -> Iterator[list[Asked]]:
    """Yield what each session asks for, in the order in which they begin."""
    pick = random.Random(seed)
    now = 0.0
    for _ in range(sessions):
        now += pick.expovariate(habits.sessions_a_day / 86_400)
        yield list(_session(collection, pick, habits, now))


def _session(
    collection: Collection, pick: random.Random, habits: Habits, now: float
) -> Iterator[Asked]:
    wide, high, _ = pick.choices(SCREENS, [share for *_, share in SCREENS])[0]
    scans = collection.record(pick)
    has: set[int] = set()
    for scan in scans[: habits.thumbnails]:
        yield Asked(_key(scan, 63, 0, 0), THUMBNAIL_BYTES + HEAD_BYTES, now)
    page = 0
    while page < len(scans):
        scan = scans[page]
        yield Asked(_key(scan, 62, 0, 0), INFO_BYTES + HEAD_BYTES, now)
        for asked in _looks(scan, collection.sizes[scan], (wide, high), pick, habits):
            if asked[0] not in has:
                has.add(asked[0])
                yield Asked(*asked, now)
        now += pick.expovariate(1 / 30)
        if pick.random() < 1 / habits.pages:
            return
        page += 1 if pick.random() < 0.8 else pick.randrange(1, 1 + len(scans))


def _looks(
    scan: int,
    size: tuple[int, int],
    screen: tuple[int, int],
    pick: random.Random,
    habits: Habits,
) -> Iterator[tuple[int, int]]:
    """Yield the tiles that are in view while a reader moves over a page: key and bytes."""
    whole = max(size[0] / screen[0], size[1] / screen[1], 1.0)  # pixels of the scan a screen's
    scale, x, y = whole, size[0] / 2, size[1] / 2
    yield from _in_view(scan, size, screen, scale, x, y)
    while pick.random() > 1 / (habits.steps + 1):
        move = pick.random()
        if move < 0.5 and scale > 1:
            nearer = max(scale / 2, 1.0)
            # where a reader points: anywhere on the screen, more often in the middle of the page
            x += pick.gauss(0, 0.25) * screen[0] * (scale - nearer)
            y += pick.gauss(0, 0.25) * screen[1] * (scale - nearer)
            scale = nearer
        elif move < 0.9:
            x += pick.choice((-0.5, 0.5)) * screen[0] * scale
            y += pick.choice((-0.5, 0, 0.5)) * screen[1] * scale
        else:
            scale = min(scale * 4, whole)
        x, y = min(max(x, 0), size[0]), min(max(y, 0), size[1])
        yield from _in_view(scan, size, screen, scale, x, y)


def _in_view(
    scan: int, size: tuple[int, int], screen: tuple[int, int], scale: float, x: float, y: float
) -> Iterator[tuple[int, int]]:
    level = max(int(scale).bit_length() - 1, 0)  # the coarsest that loses nothing
    step = TILE << level
    spans = []
    for middle, side, shown in zip((x, y), size, screen, strict=True):
        half = shown * scale / 2
        last = (side - 1) // step
        spans.append(
            range(
                min(max(int((middle - half) // step), 0), last),
                min(max(int((middle + half) // step), 0), last) + 1,
            )
        )
    for row in spans[1]:
        for column in spans[0]:
            wide = min(step, size[0] - column * step) >> level
            high = min(step, size[1] - row * step) >> level
            size_bytes = int(max(wide, 1) * max(high, 1) * BYTES_A_PIXEL) + HEAD_BYTES
            yield _key(scan, level, row, column), size_bytes


def _key(scan: int, level: int, row: int, column: int) -> int:
    return ((scan << 6 | level) << 20 | row << 10 | column) + 1
