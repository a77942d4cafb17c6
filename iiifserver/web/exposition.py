"""What the server has done, in Prometheus's text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from iiifserver import __version__
from iiifserver.image.job import State
from iiifserver.metrics import BOUNDS_S, CLASSES, DOORS, KINDS, Total

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_LANES = ("small", "whole", "background")

Labels = dict[str, str]
Sample = tuple[str, Labels, float]
"""What follows the family's name, labels, value."""


@dataclass(frozen=True, slots=True)
class Family:
    """All samples of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    samples: Iterable[Sample]

    def lines(self) -> Iterator[str]:
        """Yield the lines of the text, nothing where there are no samples."""
        samples = list(self.samples)
        if samples:
            yield f"# HELP {self.name} {self.about}"
            yield f"# TYPE {self.name} {self.kind}"
        for end, labels, value in samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            shown = f"{{{inside}}}" if inside else ""
            yield f"{self.name}{end}{shown} {value:.15g}"


def exposition(
    total: Total, state: State | None, edition: int | None, started_s: float | None
) -> str:
    """Return the text of all that is known; what is not known is left out, never shown as 0."""
    families = (*_server(total, edition, started_s), *_answers(total), *_rendering(state))
    return "".join(f"{line}\n" for family in families for line in family.lines())


def _server(total: Total, edition: int | None, started_s: float | None) -> Iterator[Family]:
    def one(value: float | None) -> list[Sample]:
        return [] if value is None else [("", {}, value)]

    about = "The version of the program that answers"
    yield Family("iiifserver_info", "gauge", about, [("", {"version": __version__}, 1)])
    yield Family("iiifserver_edition", "gauge", "The number of the edition served", one(edition))
    yield Family(
        "iiifserver_start_time_seconds", "gauge", "When the server was started", one(started_s)
    )
    uptime = None if started_s is None else max(time.time() - started_s, 0)
    yield Family("iiifserver_uptime_seconds", "gauge", "For how long the server runs", one(uptime))
    yield Family(
        "iiifserver_processes", "gauge", "Processes that live, without render processes",
        (("", {"kind": kind}, number) for kind, number in total.living.items()),
    )  # fmt: skip
    yield Family(
        "iiifserver_process_deaths_total", "counter", "Processes that ended as they should not",
        (("", {"kind": kind}, number) for kind, number in total.died.items()),
    )  # fmt: skip


def _answers(total: Total) -> Iterator[Family]:
    yield Family(
        "iiifserver_requests_total", "counter",
        "Answers by what was asked, who answered, and class of status",
        (
            ("", {"kind": kind, "door": door, "status": status}, number)
            for kind in KINDS
            for door in DOORS
            for status in CLASSES
            if (number := total.requests(kind, door, status)) or (door, status) == ("flask", "2xx")
        ),
    )  # fmt: skip
    yield Family(
        "iiifserver_response_bytes_total", "counter", "Bytes of the bodies of answers",
        (("", {"door": door}, total.sent_bytes(door)) for door in DOORS),
    )  # fmt: skip
    yield Family(
        "iiifserver_response_seconds", "histogram",
        "How long answers took, until they were sent; tiles that stand ready are not timed",
        (sample for door in DOORS if door != "tiles" for sample in _times(total, door)),
    )  # fmt: skip
    stored, kept = total.events("stored"), total.events("kept")
    made, unchanged = total.events("made"), total.events("unchanged")
    # what is answered at once is of images that are known
    known = total.events("known") + sum(
        total.requests(kind, "tiles", status) for kind in ("picture", "info") for status in CLASSES
    )
    found = (
        ("stored", "hit", stored), ("stored", "miss", kept + made),
        ("derived", "hit", kept), ("derived", "miss", made),
        ("client", "hit", unchanged),
        ("memory", "hit", known), ("memory", "miss", total.events("looked")),
    )  # fmt: skip
    yield Family(
        "iiifserver_cache_total", "counter",
        "Pictures that stood ready (stored), were kept (derived) or unchanged for who asked "
        "(client), and images known in memory; or not",
        (("", {"cache": cache, "outcome": outcome}, number) for cache, outcome, number in found),
    )  # fmt: skip


def _times(total: Total, door: Literal["made", "flask"]) -> Iterator[Sample]:
    counts, sum_s = total.times(door)
    below = 0
    for bound, count in zip((*BOUNDS_S, None), counts, strict=True):
        below += count
        yield "_bucket", {"door": door, "le": "+Inf" if bound is None else f"{bound:g}"}, below
    yield "_sum", {"door": door}, sum_s
    yield "_count", {"door": door}, below


def _rendering(state: State | None) -> Iterator[Family]:
    """Yield what the broker says; where it says nothing, only that."""
    yield Family(
        "iiifserver_broker_up", "gauge", "Whether the broker of render processes answers",
        [("", {}, float(state is not None))],
    )  # fmt: skip
    if state is None:
        return
    yield Family(
        "iiifserver_render_waiting", "gauge", "Jobs that wait, by lane",
        (("", {"lane": lane}, getattr(state, f"waiting_{lane}")) for lane in _LANES),
    )  # fmt: skip
    yield Family(
        "iiifserver_render_running", "gauge", "Jobs that render processes work on",
        [
            ("", {"lane": "request"}, len(state.running)),
            ("", {"lane": "background"}, len(state.running_background)),
        ],
    )  # fmt: skip
    outcomes = ("finished", "failed", "refused", "joined", "deaths", "timeouts")
    yield Family(
        "iiifserver_render_jobs_total", "counter",
        "Jobs that were done, failed, refused, or joined an equal one; that ended their process, "
        "or took too long",
        (("", {"outcome": outcome}, getattr(state, outcome)) for outcome in outcomes),
    )  # fmt: skip
    about = {
        "landed_{}": ("jobs_by_lane_total", "Jobs that came to an end, by lane", 1),
        "taken_{}_ms": ("seconds_total", "What jobs took: decoding and encoding, by lane", 1000),
        "foreseen_{}_ms": ("foreseen_seconds_total", "What they were thought to cost", 1000),
    }
    for field, (name, words, part) in about.items():
        yield Family(
            f"iiifserver_render_{name}", "counter", words,
            [("", {"lane": lane}, getattr(state, field.format(lane)) / part) for lane in _LANES],
        )  # fmt: skip
    yield Family(
        "iiifserver_quarantined", "gauge", "Files and pictures that are set aside",
        [("", {}, len(state.set_aside))],
    )  # fmt: skip
    yield Family(
        "iiifserver_derived_entries", "gauge", "Made pictures that are kept on disk",
        [("", {}, state.kept_entries)],
    )  # fmt: skip
    yield Family(
        "iiifserver_derived_bytes", "gauge", "The disk that they take",
        [("", {}, state.kept_bytes)],
    )  # fmt: skip


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
