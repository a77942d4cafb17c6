"""What a tile, an info.json and the whole server cost: python bench/tiles.py [--smoke] [--save]

CPU time, not wall time, since machines are busy; ratios against naive pyvips in the same run.
Memory is PSS summed over all processes of the server, read from /proc (Linux).
"""

from __future__ import annotations

import argparse
import datetime
import http.client
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import numpy
import pyvips

from iiifserver.config import Config
from iiifserver.image.info import reduced, scale_factors
from iiifserver.image.job import Job
from iiifserver.image.plan import Dimensions
from iiifserver.image.request import ImageRequest
from iiifserver.image.service import Images
from iiifserver.sources import Folder
from iiifserver.web import create_app

WIDTH, HEIGHT, TILE = 6001, 3999, 512
RESULTS = Path(__file__).parent / "results"


class InThisProcess:
    def render(self, job: Job) -> bytes:
        return job.run()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="a short run that proves it works")
    options.add_argument("--save", action="store_true", help="write bench/results/tiles-DATE.json")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        draw(Path(folder))
        rounds = 20 if asked.smoke else 200
        figures = {
            "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
            "load before": os.getloadavg()[0],
            **tiles(Path(folder), rounds),
            **information(Path(folder), rounds * 5),
            **server(Path(folder), 200 if asked.smoke else 5000),
        }
    for name, value in figures.items():
        print(f"{name:48} {value}")
    if asked.save:
        path = RESULTS / f"tiles-{figures['date'][:10]}.json"
        path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def draw(folder: Path) -> None:
    """Draw a picture with detail and noise, as the sources that archives have."""
    rng = numpy.random.default_rng(7)
    rows, columns = numpy.mgrid[0:HEIGHT, 0:WIDTH]
    base = 160 + 60 * numpy.sin(rows / 37) * numpy.cos(columns / 53)
    strokes = 90 * ((rows // 9 + columns // 23) % 11 == 0)
    noise = rng.normal(0, 6, (HEIGHT, WIDTH))
    bands = [numpy.clip(base - strokes + noise + tint, 0, 255) for tint in (10, 0, -14)]
    picture = pyvips.Image.new_from_array(numpy.dstack(bands).astype(numpy.uint8))
    picture = picture.copy(interpretation="srgb")
    picture.tiffsave(
        str(folder / "pyramid.tif"),
        compression="jpeg",
        Q=85,
        tile=True,
        tile_width=TILE,
        tile_height=TILE,
        pyramid=True,
    )
    picture.jpegsave(str(folder / "flat.jpg"), Q=90)
    picture.resize(0.3).pngsave(str(folder / "small.png"))


def requests_of(width: int, height: int) -> list[str]:
    """Return every tile that a viewer can ask of an image."""
    found = []
    for factor in scale_factors(Dimensions(width, height), Dimensions(TILE, TILE)):
        step = TILE * factor
        for y in range(0, height, step):
            for x in range(0, width, step):
                w, h = min(step, width - x), min(step, height - y)
                out = reduced(Dimensions(w, h), factor)
                found.append(f"{x},{y},{w},{h}/{out.width},{out.height}/0/default.jpg")
    return found


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """Return the median CPU time of *work*, in milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1000)
    return statistics.median(times)


def tiles(folder: Path, rounds: int) -> dict[str, float]:
    images = Images(Folder(folder), Config(), InThisProcess())
    pick = random.Random(1)
    mix = [pick.choice(requests_of(WIDTH, HEIGHT)) for _ in range(rounds)]
    whole = f"1024,1024,{TILE},{TILE}/max/0/default.jpg"

    def ours(path: str) -> Callable[[], object]:
        asked = ImageRequest.parse(3, *path.split("/"))
        return lambda: images.render(images.plan("pyramid.tif", asked))

    def naive() -> bytes:
        image = pyvips.Image.new_from_file(str(folder / "flat.jpg"))
        return image.crop(1024, 1024, TILE, TILE).jpegsave_buffer(Q=85)

    ours(whole)()
    tile, mixed = cpu_ms(ours(whole), rounds), [cpu_ms(ours(path), 1) for path in mix]
    plain = cpu_ms(naive, max(rounds // 20, 3))
    return {
        "512 tile from a JPEG pyramid, CPU ms": round(tile, 2),
        "viewer's mix from a JPEG pyramid, CPU ms": round(statistics.fmean(mixed), 2),
        "naive pyvips on the flat JPEG, CPU ms": round(plain, 2),
        "naive / ours": round(plain / tile, 1),
    }


def information(folder: Path, rounds: int) -> dict[str, float]:
    app = create_app(Config(folder=str(folder)), InThisProcess())
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/iiif/3/pyramid.tif/info.json",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8182",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
    }

    def ask() -> bytes:
        return b"".join(app(dict(environ), lambda status, headers: None))

    assert b"ImageService3" in ask()
    return {"info.json through the whole application, CPU ms": round(cpu_ms(ask, rounds), 3)}


def server(folder: Path, requests: int) -> dict[str, object]:
    command = [sys.executable, "-m", "iiifserver.cli", "serve", str(folder), "--port", "0"]
    process = subprocess.Popen([*command, "--workers", "2"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().split()[-1])
        curve, failures, lock = [pss_mb(process.pid)], [0], threading.Lock()
        pick = random.Random(2)
        paths = [f"/iiif/3/pyramid.tif/{path}" for path in requests_of(WIDTH, HEIGHT)]
        paths += ["/iiif/3/pyramid.tif/info.json", "/iiif/2/small.png/info.json"] * 10
        paths += [f"/iiif/3/small.png/square/{size},/0/gray.webp" for size in range(90, 400, 40)]
        paths += ["/iiif/3/flat.jpg/full/!400,400/0/default.jpg", "/iiif/3/none/full/max/0/x"]
        asked = [pick.choice(paths) for _ in range(requests)]

        def client() -> None:
            connection = http.client.HTTPConnection(address.hostname or "", address.port)
            while True:
                with lock:
                    if not asked:
                        return
                    path = asked.pop()
                    if len(asked) % max(requests // 5, 1) == 0:
                        curve.append(pss_mb(process.pid))
                connection.request("GET", path)
                response = connection.getresponse()
                response.read()
                if response.status not in (200, 404):
                    failures[0] += 1

        threads = [threading.Thread(target=client) for _ in range(8)]
        started = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        seconds = time.monotonic() - started
        curve.append(pss_mb(process.pid))
    finally:
        process.terminate()
        process.wait(20)
    return {
        "mixed requests, two workers": requests,
        "of them refused": failures[0],
        "requests a second": round(requests / seconds),
        "PSS of all processes on the way, MB": curve,
        "PSS of all processes at the end, MB": curve[-1],
    }


def pss_mb(root: int) -> int:
    """Return the proportional memory of a process and all that came from it, in MB."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    waiting, total = [root], 0
    while waiting:
        pid = waiting.pop()
        waiting += children.get(pid, [])
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total // 1000


if __name__ == "__main__":
    main()
