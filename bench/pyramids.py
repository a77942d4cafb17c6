"""Pyramids a minute: python bench/pyramids.py [--smoke] [--save]

Ours, made aside, verified and synced, each with its sidecar, against `tiffsave` of pyvips alone
(`alone.py`), one process a core, on the same scans in interleaved rounds. The same through Dask
with one worker and with two. And how memory grows with the size of a scan.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pictures
from goals import Figure, middle, publish, ratio, save, say, show

from iiifserver.config import Config
from iiifserver.edition import sidecar_name
from iiifserver.image.build import Sidecar, build
from iiifserver.image.form import Form
from iiifserver.image.original import Original
from iiifserver.publish.jobs import Workers, cores
from iiifserver.publish.pyramids import Wanted, make_pyramids
from iiifserver.sources import identity_of

ALONE = Path(__file__).with_name("alone.py")
FORM = Form()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="a short run that proves it works")
    options.add_argument(
        "--save", action="store_true", help="write bench/results/pyramids-DATE, README"
    )
    options.add_argument("--only", action="append", default=[], help="rates, cluster or memory")
    options.add_argument("--weigh", metavar="SCAN", type=Path, help=argparse.SUPPRESS)
    options.add_argument("--time", metavar="FOLDER", nargs=2, type=Path, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.time:
        scans, made = asked.time
        print(json.dumps(ours(sorted(scans.iterdir()), made)))
        return
    if asked.weigh:
        print(json.dumps(weighed(asked.weigh)))
        return
    load_before = os.getloadavg()[0]
    count, rounds = (4, 1) if asked.smoke else (48, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scans = _scans(folder / "scans", count)
        parts = {
            "rates": lambda: rates(scans, folder, rounds),
            "cluster": lambda: scaling(scans[:24], folder, min(rounds, 3)),
            "memory": lambda: memory(folder, (12, 24) if asked.smoke else (12, 48, 192)),
        }
        figures: list[Figure] = []
        for part, measure in parts.items():
            if not asked.only or part in asked.only:
                say(part)
                figures += measure()
    show(figures)
    if asked.save:
        notes = {"load before": load_before, "load after": os.getloadavg()[0]}
        path = save("pyramids", figures, notes)
        publish("pyramids", figures, path)
        say(f"written: {path}")


def _scans(folder: Path, count: int) -> list[Path]:
    """Return so many copies of a scan of 14 MP."""
    first = pictures.jpeg(folder / "0.jpg", 4409, 3203, seed=1)
    for number in range(1, count):
        shutil.copy(first, folder / f"{number}.jpg")
    return sorted(folder.iterdir())


def plainly(scans: list[Path], folder: Path) -> tuple[float, float]:
    """Return the seconds that pyvips alone takes, and the CPU seconds of one scan."""
    command = [sys.executable, ALONE, scans[0].parent, folder, str(cores())]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    shutil.rmtree(folder)
    seconds, cpu_s = json.loads(done.stdout)
    return seconds, cpu_s


def ours(scans: list[Path], folder: Path, workers: Workers | None = None) -> float:
    """Return the seconds that a publication takes for its pyramids."""
    wanted = {f"{scan.stem}.tif": Wanted(scan.name, Original.of(scan)) for scan in scans}
    started = time.monotonic()
    make_pyramids(wanted, Config(data=folder), workers=workers)
    seconds = time.monotonic() - started
    shutil.rmtree(folder / "pyramids")
    return seconds


def anew(scans: list[Path], folder: Path) -> float:
    """Return the seconds that a publication takes whose processes have to be started."""
    command = [sys.executable, __file__, "--time", scans[0].parent, folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    seconds: float = json.loads(done.stdout)
    return seconds


def rates(scans: list[Path], folder: Path, rounds: int) -> list[Figure]:
    """Return pyramids a minute of both, and what a scan costs in which step."""
    us: list[float] = []
    them: list[float] = []
    for _ in range(rounds):
        us.append(anew(scans, folder / "made"))
        them.append(plainly(scans, folder / "alone")[0])
    minutes = [60 * len(scans) / seconds for seconds in us]
    theirs = [60 * len(scans) / seconds for seconds in them]
    return [
        middle("pyramids of 14 MP a minute", minutes, ""),
        middle("pyvips alone, pyramids a minute", theirs, ""),
        ratio("pyramids a minute: of pyvips alone", minutes, theirs, goal=0.9, better="more"),
        *_steps(scans[0], folder),
    ]


def _steps(scan: Path, folder: Path) -> list[Figure]:
    """Return the CPU of one pyramid, without its sidecar and with it, in a warm process."""
    target = folder / "steps" / "p.tif"
    sidecar = Sidecar(target.with_name(sidecar_name(target.name)), target.name)
    times: dict[str, list[float]] = {"pyramid, verified": [], "pyramid and sidecar": []}
    for _ in range(6):
        for what, asked in zip(times, (None, sidecar), strict=True):
            began = time.process_time()
            build(scan, 0, identity_of(scan.stat()), target, FORM, sidecar=asked)
            times[what].append(1000 * (time.process_time() - began))
    alone = [1000 * plainly([scan, scan], folder / "alone")[1]]
    return [
        *(middle(f"CPU of one: {what}", each[1:], "ms") for what, each in times.items()),
        middle("CPU of one: pyvips alone", alone, "ms"),
    ]


def scaling(scans: list[Path], folder: Path, rounds: int) -> list[Figure]:
    """Return pyramids a minute by one worker of a Dask cluster, and by two."""
    import distributed

    from iiifserver.publish.cluster import cluster

    minutes: dict[int, list[float]] = {1: [], 2: []}
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as here:
        for _ in range(rounds):
            for count, found in minutes.items():
                here.scale(count)
                client = here.get_client()
                client.wait_for_workers(count)
                while len(client.nthreads()) != count:
                    time.sleep(0.1)
                executor = here.scheduler_address.replace("tcp://", "dask://")
                data = folder / "dask"
                with cluster(Config(data=data, executor=executor), data) as workers:
                    ours(scans[: 2 * count], data, workers)  # its processes are started by this
                    found.append(60 * len(scans) / ours(scans, data, workers))
                client.close()
    return [
        middle("through Dask, one worker, pyramids a minute", minutes[1], ""),
        middle("through Dask, two workers, pyramids a minute", minutes[2], ""),
        ratio("two workers of Dask: of one", minutes[2], minutes[1]),
    ]


def memory(folder: Path, megapixels: tuple[int, ...]) -> list[Figure]:
    """Return what one process takes at most for scans of one width and growing height."""
    found: list[Figure] = []
    for number in megapixels:
        scan = folder / f"tall-{number}.jpg"
        pictures.jpeg(scan, 8000, number * 125, seed=number)
        command = [sys.executable, __file__, "--weigh", str(scan)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        seconds, peak = json.loads(done.stdout)
        found += [
            Figure(f"one of {number} MP, 8,000 wide", seconds, "s"),
            Figure("the same, memory at most, the file in it", peak, "MB"),
        ]
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
