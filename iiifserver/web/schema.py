"""Pages for search engines and link previews: schema.org as JSON-LD, and Open Graph.

https://schema.org/ArchiveComponent, https://ogp.me/
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from iiifserver.presentation.shown import (
    Canvas,
    ChapterPage,
    ExhibitionPage,
    Holder,
    RecordPage,
    Ref,
    Text,
)
from iiifserver.urls import Urls

from .markup import without_markup
from .pictures import confined
from .reader import Reader

Json = dict[str, Any]
PREVIEW_PIXELS = 800


class Described(NamedTuple):
    """What the head of a page tells other machines."""

    description: str
    picture: Canvas | None
    graph: Json
    """JSON-LD."""


def exhibition(shown: ExhibitionPage, reader: Reader, urls: Urls) -> Described:
    """Return the first page as a Collection of chapters."""
    language = reader.language
    address = urls.page(language, shown["identifier"])
    summary = without_markup(reader.quote(shown["summary"]).value)
    picture = next((c for chapter in shown["chapters"] for c in chapter["canvases"]), None)
    thing = {
        "@type": "Collection",
        "@id": address,
        "url": address,
        "name": reader.quote(shown["title"]).value,
        "description": summary,
        "license": shown["rights"],
        "image": picture and _image(picture, urls),
        "hasPart": [
            {
                "@type": "Collection",
                "name": reader.quote(chapter["title"]).value,
                "url": urls.page(language, shown["identifier"], chapter["identifier"]),
            }
            for chapter in shown["chapters"]
        ],
    }
    return Described(summary, picture, _graph([thing]))


def chapter(shown: ChapterPage, reader: Reader, urls: Urls) -> Described:
    """Return a chapter as a Collection, part of its exhibition."""
    trail = _trail(shown["exhibition"], None, shown, reader, urls)
    summary = without_markup(reader.quote(shown["summary"]).value)
    picture = next(iter(shown["canvases"]), None)
    thing = {
        "@type": "Collection",
        "@id": trail[-1][1],
        "url": trail[-1][1],
        "name": trail[-1][0],
        "description": summary,
        "temporalCoverage": shown["period"] and shown["period"]["edtf"],
        "collectionSize": shown["record_count"],
        "image": picture and _image(picture, urls),
        "isPartOf": {"@type": "Collection", "name": trail[0][0], "url": trail[0][1]},
    }
    return Described(summary, picture, _graph([thing, _breadcrumb(trail)]))


def record(shown: RecordPage, reader: Reader, urls: Urls) -> Described:
    """Return a record as an ArchiveComponent of the archive that holds it."""
    trail = _trail(shown["exhibition"], shown["chapter"], shown, reader, urls)
    summary = without_markup(reader.quote(shown["summary"]).value)
    picture = next(iter(shown["canvases"]), None)
    thing = {
        "@type": "ArchiveComponent",
        "@id": trail[-1][1],
        "url": trail[-1][1],
        "name": trail[-1][0],
        "alternateName": reader.quote(shown["record_title"]).value,
        "description": summary,
        "identifier": shown["reference"],
        "holdingArchive": shown["holder"] and _archive(shown["holder"], reader),
        "temporalCoverage": shown["date"] and shown["date"]["edtf"],
        "spatialCoverage": _names("Place", shown["places"], reader),
        "about": _names("Person", shown["people"], reader),
        "license": shown["rights"],
        "image": [_image(canvas, urls) for canvas in shown["canvases"][:1]],
        "numberOfPages": len(shown["canvases"]),
        "isPartOf": {"@type": "Collection", "name": trail[-2][0], "url": trail[-2][1]},
        "encoding": {
            "@type": "MediaObject",
            "encodingFormat": "application/ld+json",
            "contentUrl": urls.manifest(shown["identifier"]),
        },
    }
    return Described(summary, picture, _graph([thing, _breadcrumb(trail)]))


def _graph(things: Iterable[Json]) -> Json:
    """Return *things* without what is not known."""
    return {"@context": "https://schema.org", "@graph": [_known(thing) for thing in things]}


def _known(thing: Json) -> Json:
    return {name: value for name, value in thing.items() if value}


def _archive(holder: Holder, reader: Reader) -> Json:
    return _known(
        {
            "@type": "ArchiveOrganization",
            "name": reader.quote(holder["name"]).value,
            "url": holder["homepage"],
            "parentOrganization": holder["above"]
            and {"@type": "Organization", "name": reader.quote(holder["above"]["title"]).value},
        }
    )


def _names(kind: str, texts: Text, reader: Reader) -> list[Json]:
    tag = reader.quote(texts).language
    values = next((values for key, values in texts.items() if key.startswith(tag)), [])
    return [{"@type": kind, "name": without_markup(value)} for value in values]


def _image(canvas: Canvas, urls: Urls) -> Json:
    width, height = confined(canvas, PREVIEW_PIXELS)
    box = f"!{PREVIEW_PIXELS},{PREVIEW_PIXELS}"
    return {
        "@type": "ImageObject",
        "contentUrl": urls.image(canvas["image"], size=box),
        "width": width,
        "height": height,
    }


_Trail = Sequence[tuple[str, str]]


def _trail(
    top: Ref, middle: Ref | None, shown: ChapterPage | RecordPage, reader: Reader, urls: Urls
) -> _Trail:
    """Return names and addresses from the exhibition down to what is shown."""
    language, exhibition = reader.language, top["identifier"]
    trail = [(top["title"], urls.page(language, exhibition))]
    if middle is None:
        trail.append((shown["title"], urls.page(language, exhibition, shown["identifier"])))
    else:
        above = urls.page(language, exhibition, middle["identifier"])
        here = urls.record_page(language, exhibition, shown["identifier"])
        trail += [(middle["title"], above), (shown["title"], here)]
    return [(reader.quote(title).value, address) for title, address in trail]


def _breadcrumb(trail: _Trail) -> Json:
    return {
        "@type": "BreadcrumbList",
        "itemListElement": [
            {"@type": "ListItem", "position": place, "name": name, "item": address}
            for place, (name, address) in enumerate(trail, 1)
        ],
    }
