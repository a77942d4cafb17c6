"""What the server does against its peers: python bench/serving.py [--smoke] [--save] [--only PART]

Peers are Debian's packages on loopback, in the same interleaved rounds; goals are those of issue 4.
Parts: against, beside, hundred, memory, huge, large.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import against
import crowded
import exhibition
import servers
import unseen
from exhibition import Published
from goals import Figure, publish, save, say, show

ROOT = Path(__file__).parents[1]
SCRATCH = ROOT / "var" / "bench"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--smoke", action="store_true", help="a short run that proves it works")
    options.add_argument(
        "--save", action="store_true", help="write bench/results/serving-DATE, README"
    )
    options.add_argument("--only", action="append", default=[], help="one part; may be repeated")
    options.add_argument("--scratch", type=Path, default=SCRATCH, help="folder of what is drawn")
    asked = options.parse_args()
    scratch = asked.scratch.resolve() / ("smoke" if asked.smoke else "full")
    servers.install(servers.missing())
    load_before = os.getloadavg()[0]
    say("drawing and publishing scans, where they are not there yet")
    published = exhibition.published(scratch, 2 if asked.smoke else 32, small=asked.smoke)
    figures: list[Figure] = []
    curves: dict[str, list[int]] = {}
    for name, part in _parts(published, scratch, curves, smoke=asked.smoke).items():
        if not asked.only or name in asked.only:
            figures += part()
    show(figures)
    for what, curve in curves.items():
        print(f"{what}: {' '.join(map(str, curve))}")
    if asked.save:
        notes = {"load before": load_before, "load after": os.getloadavg()[0], **curves}
        path = save("serving", figures, notes)
        publish("serving", figures, path)
        say(f"written: {path}")


def _parts(
    published: Published, scratch: Path, curves: dict[str, list[int]], *, smoke: bool
) -> dict[str, Callable[[], Iterable[Figure]]]:
    extent = against.Extent(1, 1, 20, 10) if smoke else against.Extent(5, 2, 600, 120)
    seconds = (1, 2) if smoke else (10, 60)

    def memory() -> list[Figure]:
        figures, curve = crowded.memory(published, 200 if smoke else 10_000)
        curves["PSS of all processes during the mixed requests, MB"] = curve
        return figures

    return {
        "against": lambda: against.measure(published, scratch, extent),
        "beside": lambda: crowded.beside_wholes(published, seconds[0]),
        "memory": memory,
        "huge": lambda: unseen.huge(scratch, small=smoke),
        "large": lambda: unseen.large(scratch, 1 if smoke else 3, small=smoke),
        "hundred": lambda: crowded.hundred(published, seconds[1]),
    }


if __name__ == "__main__":
    main()
