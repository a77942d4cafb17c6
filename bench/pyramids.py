"""Pyramids a minute: python bench/pyramids.py [--smoke] [--save]

Ours, made aside, verified and synced, against `tiffsave` of pyvips alone, one process a core, both
on the same scans in interleaved rounds. Also how memory grows with the size of a scan.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pictures
import pyvips

from iiifserver.config import Config
from iiifserver.image.build import build
from iiifserver.image.form import Form
from iiifserver.publish.jobs import cores
from iiifserver.publish.pyramids import Wanted, make_pyramids
from iiifserver.sources import identity_of

RESULTS = Path(__file__).parent / "results"
FORM = Form()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="a short run that proves it works")
    options.add_argument("--save", action="store_true", help="write bench/results/pyramids-DATE")
    options.add_argument("--weigh", metavar="SCAN", type=Path, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.weigh:
        print(json.dumps(weighed(asked.weigh)))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}, {cores()} cores",
            "load before": os.getloadavg()[0],
            **rates(Path(folder), *((4, 1) if asked.smoke else (24, 3))),
            **memory(Path(folder), (12, 24) if asked.smoke else (12, 48, 192)),
        }
    for name, value in figures.items():
        print(f"{name:56} {value}")
    if asked.save:
        path = RESULTS / f"pyramids-{figures['date'][:10]}.json"
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def plain(scan: Path, target: Path) -> None:
    """Make a pyramid as one would with pyvips alone."""
    pyvips.cache_set_max(0)
    pyvips.Image.new_from_file(str(scan), access="sequential").tiffsave(
        str(target),
        compression="jpeg",
        Q=FORM.quality,
        tile=True,
        tile_width=FORM.tile,
        tile_height=FORM.tile,
        pyramid=True,
        keep="none",
    )


def plainly(scans: list[Path], folder: Path) -> float:
    """Return the seconds that pyvips alone takes, in one process a core."""
    os.environ["VIPS_CONCURRENCY"] = "1"
    folder.mkdir()
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(cores(), mp_context=context) as pool:
        list(pool.map(plain, scans, [folder / f"{scan.stem}.tif" for scan in scans]))
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return seconds


def ours(scans: list[Path], folder: Path) -> float:
    """Return the seconds that a publication takes for its pyramids."""
    wanted = {
        f"{scan.stem}.tif": Wanted(scan.name, scan, 0, identity_of(scan.stat())) for scan in scans
    }
    started = time.monotonic()
    make_pyramids(wanted, Config(data=folder))
    seconds = time.monotonic() - started
    shutil.rmtree(folder)
    return seconds


def rates(folder: Path, count: int, rounds: int) -> dict[str, object]:
    """Return pyramids a minute of both, each in its best round."""
    pictures.jpeg(folder / "0.jpg", 4409, 3203, seed=1)
    scans = [folder / f"{number}.jpg" for number in range(count)]
    for scan in scans[1:]:
        shutil.copy(scans[0], scan)
    times = {ours: [], plainly: []}
    for _ in range(rounds):
        for way, taken in times.items():
            taken.append(way(scans, folder / "made"))
    per_minute = {way: round(60 * count / min(taken)) for way, taken in times.items()}
    return {
        "scans of 14 MP": count,
        "ours, pyramids a minute": per_minute[ours],
        "pyvips alone, pyramids a minute": per_minute[plainly],
        "ours / pyvips alone": round(per_minute[ours] / per_minute[plainly], 2),
        "the same, median of rounds": round(
            statistics.median(times[plainly]) / statistics.median(times[ours]), 2
        ),
    }


def memory(folder: Path, megapixels: tuple[int, ...]) -> dict[str, object]:
    """Return what one process takes at most for scans of one width and growing height."""
    found: dict[str, object] = {}
    for number in megapixels:
        scan = folder / f"tall-{number}.jpg"
        pictures.jpeg(scan, 8000, number * 125, seed=number)
        command = [sys.executable, __file__, "--weigh", str(scan)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[f"8000 wide, {number} MP: seconds, peak MB with the file"] = json.loads(done.stdout)
    return found


def weighed(scan: Path) -> tuple[float, int]:
    started = time.monotonic()
    build(scan, 0, identity_of(scan.stat()), scan.parent / "weighed" / "p.tif", FORM)
    seconds = round(time.monotonic() - started, 2)
    return seconds, peak_mb()


def peak_mb() -> int:
    """Return the most that this process has held, the scan's own pages in memory included."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1_000_000
    # not getrusage, which counts what the parent held before it became this program
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1000


if __name__ == "__main__":
    main()
