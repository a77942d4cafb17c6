"""What the index of a large edition costs a server: python bench/indexes.py [--smoke] [--save]

Indexes are written as `publish` writes them, of records of ten pages, and read as a server reads
them, each in a process of its own. What stands in them is made up; nothing else of the edition is
there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import orjson
from goals import Figure, publish, rounded, save, say, show

from iiifserver import edition
from iiifserver.publish.edition import index_of

PAGES = 10
SITE = {"exhibition": "bench", "title": {"en": ["Bench"]}}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="a short run that proves it works")
    options.add_argument(
        "--save", action="store_true", help="write bench/results/indexes-DATE, README"
    )
    options.add_argument("--read", metavar="DATA", type=Path, help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.read:
        print(json.dumps(read(asked.read)))
        return
    figures = []
    for scans in (1_000, 2_000) if asked.smoke else (100_000, 1_000_000):
        say(f"{scans:,} scans")
        with tempfile.TemporaryDirectory() as folder:
            figures += measure(Path(folder), scans)
    show(figures)
    if asked.save:
        path = save("indexes", figures, {"pages a record": PAGES})
        publish("indexes", figures, path)
        say(f"written: {path}")


def measure(data: Path, scans: int) -> list[Figure]:
    """Return what an index of so many scans costs."""
    path = edition.index_path(data, 1)
    path.parent.mkdir(parents=True)
    body = orjson.dumps(made_up(scans))
    path.write_bytes(body)
    command = [sys.executable, __file__, "--read", str(data)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, held_bytes, most_bytes = json.loads(done.stdout)
    what = f"index of {scans:,} scans"
    return [
        Figure(f"{what}: bytes a scan on the disk", rounded(len(body) / scans), "B"),
        Figure(f"{what}: CPU to read it", rounded(seconds), "s"),
        Figure(f"{what}: memory a scan that stays taken", rounded(held_bytes / scans), "B"),
        Figure(
            f"{what}: memory a scan at most, while it is read", rounded(most_bytes / scans), "B"
        ),
    ]


def made_up(scans: int) -> dict[str, object]:
    """Return an index of so many scans, each with a pyramid."""
    images, units = {}, {}
    for number in range(scans):
        record, page = divmod(number, PAGES)
        digest = hashlib.sha256(str(number).encode()).hexdigest()
        identifier = f"archive-{record:07}"
        images[f"{identifier}-{page + 1}"] = {
            "file": f"{identifier}/scan-{page + 1:04}.tif",
            "rights": "http://creativecommons.org/publicdomain/mark/1.0/",
            "pyramid": f"{digest[:32]}.tif",
            "tiles": f"{digest[:32]}.tiles",
        }
        if page == 0:
            units[identifier] = {"kind": "record", "content": digest, "object": digest[::-1]}
    return index_of(
        "https://archive.example.org",
        units,
        Path("images"),
        images,
        SITE,
        follows_server=False,
        highest=dict.fromkeys(units, PAGES),
        before=None,
    )


def read(data: Path) -> tuple[float, int, int]:
    """Return the CPU seconds of reading an edition, and what it adds to memory: then, at most."""
    before, most_before = _resident_bytes(), _most_bytes()
    started = time.process_time()
    found = edition.read(data, 1)
    seconds = time.process_time() - started
    assert found.number == 1
    return seconds, _resident_bytes() - before, _most_bytes() - most_before


def _resident_bytes() -> int:
    return _status_bytes("VmRSS") if sys.platform == "linux" else _most_bytes()


def _most_bytes() -> int:
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # not getrusage, which counts what the parent held before it became this program
    return _status_bytes("VmHWM")


def _status_bytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024


if __name__ == "__main__":
    main()
