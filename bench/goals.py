"""Figures beside their goals: the table that is printed, the file that is kept."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parent / "README.md"
_STARTED = time.monotonic()


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; `goal` is None where it is only told."""

    what: str
    value: float
    unit: str
    goal: float | None = None
    better: Literal["more", "less"] = "less"
    reach: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.better == "more" else self.value <= self.goal


def middle(what: str, values: Iterable[float], unit: str, **goal: object) -> Figure:
    """Return the median of *values* with their spread."""
    found = sorted(values)
    spread = (rounded(found[0]), rounded(found[-1]))
    return Figure(what, rounded(statistics.median(found)), unit, spread=spread, **goal)  # type: ignore[arg-type]


def ratio(
    what: str, one: Sequence[float], other: Sequence[float], *, unit: str = "x", **goal: object
) -> Figure:
    """Return the median of what *one* is of *other*, round by round."""
    return middle(what, [a / b for a, b in zip(one, other, strict=True)], unit, **goal)


def rounded(value: float) -> float:
    """Return *value* with three digits that count."""
    return float(f"{value:.3g}") if abs(value) < 1000 else round(value)


def say(text: str) -> None:
    """Show progress, with the time since the start."""
    seconds = int(time.monotonic() - _STARTED)
    print(f"[{seconds // 60}:{seconds % 60:02}] {text}", file=sys.stderr, flush=True)


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    print(f"{'what':72} {'median (from .. to)':>36}   {'goal (reach)':14} met")
    for each in figures:
        print(f"{each.what:72} {_value(each):>36}   {_goal(each):14} {_MET[each.met]}")
    judged = [each.met for each in figures if each.met is not None]
    print(f"goals met: {sum(judged)} of {len(judged)}")


_MET = {None: "", True: "yes", False: "NO"}


def _value(each: Figure) -> str:
    spread = f" ({each.spread[0]:,.10g} .. {each.spread[1]:,.10g})" if each.spread else ""
    return f"{each.value:,.10g} {each.unit}".rstrip() + spread


def _goal(each: Figure) -> str:
    if each.goal is None:
        return ""
    sign = ">=" if each.better == "more" else "<="
    return f"{sign} {each.goal:g}" + (f" ({each.reach:g})" if each.reach else "")


def publish(name: str, figures: Sequence[Figure], kept: Path) -> None:
    """Write the table into README.md, in place of the last one, between two lines that mark it."""
    begin, end = f"<!-- {name}: written by --save -->", f"<!-- {name}: end -->"
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    lines = [
        begin,
        f"From [{kept.name}](results/{kept.name}), which also tells the machine.",
        "",
        "| what | median (from .. to) | goal (reach for) | met |",
        "|---|---|---|---|",
        *(
            f"| {each.what} | {_value(each)} | {_goal(each)} | {_MET[each.met]} |"
            for each in figures
        ),
        end,
    ]
    README.write_text(before + "\n".join(lines) + after, encoding="utf-8")


def save(name: str, figures: Sequence[Figure], notes: dict[str, object]) -> Path:
    """Write a dated file of the figures."""
    now = datetime.datetime.now(datetime.UTC)
    kept = {
        "date": now.isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        **notes,
        "figures": [{**asdict(each), "met": each.met} for each in figures],
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    return path
