"""Published tiles, turned tiles, thumbnails and regions, against peers in interleaved rounds."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import asking
import exhibition
import load
import servers
from accounting import Meter
from exhibition import Published
from goals import Figure, middle, ratio, say
from load import Run
from servers import Server

TURNED = {"gray": "0/gray.jpg", "quarter turns": "90/default.jpg", "mirrors": "!0/default.jpg"}
NAIVE_TILES = 4
_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is asked."""

    rounds: int
    seconds: float
    """Of each run that goes round and round."""
    turned: int
    """Tiles of each kind that must be decoded."""
    regions: int


Found = dict[tuple[str, str], list[Run]]
"""Runs of all rounds by server and what was asked."""


@contextlib.contextmanager
def fresh(data: Path) -> Iterator[Path]:
    """Return what was published in a folder of its own: nothing that a server made is there.

    It is deleted when all is measured: for minutes after many files were deleted, ext4 takes up to
    0.3 ms more for each new one, among the deleted of which it looks for a place.
    """
    folder = Path(tempfile.mkdtemp(prefix="fresh-", dir=data.parent))
    atexit.register(shutil.rmtree, folder)
    shutil.copytree(data, folder / "data", copy_function=_link)
    yield folder / "data"


def _link(source: str, target: str) -> None:
    Path(target).hardlink_to(source)


@contextlib.contextmanager
def fresh_server(published: Published, log: Path | None = None) -> Iterator[Server]:
    """Run our server on what was published, with no cache."""
    with fresh(published.data) as data, servers.ours("--data", data, log=log) as server:
        yield server


