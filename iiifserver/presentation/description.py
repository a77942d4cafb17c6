"""What Manifests and Collections say of themselves: the properties that readers read.

A language that an archive has not written stays missing. Only where nothing at all is known of
what must be there does something else stand: the identifier for a title.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import iiif_prezi3 as prezi

from iiifserver.dates import Date, display_in, nav_date
from iiifserver.language import NOTHING, LanguageMap, field_label, in_no_language, phrase
from iiifserver.presentation.model import pair
from iiifserver.records import Chapter, Exhibition, Record


def record_label(record: Record) -> LanguageMap:
    """Return the heading of *record* for visitors, else its own title, else its identifier."""
    return record.title or record.record_title or in_no_language(record.identifier)


def chapter_label(chapter: Chapter) -> LanguageMap:
    """Return the title of *chapter*; its working title, marked as such, where it has none."""
    if chapter.title:
        return chapter.title
    marked = {
        tag: [_mark(tag).format(title=title) for title in titles]
        for tag, titles in chapter.working_title.items()
    }
    return LanguageMap.of(marked) or in_no_language(chapter.identifier)


def _mark(language: str) -> str:
    [(mark,)] = phrase("working_title", [language]).values()
    return mark


def chapter_summary(chapter: Chapter, exhibition: Exhibition) -> LanguageMap:
    """Return the summary of *chapter*; that its records are to follow where it has none."""
    if chapter.records:
        return chapter.summary
    return chapter.summary or phrase("records_to_follow", exhibition.languages)


def record_metadata(
    record: Record, chapter: Chapter, related: LanguageMap, exhibition: Exhibition
) -> Metadata:
    """Return what is known of *record*, in the order in which archives describe.

    *related* leads to what is to be seen beside it. Notes and sources are not for visitors: they
    are in the record's JSON.
    """
    section = next((s for s in chapter.sections if s.identifier == record.section), None)
    fields = {
        "record_title": record.record_title,
        "date": _dates(record.date, exhibition),
        "date_note": record.date_note,
        "date_as_written": record.date_as_written,
        "holder": record.holder.name if record.holder else NOTHING,
        "reference": in_no_language(record.reference) if record.reference else NOTHING,
        "places": record.places,
        "people": record.people,
        "chapter": chapter_label(chapter),
        "section": section.title if section else NOTHING,
        "related": related,
    }
    return _known(fields, exhibition)


def chapter_metadata(chapter: Chapter, exhibition: Exhibition) -> Metadata:
    """Return what is known of *chapter*."""
    fields = {"exhibition": exhibition.title, "period": _dates(chapter.period, exhibition)}
    return _known(fields, exhibition)


def exhibition_metadata(exhibition: Exhibition) -> Metadata:
    """Return what is known of *exhibition*."""
    fields = {
        "occasion": exhibition.occasion,
        "date": _dates(exhibition.occasion_date, exhibition),
        "supervisor": exhibition.supervisor,
    }
    return _known(fields, exhibition)


Metadata = list[prezi.KeyValueString] | None


def _known(fields: Mapping[str, LanguageMap], exhibition: Exhibition) -> Metadata:
    """Return those of *fields* that have a value, with their names; None where none has."""
    return [
        pair(field_label(name, exhibition.languages), value)
        for name, value in fields.items()
        if value
    ] or None


def _dates(date: Date | None, exhibition: Exhibition) -> LanguageMap:
    return display_in(date, exhibition.languages) if date else NOTHING


def required_statement(
    exhibitions: Iterable[Exhibition],
) -> prezi.KeyValueString | None:
    """Return the statements of all *exhibitions*, each once; None where there are none.

    Collections carry it too: Mirador 3 shows one without it as a blank page.
    """
    languages: dict[str, None] = {}
    statements: dict[str, dict[str, None]] = {}
    for exhibition in exhibitions:
        languages.update(dict.fromkeys(exhibition.languages))
        for tag, texts in exhibition.required_statement.items():
            statements.setdefault(tag, {}).update(dict.fromkeys(texts))
    value = LanguageMap.of({tag: tuple(t) for tag, t in statements.items()}, tuple(languages))
    return pair(field_label("required_statement", languages), value) if value else None


def navigation_date(date: Date | None) -> prezi.NavDate | None:
    """Return the start of *date* as navDate."""
    start = date and nav_date(date)
    return prezi.NavDate(start) if start else None
