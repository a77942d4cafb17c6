"""Pages of records side by side: `/{lang}/compare?canvas=record/page&canvas=record/page`.

A content state of several targets opens here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from flask import g, request
from werkzeug.wrappers import Response

from iiifserver.errors import BadRequest
from iiifserver.presentation.contentstate import PARAMETER
from iiifserver.presentation.shown import Canvas, Card, RecordPage, Text
from iiifserver.urls import Urls

from . import opening
from .assets import Assets
from .frame import local, page, policy
from .opening import Box
from .reader import Reader
from .site import Site

MOST_PANES = 6
MOST_CHOICES = 500
ZOOM = "viewers/zoom.js"


class Pane(NamedTuple):
    """One of the pages that are compared, and where to go from it."""

    record: RecordPage
    canvas: Canvas
    region: Box | None
    previous: str | None
    """The address of the same comparison with the page before this one."""
    next: str | None
    without: str
    """The address of the comparison of the others."""

    @property
    def name(self) -> str:
        """What the address calls it."""
        return f"{self.record['identifier']}/{self.canvas['page']}"


class Choice(NamedTuple):
    """The records of a chapter that may be set beside the others."""

    title: Text
    cards: Sequence[Card]


def answer(site: Site, files: Assets) -> Response:
    """Show the pages that the request names side by side.

    Raises:
        BadRequest: there are too many, or a parameter cannot be read.
        NotFound: one is not there.
    """
    here: Reader = g.reader
    panes = _panes(site)
    settings = {
        "texts": {name: here.texts[f"zoom_{name}"] for name in ("help", "copied", "selected")}
        | {"failed": here.texts["zoom_failed"]},
        "rotation": opening.turned(request.args),
        "panes": [
            {
                "canvas": pane.name,
                "service": site.urls().image_service(3, pane.canvas["image"]),
                "label": here.quote(pane.record["title"]).value,
                "region": pane.region,
            }
            for pane in panes
        ],
    }
    return page(
        "compare.html",
        policy(site),
        panes=panes,
        settings=settings,
        together=request.args.get("together", "1") != "0",
        choices=_choices(site) if len(panes) < MOST_PANES else (),
        script=ZOOM if panes and ZOOM in files else None,
    )


def _asked(site: Site) -> list[tuple[RecordPage, int, Box | None]]:
    """Return the pages that are to be compared: `iiif-content`, else `canvas` and `xywh`."""
    if PARAMETER in request.args:
        places = opening.places(request.args[PARAMETER], site)
        return [(*_found(site, name), region) for name, region in places]
    names = request.args.getlist("canvas")
    if len(names) > MOST_PANES:
        raise BadRequest(f"canvas: more than {MOST_PANES} pages", parameter="canvas")
    regions = [*request.args.getlist("xywh"), *("" for _ in names)]
    found = []
    for name, xywh in zip(names, regions, strict=False):
        record, index = _found(site, name)
        canvas = record["canvases"][index]
        region = opening.box(xywh, canvas["width"], canvas["height"])
        found.append((record, index, region))
    return found


def _panes(site: Site) -> list[Pane]:
    found = _asked(site)
    each = [(record["identifier"], record["canvases"][index]["page"]) for record, index, _ in found]
    panes = []
    for place, (record, index, region) in enumerate(found):
        canvas = record["canvases"][index]
        near = [_neighbour(record, index + step) for step in (-1, 1)]
        before, after = (other and _address(site, _with(each, place, other)) for other in near)
        without = _address(site, [*each[:place], *each[place + 1 :]])
        panes.append(Pane(record, canvas, region, before, after, without))
    return panes


def _found(site: Site, name: str) -> tuple[RecordPage, int]:
    identifier, _, canvas = name.partition("/")
    record = site.record(identifier)
    return record, opening.canvas_index(record, canvas)


def _neighbour(record: RecordPage, index: int) -> tuple[str, str] | None:
    if not 0 <= index < len(record["canvases"]):
        return None
    return record["identifier"], record["canvases"][index]["page"]


def _with(
    each: Sequence[tuple[str, str]], place: int, other: tuple[str, str]
) -> list[tuple[str, str]]:
    return [*each[:place], other, *each[place + 1 :]]


def _address(site: Site, canvases: Sequence[tuple[str, str]]) -> str:
    paths: Urls = local(site)
    return paths.compare(g.reader.language, canvases)


def _choices(site: Site) -> list[Choice]:
    """Return what a form may offer: the records that have scans, by chapter, up to a bound."""
    each = islice(_cards(site), MOST_CHOICES)
    chapters: dict[str, Choice] = {}
    for chapter, title, card in each:
        cards = chapters.setdefault(chapter, Choice(title, [])).cards
        chapters[chapter] = Choice(title, [*cards, card])
    return list(chapters.values())


def _cards(site: Site) -> Iterator[tuple[str, Text, Card]]:
    for chapter in site.exhibition()["chapters"]:
        if not chapter["canvas_count"]:
            continue
        for part in site.chapter(chapter["identifier"])["parts"]:
            for card in part["records"]:
                if card["canvas"]:
                    yield chapter["identifier"], chapter["title"], card
