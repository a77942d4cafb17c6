"""Pyramids by pyvips alone, one process a core: python bench/alone.py SCANS TARGET PROCESSES

Prints the seconds of the whole, the processes' start included, and the CPU seconds of the last
scan. It imports nothing of ours, which would change what libvips may load.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pyvips

TILE, QUALITY = 512, 85


def plain(scan: Path, target: Path) -> float:
    """Make a pyramid as one would with pyvips alone; return the CPU seconds."""
    pyvips.cache_set_max(0)
    started = time.process_time()
    pyvips.Image.new_from_file(str(scan), access="sequential").tiffsave(
        str(target),
        compression="jpeg",
        Q=QUALITY,
        tile=True,
        tile_width=TILE,
        tile_height=TILE,
        pyramid=True,
        keep="none",
    )
    return time.process_time() - started


def main(folder: Path, target: Path, processes: int) -> None:
    """Make the pyramids of all scans in *folder*."""
    scans = sorted(folder.iterdir())
    target.mkdir()
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        cpu_s = list(pool.map(plain, scans, [target / f"{scan.stem}.tif" for scan in scans]))
    print(json.dumps([time.monotonic() - started, cpu_s[-1]]))


if __name__ == "__main__":
    os.environ["VIPS_CONCURRENCY"] = "1"  # work is divided among processes, as ours is
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
