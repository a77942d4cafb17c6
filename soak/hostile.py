"""Ten minutes of readers and of those who do harm: python soak/hostile.py [--seconds S] [--save]

Readers of stored tiles, pictures that have to be made, malformed requests, nonsense, senders and
readers who are slow, clients who leave in the middle of an answer, pipelining: all at one time, on
127.0.0.1. No answer may be wrong by a byte, nobody may be left waiting, and memory and file handles
stay flat. Ends with 1 where one of these is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asked import ROOT, Expected, expected
from clients import Crowd, Tally
from watching import Sample, faults, growth, rest, watch

RESULTS = ROOT / "bench" / "results"
SCANS = 5
_SETTINGS = {
    "IIIFSERVER_ACCESS_LOG": "false",
    "IIIFSERVER_RENDER_QUEUE": "16",
    "IIIFSERVER_DERIVED_MIB": "64",  # full after a minute: it is swept all the time
    "IIIFSERVER_DERIVED_ENTRIES": "400",
}
_SHOWN = 10


@contextlib.contextmanager
def serving(data: Path, log: Path) -> Iterator[tuple[int, int]]:
    """Run a server with two workers over *data*; yield its port and its process."""
    environment = {name: value for name, value in os.environ.items() if "IIIF" not in name}
    command = [sys.executable, "-m", "iiifserver.cli", "serve", "--data", str(data)]
    command += ["--port", "0", "--workers", "2"]
    with log.open("w") as errors, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=errors, text=True,
        env=environment | _SETTINGS, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            said = next(line for line in process.stdout if line.startswith("iiifserver: http"))
            yield urlsplit(said.split()[-1]).port or 0, process.pid
        finally:
            process.terminate()
            process.wait(60)


async def _load(
    port: int, root: int, known: list[Expected], seconds: float
) -> tuple[Tally, list[Sample]]:
    crowd = Crowd(port, known, time.monotonic() + seconds)
    every_s = min(5.0, seconds / 30)
    watching = asyncio.create_task(
        watch(root, every_s, lambda: time.monotonic() < crowd.until - every_s)
    )
    return await crowd.run(), await watching


async def _warm(port: int, known: list[Expected]) -> Tally:
    """Ask everything once, one after the other, so that later nothing is new."""
    from clients import Connection

    crowd = Crowd(port, known, 0.0)
    connection = await Connection.to(port)
    for one in known:
        connection.ask(one.path)
        crowd._judge("first", one, await connection.answer())
    connection.close()
    return crowd.tally


def soak(folder: Path, seconds: float) -> dict[str, Any]:
    """Return what a run of so many seconds found; `faults` is empty where all is well."""
    import exhibition

    published = exhibition.published(folder, SCANS, small=True)
    scans = {scan.identifier: (scan.width, scan.height) for scan in published.scans}
    known = expected(published.data, scans)
    log = folder / "server.log"
    with serving(published.data, log) as (port, root):
        first = asyncio.run(_warm(port, known))
        before = rest(root)
        tally, samples = asyncio.run(_load(port, root, known, seconds))
        after = rest(root)
    times = sorted(tally.times_ms)
    unexpected = [line for line in log.read_text().splitlines() if "Traceback" in line]
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "seconds": seconds,
        "requests known": len(known),
        "answers": dict(sorted(tally.counts.items())),
        "checked": sum(n for what, n in tally.counts.items() if what[-3:].isdigit()),
        "ready, milliseconds": {
            "median": round(times[len(times) // 2], 1) if times else None,
            "p99": round(times[len(times) * 99 // 100], 1) if times else None,
        },
        "growth in the last third": {
            "memory": growth([one.pss_mb for one in samples]),
            "file handles": growth([one.handles for one in samples]),
        },
        "at rest before": asdict(before),
        "at rest after": asdict(after),
        "curve": [asdict(one) for one in samples],
        "tracebacks in the log": len(unexpected),
        "load of the machine": os.getloadavg()[1],
        "faults": [
            *first.faults,
            *tally.faults,
            *faults(samples, before, after),
            *(["the log has a traceback"] if unexpected else []),
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--save", action="store_true", help="write bench/results/soak-DATE.json")
    parser.add_argument("--folder", type=Path, help="of the scans; a new one without")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        new = options.folder or stack.enter_context(tempfile.TemporaryDirectory())
        found = soak(Path(new).resolve(), options.seconds)
    if options.save:
        path = RESULTS / f"soak-{found['date'][:10]}.json"
        path.write_text(json.dumps(found, indent=1) + "\n")
    shown = {name: value for name, value in found.items() if name != "curve"}
    shown["faults"] = found["faults"][:_SHOWN]
    print(json.dumps(shown, indent=1))
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
