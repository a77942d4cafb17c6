"""Tiles while others ask whole pictures; memory after thousands of mixed requests."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import asking
import load
from accounting import pss_mb
from against import fresh_server
from exhibition import Published, Scan
from goals import Figure, say
from servers import Server

CLIENTS = 8
_PAUSE_MS = 200
"""Between an answer and the next request of one who asks whole pictures among a hundred."""


class Watch:
    """Memory of a server, looked at now and then until it is left."""

    def __init__(self, server: Server, every_s: float) -> None:
        self.curve = [pss_mb(*server.roots)]
        self._roots, self._every_s, self._over = server.roots, every_s, threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(self._every_s):
            self.curve.append(pss_mb(*self._roots))


def beside_wholes(published: Published, seconds: float) -> Iterator[Figure]:
    """Tell how long a tile takes at most while two clients ask whole scans without pause."""
    mix, wholes = asking.mix(published.scans), asking.wholes(published.scans)
    with fresh_server(published) as server:
        load.once(server, mix)
        say("tiles alone")
        alone = load.again(server, mix, seconds)
        say("tiles beside two clients that ask full/max")
        with ThreadPoolExecutor() as pool:
            others = pool.submit(load.again, server, wholes, seconds + 2, connections=2, threads=1)
            beside = load.again(server, mix, seconds)
            whole = others.result()
    yield Figure("tile, 99th percentile, alone", alone.p99_ms, "ms")
    what = "tile, 99th percentile, beside 2 clients asking full/max"
    yield Figure(what, beside.p99_ms, "ms", goal=15, reach=8)
    yield Figure("the same: tiles", round(beside.per_s), "req/s")
    yield Figure("the same: whole pictures answered", whole.requests, "")
    yield Figure("the same: not 200", beside.not_ok + beside.broken + whole.not_ok, "", goal=0)


def hundred(published: Published, seconds: float) -> Iterator[Figure]:
    """Tell what happens when fifty clients ask tiles and fifty whole scans, none of them twice."""
    scans = published.scans
    with fresh_server(published) as server:
        load.once(server, asking.mix(scans))
        say(f"a hundred clients, {seconds:.0f} s")
        with Watch(server, 0.5) as memory, ThreadPoolExecutor() as pool:
            whole = {"connections": 50, "threads": 1, "pause_ms": _PAUSE_MS}
            others = pool.submit(load.again, server, asking.wholes(scans), seconds, **whole)
            tiles = load.again(server, asking.mix(scans), seconds, connections=50)
            wholes = others.result()
        alive = server.get(asking.information(scans)[0])[0] == 200
    what = f"100 clients, half of them full/max, {seconds:.0f} s"
    yield Figure(f"{what}: tile, 99th percentile", tiles.p99_ms, "ms", goal=50)
    yield Figure(f"{what}: tiles", round(tiles.per_s), "req/s")
    yield Figure(f"{what}: whole pictures", wholes.requests - wholes.not_ok, "")
    yield Figure(f"{what}: 503", wholes.refused, "")
    failed = tiles.not_ok + tiles.broken + wholes.not_ok - wholes.refused + wholes.broken
    yield Figure(f"{what}: neither 200 nor 503, or hung", failed + (not alive), "", goal=0)
    yield Figure(f"{what}: memory at most", max(memory.curve), "MB PSS")


def memory(published: Published, requests: int) -> tuple[list[Figure], list[int]]:
    """Return what all processes hold after mixed requests, and the curve on the way."""
    asked = _mixed(published.scans, requests)
    curve: list[int] = []
    lock = threading.Lock()
    failed = [0]
    with fresh_server(published) as server:
        curve.append(pss_mb(*server.roots))

        def client() -> None:
            connection = server.connection()
            while True:
                with lock:
                    if not asked:
                        return
                    path = asked.pop()
                    if len(asked) % max(requests // 10, 1) == 0:
                        curve.append(pss_mb(*server.roots))
                        say(f"{requests - len(asked):,} mixed requests: {curve[-1]} MB")
                failed[0] += not _good(connection, path)

        with ThreadPoolExecutor(CLIENTS) as pool:
            for done in [pool.submit(client) for _ in range(CLIENTS)]:
                done.result()
        curve.append(pss_mb(*server.roots))
    early, late = max(curve[2:6]), max(curve[6:])
    return [
        Figure(f"memory after {requests:,} mixed requests", curve[-1], "MB PSS", goal=250),
        Figure("the same: most on the way", max(curve), "MB PSS"),
        Figure("the same: second half / first", round(late / early, 2), "x", goal=1.1),
        Figure("the same: answers that are not right", failed[0], "", goal=0),
    ], curve


def _good(connection: HTTPConnection, path: str) -> bool:
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    return answer.status == (404 if "/none/" in path else 200)


def _mixed(scans: Sequence[Scan], requests: int) -> list[str]:
    """Return what readers, harvesters and strangers ask, in no order."""
    pick = random.Random(5)
    tiles, turned = asking.mix(scans), asking.mix(scans, "90/gray.jpg", seed=6)
    small = [path.replace("default.jpg", "gray.png") for path in asking.thumbnails(scans)]
    kinds: list[tuple[float, list[str]]] = [
        (0.72, tiles),
        (0.08, asking.information(scans)),
        (0.06, asking.thumbnails(scans)),
        (0.06, turned),
        (0.04, asking.regions(scans, requests, seed=9)),
        (0.02, small),
        (0.01, [f"{asking.PREFIX}/none/full/max/0/default.jpg"]),
        (0.009, [f"{asking.PREFIX}/{s.identifier}/full/!1500,1500/0/default.webp" for s in scans]),
        (0.001, asking.wholes(scans)),
    ]
    weights = [weight for weight, _ in kinds]
    return [pick.choice(pick.choices(kinds, weights)[0][1]) for _ in range(requests)]
