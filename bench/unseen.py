"""Scans that nobody has seen, in a folder served as it is: the first answers, the memory."""

from __future__ import annotations

import contextlib
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asking
import load
import pictures
import servers
from accounting import Meter
from crowded import Watch
from goals import Figure, middle, say
from servers import Server

HUGE = (30_000, 20_000)
LARGE = (6_000, 8_000)
OTHER = (2_000, 1_500)
SMALLER = 4
"""A short run takes pictures of a fourth of the sides."""
VIEWERS = 4
SCREEN = 8
"""Tiles of each level that a viewer asks for at first."""
_PYRAMID_WITHIN_S = 60.0
_LOOK_EVERY_S, _SETTLED_S = 0.05, 1.0


@contextlib.contextmanager
def folder_server(scans: dict[str, Path], scratch: Path) -> Iterator[Server]:
    """Serve copies of *scans*, which no server has seen, after it made another one's pyramid.

    So what is measured is the scan, not the start of the processes that read it.
    """
    with tempfile.TemporaryDirectory(dir=scratch) as place:
        folder = Path(place, "images")
        folder.mkdir()
        pictures.jpeg(folder / "other.jpg", *OTHER, seed=99)
        for name, scan in scans.items():
            # a link: the same bytes, and to the server a file that it never saw
            (folder / name).hardlink_to(scan)
        with servers.ours(folder, "--data", Path(place, "data")) as server:
            first, *_ = _finest("other.jpg", OTHER)
            _stored_after(server, first, _tag(server, first), time.monotonic())
            yield server


