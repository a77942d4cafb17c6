"""Checking, publishing and serving exhibitions of many records: CPU and wall clock.

    python bench/publishing.py [--smoke] [--save]

Scans are made and tiny: what is measured is all but the cutting of pyramids.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

from goals import Figure, publish, save, show

from iiifserver.config import Config
from iiifserver.web import create_app

UNITS = {
    "wall s": "s",
    "CPU s": "s CPU",
    "peak MB": "MB at most",
    "kB": "kB",
    "CPU ms": "ms CPU",
}
BIG_PAGES = 450
RECORDS_A_CHAPTER = 100
RUN = """
import json, resource, sys, time
from pathlib import Path
from iiifserver.config import Config
from iiifserver.publish import examined
from iiifserver.publish.check import review
from iiifserver.publish.publication import publish

if __name__ == "__main__":
    work, sheets, scans, data = sys.argv[1:]
    config = Config(data=Path(data))
    if work == "check":
        look = lambda found: examined.examine(found, Path(scans), config, decode=True)
        assert review(Path(sheets), Path(scans), look).exhibition
    else:
        print(publish(Path(sheets), Path(scans), config), file=sys.stderr)
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(own.ru_maxrss)
"""


class InThisProcess:
    def render(self, job):
        return job.run()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="a short run that proves it works")
    options.add_argument("--save", action="store_true", help="write bench/results/publishing-DATE")
    asked = options.parse_args()
    few, many = (20, 200) if asked.smoke else (500, 10_000)
    load_before = round(os.getloadavg()[0], 1)
    with tempfile.TemporaryDirectory() as folder:
        measured: dict[str, float] = {
            **checking(Path(folder, "few"), few),
            **publishing(Path(folder, "many"), many),
            **serving(Path(folder, "big"), 50 if asked.smoke else 500),
        }
    figures = [figure(name, value) for name, value in measured.items()]
    show(figures)
    if asked.save:
        notes = {"load before": load_before, "load after": round(os.getloadavg()[0], 1)}
        publish("publishing", figures, save("publishing", figures, notes))


def figure(name: str, value: float) -> Figure:
    """Return the figure called *name*, at whose end is its unit if it has one."""
    what, _, unit = name.rpartition(", ")
    return Figure(what, value, UNITS[unit]) if unit in UNITS else Figure(name, value, "")


def png(number: int) -> bytes:
    """Return a picture of 60 x 80 pixels that no other number has."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60, 80, 8, 0, 0, 0, 0))
    rows = bytearray(b"\0" + b"\x80" * 60) * 80
    rows[1:5] = struct.pack(">I", number)
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def make(folder: Path, records: int, pages: int) -> None:
    """Write an exhibition of so many records below *folder*."""
    sheets = folder / "sheets"
    sheets.mkdir(parents=True)
    text = 'exhibition = "bench"\nlanguages = ["en", "ja"]\ntitle_en = "Bench"\ntitle_ja = "試験"\n'
    (sheets / "exhibition.toml").write_text(text, encoding="utf-8")
    chapters = range(-(-records // RECORDS_A_CHAPTER))
    rows = [[f"c{number}", f"Chapter {number}", f"第{number}章"] for number in chapters]
    write(sheets / "chapters.csv", [["chapter", "title_en", "title_ja"], *rows])
    write_records(folder, records)
    for record in range(records):
        scans = folder / "images" / f"r{record:05}"
        scans.mkdir(parents=True)
        for page in range(pages):
            (scans / f"{page + 1}.png").write_bytes(png(record * pages + page))


def write_records(folder: Path, records: int, changed: int = -1) -> None:
    header = ["record", "chapter", "title_en", "title_ja", "reference", "date", "summary_en"]
    rows = [
        [
            f"r{number:05}",
            f"c{number // RECORDS_A_CHAPTER}",
            f"Record {number}{' changed' if number == changed else ''}",
            f"記録{number}",
            f"F-{number}",
            "1972-02-24",
            f"What record {number} tells of the year",
        ]
        for number in range(records)
    ]
    write(folder / "sheets" / "records.csv", [header, *rows])


def write(path: Path, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def run(work: str, folder: Path, sheets: Path | None = None) -> dict[str, float]:
    """Do *work* in a process of its own, and return what it took, its children included."""
    arguments = [str(sheets or folder / "sheets"), str(folder / "images"), str(folder / "data")]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", RUN, work, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    seconds, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    unit = 1 if sys.platform == "darwin" else 1024
    peak = int(done.stdout.split()[-1]) * unit // 1_000_000
    return {"wall s": round(seconds, 2), "CPU s": round(cpu, 2), "peak MB": peak}


def named(name: str, figures: dict[str, float]) -> dict[str, float]:
    return {f"{name}, {unit}": value for unit, value in figures.items()}


def checking(folder: Path, records: int) -> dict[str, float]:
    make(folder, records, 10)
    return {
        **named(f"{records:,} records of 10 pages checked, first time", run("check", folder)),
        **named(f"{records:,} records of 10 pages checked again", run("check", folder)),
    }


def publishing(folder: Path, records: int) -> dict[str, float]:
    make(folder, records, 2)
    what = f"{records:,} records of 2 pages"
    figures = named(f"{what} published, first time", run("publish", folder))
    write_records(folder, records, changed=records // 2)
    before = objects(folder)
    figures |= named(f"{what} published after changing one", run("publish", folder))
    figures |= {"objects written for that": len(objects(folder) - before)}
    figures |= named(f"{what} published unchanged", run("publish", folder))
    workbook = folder / "sheets.xlsx"
    command = [sys.executable, "-m", "iiifserver.cli", "convert", folder / "sheets", workbook]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return figures | named(f"{what} published unchanged, XLSX", run("publish", folder, workbook))


def objects(folder: Path) -> set[str]:
    return {path.name for path in (folder / "data" / "objects").rglob("*") if path.is_file()}


def serving(folder: Path, rounds: int) -> dict[str, float]:
    make(folder, 1, BIG_PAGES)
    run("publish", folder)
    app = create_app(Config(data=folder / "data", base_url="http://localhost"), InThisProcess())
    manifest = "/presentation/3/r00000/manifest"
    asked = {
        "in br": (manifest, {"HTTP_ACCEPT_ENCODING": "gzip, br"}),
        "in gzip": (manifest, {"HTTP_ACCEPT_ENCODING": "gzip"}),
        "plain": (manifest, {}),
        "of version 2 in br": (manifest.replace("/3/", "/2/"), {"HTTP_ACCEPT_ENCODING": "br"}),
        "one Canvas of it": ("/presentation/r00000/canvas/400", {}),
    }
    size = len(ask(app, manifest, {}))
    figures = {f"Manifest of {BIG_PAGES} Canvases, kB": size // 1000}
    for name, (path, headers) in asked.items():
        median = cpu_ms(lambda path=path, headers=headers: ask(app, path, headers), rounds)
        figures[f"Manifest of {BIG_PAGES} Canvases, {name}, CPU ms"] = round(median, 3)
    return figures


def ask(app: Callable[..., object], path: str, headers: dict[str, str]) -> bytes:
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8182",
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(),
        **headers,
    }
    statuses = []
    body = b"".join(app(environ, lambda status, _: statuses.append(status)))
    assert statuses == ["200 OK"]
    return body


def cpu_ms(work: Callable[[], object], rounds: int) -> float:
    """Return the median CPU time of *work*, in milliseconds."""
    times = []
    for _ in range(rounds):
        started = time.process_time()
        work()
        times.append((time.process_time() - started) * 1000)
    return statistics.median(times)


if __name__ == "__main__":
    main()