def warm(*folders: Path) -> None:
    """Have the system hold the files of *folders*: servers are compared, not a disk."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                with path.open("rb", buffering=0) as file:
                    while file.read(_PIECE_BYTES):
                        pass


def measure(published: Published, scratch: Path, extent: Extent) -> list[Figure]:
    """Return every figure that has a peer."""
    mix = asking.mix(published.scans)
    say(f"{len(mix)} tiles of {len(published.scans)} scans, as files for nginx")
    with fresh_server(published) as server:
        files = exhibition.as_files(server, mix, scratch / "files")
    starts: dict[str, Callable[[], AbstractContextManager[Server]]] = {
        "nginx": lambda: servers.nginx(files, scratch),
        "ours": lambda: fresh_server(published),
        "ours, logging": lambda: fresh_server(published, scratch / "access.log"),
        "iipimage": lambda: servers.iipimage(published.pyramids, scratch),
    }
    found: Found = defaultdict(list)
    for number in range(extent.rounds):
        for name, start in starts.items():
            say(f"round {number + 1} of {extent.rounds}: {name}")
            warm(published.data, files)
            with start() as server:
                for what, run in _round(name, server, published, mix, extent, number):
                    found[name, what].append(run)
    say("naive pyvips")
    return [
        *_mixed(found, asking.edge_share(published.scans)),
        *_naive(found, published, mix),
        *_turned(found),
        *_stored(found),
        *_regions(found),
        *_logging(found),
        *_strangers(found),
    ]


def _round(
    name: str, server: Server, published: Published, mix: list[str], extent: Extent, number: int
) -> Iterator[tuple[str, Run]]:
    """Yield what is asked of one server that was just started, and the run."""
    scans = published.scans
    # iipimage needs a hundred times as long: a part tells as much
    yield "mix, first pass", load.once(server, mix if name != "iipimage" else mix[: extent.turned])
    yield "mix", load.again(server, mix, extent.seconds)
    if name in ("nginx", "ours, logging"):
        return
    for kind, ending in TURNED.items():
        paths = asking.mix(scans, ending, seed=number)[: extent.turned]
        yield kind, load.once(server, paths)
        if name == "ours":
            yield f"{kind}, cached", load.again(server, paths, extent.seconds)
    if name == "ours":
        yield "thumbnails", load.again(server, asking.thumbnails(scans), extent.seconds)
        yield "info.json", load.again(server, asking.information(scans), extent.seconds)
    yield "regions", load.once(server, asking.regions(scans, extent.regions, seed=number))


def _per_s(found: Found, name: str, what: str) -> list[float]:
    return [run.per_s for run in found[name, what]]


def _cpu(found: Found, name: str, what: str) -> list[float]:
    return [run.cpu_us for run in found[name, what]]


def _mixed(found: Found, edges: float) -> Iterator[Figure]:
    for name in ("nginx", "ours", "iipimage"):
        for what in ("mix, first pass", "mix"):
            yield middle(f"{name}: {what}", _per_s(found, name, what), "req/s")
    yield middle("size of a tile of the mix", [r.kb_each for r in found["nginx", "mix"]], "kB")
    yield Figure("edge tiles of the mix", round(edges * 100), "%")
    for what in ("mix, first pass", "mix"):
        one = _per_s(found, "ours", what)
        other = _per_s(found, "nginx", what)
        yield ratio(f"{what}: ours / nginx", one, other, goal=0.5, better="more", reach=0.8)
        yield middle(f"{what}: ours", _cpu(found, "ours", what), "us CPU", goal=60)
    yield middle("mix: nginx", _cpu(found, "nginx", "mix"), "us CPU")
    yield middle("mix: iipimage", _cpu(found, "iipimage", "mix"), "us CPU")
    first, warm = _per_s(found, "ours", "mix, first pass"), _per_s(found, "ours", "mix")
    yield ratio("mix: first pass / warm", first, warm, goal=0.9, better="more")
    iipimage = _per_s(found, "iipimage", "mix")
    yield ratio("mix: ours / iipimage", warm, iipimage, goal=25, better="more")


def _naive(found: Found, published: Published, mix: list[str]) -> Iterator[Figure]:
    with servers.naive(published.originals) as server:
        server.get(mix[0])
        meter = Meter(*server.roots)
        for path in mix[1 : 1 + NAIVE_TILES]:
            server.get(path)
        each = meter.read().cpu_s / NAIVE_TILES * 1e6
    yield Figure("mix: naive pyvips on the flat scan", round(each), "us CPU")
    ours = _cpu(found, "ours", "mix")
    yield middle("mix: naive / ours, CPU", [each / max(one, 1) for one in ours], "x")


def _turned(found: Found) -> Iterator[Figure]:
    for kind in TURNED:
        one, other = _per_s(found, "ours", kind), _per_s(found, "iipimage", kind)
        yield ratio(f"{kind}, first time: ours / iipimage", one, other, goal=1.5, better="more")
        one, other = _cpu(found, "iipimage", kind), _cpu(found, "ours", kind)
        yield ratio(f"{kind}, first time: CPU, iipimage / ours", one, other)
        yield middle(f"{kind}, first time: ours", _cpu(found, "ours", kind), "us CPU")
        yield middle(f"{kind}, first time: iipimage", _cpu(found, "iipimage", kind), "us CPU")
        yield _price(found, f"{kind}, cached")


def _stored(found: Found) -> Iterator[Figure]:
    for what in ("thumbnails", "info.json"):
        yield middle(f"{what}: ours", _cpu(found, "ours", what), "us CPU")
        yield _price(found, what)


def _logging(found: Found) -> Iterator[Figure]:
    one, other = _cpu(found, "ours, logging", "mix"), _cpu(found, "ours", "mix")
    more = [with_log - without for with_log, without in zip(one, other, strict=True)]
    yield middle("access log: a line more on each tile", more, "us CPU")


def _price(found: Found, what: str) -> Figure:
    """Return what it costs in tiles of the mix; a tenth is what rounds differ by."""
    one, tile = _cpu(found, "ours", what), _cpu(found, "ours", "mix")
    return ratio(f"{what}: CPU of a tile's", one, tile, goal=1.1)


def _regions(found: Found) -> Iterator[Figure]:
    one, other = _per_s(found, "ours", "regions"), _per_s(found, "iipimage", "regions")
    what = "region + resize: ours / iipimage"
    yield ratio(what, one, other, goal=1.25, better="more", reach=2)
    one, other = _cpu(found, "iipimage", "regions"), _cpu(found, "ours", "regions")
    yield ratio("region + resize: CPU, iipimage / ours", one, other)
    for name in ("ours", "iipimage"):
        yield middle(f"region + resize: {name}", _cpu(found, name, "regions"), "us CPU")
        sizes = [run.kb_each for run in found[name, "regions"]]
        yield middle(f"region + resize: {name}, answers of", sizes, "kB")


def _strangers(found: Found) -> Iterator[Figure]:
    runs = [run for each in found.values() for run in each]
    yield middle("CPU of other processes meanwhile", [r.foreign_cores for r in runs], "cores")
    yield Figure("answers that were not 200, broken connections", _bad(runs), "", goal=0)


def _bad(runs: list[Run]) -> int:
    return sum(run.not_ok + run.broken for run in runs)