def huge(scratch: Path, *, small: bool = False) -> Iterator[Figure]:
    """Tell of a baseline JPEG of 600 MP: what is asked first, then every tile; the memory."""
    width, height = (side // SMALLER for side in HUGE) if small else HUGE
    say(f"a JPEG of {width * height // 1_000_000} MP")
    scan = pictures.jpeg(scratch / f"{width}x{height}.jpg", width, height, seed=50)
    base = f"{asking.PREFIX}/huge.jpg"
    levels: dict[int, list[str]] = {}
    for factor, _, path in asking.tiles_of(width, height):
        levels.setdefault(factor, []).append(f"{base}/{path}/0/default.jpg")
    pick = random.Random(4)
    tiles = [path for level in levels.values() for path in pick.sample(level, min(len(level), 10))]
    pick.shuffle(tiles)
    overview = [levels[max(levels)][0], f"{base}/full/!800,800/0/default.jpg"]
    with folder_server({"huge.jpg": scan}, scratch) as server, Watch(server, 0.25) as memory:
        started = time.monotonic()
        info_ms = _wait_ms(server, f"{base}/info.json")
        overviews = [_wait_ms(server, path) for path in overview]
        tag = _tag(server, overview[0])  # kept: nothing is made for it
        with ThreadPoolExecutor(VIEWERS) as pool:
            waits = list(pool.map(lambda path: _wait_ms(server, path), tiles))
        ready_s = _stored_after(server, overview[0], tag, started)
        say(f"every tile within {max(waits) / 1000:.1f} s; stored tiles after {ready_s:.1f} s")
    what = f"JPEG of {width * height // 1_000_000} MP, never seen"
    yield Figure(f"{what}: info.json", round(info_ms, 1), "ms", goal=50)
    yield Figure(f"{what}: overview", round(max(overviews)), "ms", goal=1_500)
    yield Figure(f"{what}: slowest of {len(tiles)} tiles", round(max(waits)), "ms", goal=6_000)
    yield Figure(f"{what}: stored tiles after", round(ready_s, 1), "s")
    yield Figure(f"{what}: memory at most", max(memory.curve), "MB PSS", goal=350)


def large(scratch: Path, count: int, *, small: bool = False) -> Iterator[Figure]:
    """Tell of JPEGs and JPEG 2000s of 48 MP: the first tile, and what it costs later."""
    width, height = (side // SMALLER for side in LARGE) if small else LARGE
    what = f"{width * height / 1_000_000:.0f} MP, never seen"
    say(f"JPEGs of {what}")
    names = [f"{number}.jpg" for number in range(count)]
    scan = pictures.jpeg(scratch / f"{width}x{height}.jpg", width, height, seed=51)
    found = [_first(_copied(scan, scratch), name, scratch, (width, height)) for name in names]
    yield middle(f"JPEG of {what}: first tile", [f[0] for f in found], "ms", goal=700)
    yield middle(f"JPEG of {what}: stored tiles after", [f[2] for f in found], "s")
    screens = [_screen(_copied(scan, scratch), name, scratch, (width, height)) for name in names]
    about = f"JPEG of {what}: first screen of {screens[0][0]} pictures"
    yield middle(about, [screen[1] for screen in screens], "ms")
    say(f"JPEG 2000s of {what}")
    scan = pictures.jp2(scratch / f"{width}x{height}.jp2", width, height, seed=52)
    names = [f"{number}.jp2" for number in range(count)]
    found = [_first(_copied(scan, scratch), name, scratch, (width, height)) for name in names]
    yield middle(f"JP2 of {what}: first tile", [f[1] for f in found], "ms CPU", goal=80)
    yield middle(f"JP2 of {what}: first tile, waiting", [f[0] for f in found], "ms")
    yield middle(f"JP2 of {what}: stored tiles after", [f[2] for f in found], "s")
    yield middle(f"JP2 of {what}: a tile then", [f[3] for f in found], "us CPU", goal=60)


def _copied(scan: Path, scratch: Path) -> Path:
    copy = scratch / f"copy{scan.suffix}"
    copy.unlink(missing_ok=True)
    shutil.copyfile(scan, copy)
    return copy


def _first(
    scan: Path, name: str, scratch: Path, size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Return wall and CPU ms of the first tile, s until tiles are stored, and their CPU us."""
    full = _finest(name, size)
    middle_one = full[len(full) // 2]
    with folder_server({name: scan}, scratch) as server:
        started, meter = time.monotonic(), Meter(*server.roots)
        server.get(f"{asking.PREFIX}/{name}/info.json")
        wall_ms = _wait_ms(server, middle_one)
        spent = meter.read()
        cpu_ms = (spent.cpu_s - spent.background_s) * 1000  # its pyramid is begun meanwhile
        ready_s = _stored_after(server, middle_one, _tag(server, middle_one), started)
        return wall_ms, cpu_ms, ready_s, load.again(server, full, 1).cpu_us


def _screen(scan: Path, name: str, scratch: Path, size: tuple[int, int]) -> tuple[int, float]:
    """Return how many pictures a viewer asks for at first, and the ms until all of them are there.

    The overview, and when that is there the middle of each level, finer and finer.
    """
    levels: dict[int, list[str]] = {}
    for factor, _, path in asking.tiles_of(*size):
        levels.setdefault(factor, []).append(f"{asking.PREFIX}/{name}/{path}/0/default.jpg")
    (overview, *_), *finer = (levels[factor] for factor in sorted(levels, reverse=True))
    starts = (max(len(level) - SCREEN, 0) // 2 for level in finer)
    shown = [level[start : start + SCREEN] for level, start in zip(finer, starts, strict=True)]
    paths = [path for level in shown for path in level]
    with folder_server({name: scan}, scratch) as server:
        started = time.monotonic()
        server.get(f"{asking.PREFIX}/{name}/info.json")
        _wait_ms(server, overview)
        with ThreadPoolExecutor(VIEWERS) as pool:
            for _ in pool.map(lambda path: _wait_ms(server, path), paths):
                pass
        return 1 + len(paths), (time.monotonic() - started) * 1000


def _finest(name: str, size: tuple[int, int]) -> list[str]:
    """Return the tiles of full resolution."""
    tiles = asking.tiles_of(*size)
    ending = "0/default.jpg"
    return [f"{asking.PREFIX}/{name}/{path}/{ending}" for factor, _, path in tiles if factor == 1]


def _wait_ms(server: Server, path: str) -> float:
    started = time.monotonic()
    status, body = server.get(path)
    if status != 200:
        raise SystemExit(f"bench: {path} answers {status}: {body[:300]!r}")
    return (time.monotonic() - started) * 1000


def _tag(server: Server, path: str, known: str = "") -> str:
    """Return the ETag of *path*; nothing is made of what is still *known*."""
    with contextlib.closing(server.connection()) as connection:
        connection.request("GET", path, headers={"If-None-Match": known} if known else {})
        answer = connection.getresponse()
        answer.read()
        return answer.headers["ETag"]


def _stored_after(server: Server, path: str, tag: str, started: float) -> float:
    """Return the seconds from *started* until *path* comes from a pyramid and its sidecar.

    It had the ETag *tag* when it was made, has another when the pyramid is there, and one more when
    the sidecar is. How quickly a tile comes tells nothing: what was asked for before is kept.
    """
    until = started + _PYRAMID_WITHIN_S
    changed = None
    while (now := time.monotonic()) < until:
        found = _tag(server, path, tag)
        if found != tag:
            tag, changed = found, now
        elif changed and now > changed + _SETTLED_S:
            return changed - started
        time.sleep(_LOOK_EVERY_S)
    return now - started
