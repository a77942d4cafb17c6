"""What pages show of a record, a chapter and an exhibition; the values are told in shown.py.

Like Manifests they are built when an exhibition is published, from values alone; what turns them
into HTML knows neither sheets nor scans.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from iiifserver.dates import Date, display_in
from iiifserver.language import NOTHING, LanguageMap, writing_mode
from iiifserver.presentation.shown import (
    UNREVIEWED,
    AgentCard,
    Canvas,
    Card,
    ChapterCard,
    ChapterPage,
    Coverage,
    ExhibitionPage,
    Holder,
    RecordPage,
    Ref,
    SitePage,
    Text,
    Transcription,
    When,
)
from iiifserver.records import Agent, Chapter, Exhibition, Page, Record, Section

Sizes = Mapping[str, tuple[int, int, tuple[tuple[int, int], ...]]]
"""Width, height and listed sizes of scans, by their identifiers in the Image API."""
MOST_RECORDS_OF_AGENT = 60
MOST_SOURCES = 200
PICTURES_OF_CHAPTER = 3
_ADDRESS = re.compile(r"https?://[^\s;,()]+")


class Neighbours(NamedTuple):
    """Those to which a reader turns from a record or a chapter."""

    previous: Ref | None
    following: Ref | None


ALONE = Neighbours(None, None)
Value = Exhibition | Chapter | Section | Record | Agent


def record_page(
    record: Record,
    exhibition: Exhibition,
    sizes: Sizes,
    between: Neighbours = ALONE,
) -> RecordPage:
    """Return what the page of *record* shows."""
    [chapter] = [c for c in exhibition.chapters if c.identifier == record.chapter]
    section = next((s for s in chapter.sections if s.identifier == record.section), None)
    known = {each.identifier: each for each in exhibition.records}
    return {
        "identifier": record.identifier,
        "exhibition": _ref(exhibition),
        "chapter": _ref(chapter),
        "section": _ref(section) if section else None,
        "title": _title(record),
        "record_title": _text(record, "record_title"),
        "holder": _holder(record.holder, exhibition) if record.holder else None,
        "reference": record.reference,
        "date": _when(record.date, exhibition),
        "date_note": _text(record, "date_note"),
        "date_as_written": _text(record, "date_as_written"),
        "places": _text(record, "places"),
        "people": _text(record, "people"),
        "summary": _text(record, "summary"),
        "rights": record.rights or exhibition.rights,
        "viewing_direction": record.viewing_direction,
        "behavior": record.behavior,
        "homepage": _plain(record.homepage),
        "related": [_card(known[n], exhibition, sizes) for n in record.related if n in known],
        "previous": between.previous,
        "next": between.following,
        "sources": [{"column": s.column, "source": s.source} for s in record.sources],
        "canvases": [_canvas(page, sizes) for page in record.pages],
        "transcriptions": [_transcription(page) for page in record.pages if page.transcription],
    }


def chapter_page(
    chapter: Chapter,
    exhibition: Exhibition,
    number: int,
    sizes: Sizes,
    between: Neighbours = ALONE,
) -> ChapterPage:
    """Return what the page of *chapter*, the *number*th, shows."""
    return {
        **_chapter_card(chapter, exhibition, number, sizes),
        "exhibition": _ref(exhibition),
        "homepage": _plain(chapter.homepage),
        "parts": [
            {
                "identifier": section.identifier if section else None,
                "title": _text(section, "title") if section else {},
                "records": [_card(record, exhibition, sizes) for record in records],
            }
            for section, records in chapter.parts
        ],
        "comparisons": [
            [_card(record, exhibition, sizes) for record in group]
            for group in compared(chapter.in_order)
        ],
        "previous": between.previous,
        "next": between.following,
    }


def neighbours(values: Sequence[Record | Chapter]) -> dict[str, Neighbours]:
    """Return those beside each of *values*, by its identifier."""
    refs = [None, *map(_ref, values), None]
    return {
        value.identifier: Neighbours(refs[index], refs[index + 2])
        for index, value in enumerate(values)
    }


def site_page(exhibition: Exhibition) -> SitePage:
    """Return what every page of a site says that shows *exhibition*."""
    return {
        "exhibition": exhibition.identifier,
        "title": _title(exhibition),
        "summary": _text(exhibition, "summary"),
        "notice": _text(exhibition, "required_statement"),
        "languages": list(exhibition.languages),
    }


def exhibition_page(exhibition: Exhibition, sizes: Sizes) -> ExhibitionPage:
    """Return what the first page of *exhibition* and those about it show."""
    chapters = [
        _chapter_card(chapter, exhibition, number, sizes)
        for number, chapter in enumerate(exhibition.chapters, 1)
    ]
    counted = _counted(exhibition)
    return {
        "identifier": exhibition.identifier,
        "title": _title(exhibition),
        "summary": _text(exhibition, "summary"),
        "required_statement": _text(exhibition, "required_statement"),
        "rights": exhibition.rights,
        "homepage": _plain(exhibition.homepage),
        "organisers": [_named(agent) for agent in exhibition.organisers],
        "supervisor": _text(exhibition, "supervisor"),
        "occasion": _text(exhibition, "occasion"),
        "occasion_date": _when(exhibition.occasion_date, exhibition),
        "note": _text(exhibition, "note"),
        "chapters": chapters,
        "agents": list(_agents(exhibition)),
        "record_count": sum(chapter["record_count"] for chapter in chapters),
        "canvas_count": sum(chapter["canvas_count"] for chapter in chapters),
        "counted": {name: len(texts) for name, texts in counted.items()},
        "coverage": [_coverage(counted, language) for language in exhibition.languages],
        "sources": list(_sources(exhibition)),
    }


def compared(records: Sequence[Record]) -> list[list[Record]]:
    """Return those of *records* that are related and that different archives hold, in groups.

    A relation leads both ways, and from one record over another to a third.
    """
    groups: list[list[Record]] = []
    for record in records:
        joined = [group for group in groups if any(_related(record, each) for each in group)]
        together = [record, *(each for group in joined for each in group)]
        groups = [group for group in groups if group not in joined] + [together]
    place = {record.identifier: index for index, record in enumerate(records)}
    ordered = [sorted(group, key=lambda each: place[each.identifier]) for group in groups]
    ordered.sort(key=lambda group: place[group[0].identifier])
    return [
        group
        for group in ordered
        if len({each.holder.identifier for each in group if each.holder}) > 1
    ]


def _related(one: Record, other: Record) -> bool:
    return one.identifier in other.related or other.identifier in one.related


# -- texts


def _plain(texts: LanguageMap) -> Text:
    return {tag: list(values) for tag, values in texts.items()}


def _text(value: Value | Page, name: str) -> Text:
    """Return the text *name* of *value*; what nobody has reviewed under a tag that says so."""
    unreviewed = dict(value.unreviewed).get(name, NOTHING)
    return {
        f"{tag}{UNREVIEWED}" if tag in unreviewed else tag: list(unreviewed.get(tag, texts))
        for tag, texts in getattr(value, name).items()
    }


def _title(value: Exhibition | Chapter | Section | Record) -> Text:
    """Return what *value* is called, its identifier where nothing is known."""
    stand_in = {Record: "record_title", Chapter: "working_title"}.get(type(value), "title")
    return _text(value, "title") or _text(value, stand_in) or {"none": [value.identifier]}


def _ref(value: Exhibition | Chapter | Section | Record) -> Ref:
    return {"identifier": value.identifier, "title": _title(value)}


def _named(agent: Agent) -> Ref:
    return {
        "identifier": agent.identifier,
        "title": _text(agent, "name") or {"none": [agent.identifier]},
    }


def _when(date: Date | None, exhibition: Exhibition) -> When | None:
    if date is None:
        return None
    return {"edtf": str(date), "shown": _plain(display_in(date, exhibition.languages))}


# -- parts


def _canvas(page: Page, sizes: Sizes) -> Canvas:
    width, height, listed = sizes[page.image]
    return {
        "page": page.identifier,
        "image": page.image,
        "label": _text(page, "label"),
        "width": width,
        "height": height,
        "sizes": list(listed),
        "width_mm": page.width_mm,
    }


def _transcription(page: Page) -> Transcription:
    return {
        "page": page.identifier,
        "label": _text(page, "label"),
        "texts": _text(page, "transcription"),
        "modes": {
            tag: writing_mode(tag, vertical=page.writing == "vertical")
            for tag in page.transcription
        },
    }


def _holder(agent: Agent, exhibition: Exhibition) -> Holder:
    above = next((a for a in exhibition.agents if a.identifier == agent.part_of), None)
    return {
        "identifier": agent.identifier,
        "name": _named(agent)["title"],
        "homepage": agent.homepage,
        "logo": agent.logo,
        "above": _named(above) if above else None,
    }


def _card(record: Record, exhibition: Exhibition, sizes: Sizes) -> Card:
    return {
        "identifier": record.identifier,
        "chapter": record.chapter,
        "title": _title(record),
        "record_title": _text(record, "record_title"),
        "holder": _named(record.holder) if record.holder else None,
        "reference": record.reference,
        "date": _when(record.date, exhibition),
        "canvas": _canvas(record.pages[0], sizes) if record.pages else None,
        "canvas_count": len(record.pages),
    }


def _chapter_card(
    chapter: Chapter, exhibition: Exhibition, number: int, sizes: Sizes
) -> ChapterCard:
    firsts = [record.pages[0] for record in chapter.in_order if record.pages]
    return {
        "identifier": chapter.identifier,
        "number": number,
        "title": _title(chapter),
        "is_working_title": bool(chapter.working_title) and not chapter.title,
        "period": _when(chapter.period, exhibition),
        "summary": _text(chapter, "summary"),
        "record_count": len(chapter.records),
        "canvas_count": sum(len(record.pages) for record in chapter.records),
        "canvases": [_canvas(page, sizes) for page in firsts[:PICTURES_OF_CHAPTER]],
    }


def _agents(exhibition: Exhibition) -> Iterator[AgentCard]:
    held: dict[str, list[Record]] = {}
    for record in exhibition.records:
        if record.holder:
            held.setdefault(record.holder.identifier, []).append(record)
    organisers = {agent.identifier for agent in exhibition.organisers}
    for agent in exhibition.agents:
        records = held.get(agent.identifier, [])
        yield {
            **_holder(agent, exhibition),
            "is_organiser": agent.identifier in organisers,
            "record_count": len(records),
            "records": [_ref(record) for record in records[:MOST_RECORDS_OF_AGENT]],
        }


# -- what is there of each language


def _counted(exhibition: Exhibition) -> dict[str, list[LanguageMap]]:
    """Return the texts that could be translated: each of them is there in some language."""
    records = list(exhibition.records)
    headed: list[Value] = [exhibition, *exhibition.chapters, *records]
    headed += [section for chapter in exhibition.chapters for section in chapter.sections]
    return {
        "titles": _reviewed(headed, "title"),
        "record_titles": _reviewed(records, "record_title"),
        "summaries": _reviewed([exhibition, *exhibition.chapters, *records], "summary"),
    }


def _reviewed(values: Iterable[Value], name: str) -> list[LanguageMap]:
    """Return the texts *name* of *values*, without those that nobody has reviewed."""
    texts = []
    for value in values:
        waiting = dict(value.unreviewed).get(name, NOTHING)
        kept = {tag: text for tag, text in getattr(value, name).items() if tag not in waiting}
        texts.append(LanguageMap.of(kept))
    return [each for each in texts if each]


def _coverage(counted: Mapping[str, Sequence[LanguageMap]], language: str) -> Coverage:
    def there(name: str) -> int:
        return sum(language in texts for texts in counted[name])

    return {
        "language": language,
        "titles": there("titles"),
        "record_titles": there("record_titles"),
        "summaries": there("summaries"),
    }


def _sources(exhibition: Exhibition) -> Iterator[str]:
    """Yield the addresses where facts were found, each once, up to a bound."""
    values: list[Value] = [exhibition, *exhibition.agents, *exhibition.chapters]
    values += exhibition.records
    found = dict.fromkeys(
        address.rstrip(".")
        for value in values
        for source in value.sources
        for address in _ADDRESS.findall(source.source)
    )
    yield from list(found)[:MOST_SOURCES]
