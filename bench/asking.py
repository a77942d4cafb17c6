"""What viewers and people ask: paths of requests, the same for every server; seeded."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from exhibition import Scan

TILE = 512
MOST_OF_A_LEVEL = 60
"""Tiles of one level in the mix: readers look at all of a small level, at some of a large one."""
PREFIX = "/iiif/3"


def tiles_of(width: int, height: int) -> list[tuple[int, bool, str]]:
    """Return every tile of an image as a viewer asks for it: factor, whether at an edge, path."""
    found = []
    factor = 1
    while True:
        step = TILE * factor
        for y in range(0, height, step):
            for x in range(0, width, step):
                w, h = min(step, width - x), min(step, height - y)
                out = (-(-w // factor), -(-h // factor))
                edge = out != (TILE, TILE)
                found.append((factor, edge, f"{x},{y},{w},{h}/{out[0]},{out[1]}"))
        if max(width, height) <= step:
            return found
        factor *= 2


def mix(scans: Iterable[Scan], ending: str = "0/default.jpg", seed: int = 1) -> list[str]:
    """Return a viewer's mix over levels, each tile once, in an order that no cache has seen."""
    pick = random.Random(seed)
    found = [
        f"{PREFIX}/{scan.identifier}/{path}/{ending}"
        for scan in scans
        for _, path in _chosen(scan, pick)
    ]
    pick.shuffle(found)
    return found


def edge_share(scans: Iterable[Scan], seed: int = 1) -> float:
    """Return the share of edge tiles in the mix."""
    pick = random.Random(seed)
    edges = [edge for scan in scans for edge, _ in _chosen(scan, pick)]
    return sum(edges) / len(edges)


def _chosen(scan: Scan, pick: random.Random) -> list[tuple[bool, str]]:
    levels: dict[int, list[tuple[bool, str]]] = {}
    for factor, edge, path in tiles_of(scan.width, scan.height):
        levels.setdefault(factor, []).append((edge, path))
    return [
        each
        for tiles in levels.values()
        for each in pick.sample(tiles, min(len(tiles), MOST_OF_A_LEVEL))
    ]


def thumbnails(scans: Iterable[Scan]) -> list[str]:
    """Return thumbnails as manifests, search results and viewers name them."""
    sizes = ("90,", "!120,120", "!200,200", "!400,400")
    return [
        f"{PREFIX}/{scan.identifier}/full/{size}/0/default.jpg" for scan in scans for size in sizes
    ]


def information(scans: Iterable[Scan]) -> list[str]:
    """Return the info.json of each scan."""
    return [f"{PREFIX}/{scan.identifier}/info.json" for scan in scans]


def regions(scans: Sequence[Scan], count: int, seed: int = 3) -> list[str]:
    """Return regions of any place and size, scaled to between an eighth and nine tenths."""
    pick = random.Random(seed)
    found = []
    for number in range(count):
        scan = scans[number % len(scans)]
        w, h = (min(pick.randint(600, 3000), side) for side in (scan.width, scan.height))
        x, y = pick.randint(0, scan.width - w), pick.randint(0, scan.height - h)
        scale = pick.uniform(0.125, 0.9)
        out = f"{round(w * scale)},{round(h * scale)}"
        found.append(f"{PREFIX}/{scan.identifier}/{x},{y},{w},{h}/{out}/0/default.jpg")
    return found


def wholes(scans: Sequence[Scan]) -> list[str]:
    """Return whole pictures of full size, none twice; the first are of different scans."""
    turns = ("0", "!0", "180", "90", "270", "!180", "!90", "!270")
    return [
        f"{PREFIX}/{scan.identifier}/full/max/{turn}/{quality}.jpg"
        for quality in ("default", "gray")
        for turn in turns
        for scan in scans
    ]
