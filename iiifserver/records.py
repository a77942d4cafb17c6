"""What an archive shows: an exhibition, its chapters, records and pages, as frozen values.

Every text is a `LanguageMap` in the order of the exhibition's languages, and holds only what the
archive wrote and stands by. A translation that nobody has reviewed is kept apart, in
`unreviewed`, and is shown only where `with_unreviewed` has put it, marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Literal, NamedTuple, TypeVar

from iiifserver.dates import Date
from iiifserver.language import NOTHING, LanguageMap, phrase

ViewingDirection = Literal["left-to-right", "right-to-left", "top-to-bottom", "bottom-to-top"]
Behavior = Literal["paged", "continuous", "individuals", "unordered"]
Writing = Literal["horizontal", "vertical"]


class Source(NamedTuple):
    """Where the value of one column was found."""

    column: str
    source: str


Unreviewed = tuple[tuple[str, LanguageMap], ...]
"""Texts by the name of the field that they would complete."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """An archive or another body; `part_of` is the identifier of the one it belongs to."""

    identifier: str
    name: LanguageMap
    part_of: str | None = None
    homepage: str | None = None
    logo: str | None = None
    """The address of a picture."""
    role: LanguageMap = NOTHING
    note: LanguageMap = NOTHING
    sources: tuple[Source, ...] = ()
    unreviewed: Unreviewed = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One side of a record; its identifier never changes, whatever happens to its file."""

    identifier: str
    file: str
    """The scan, below the folder of its record."""
    image: str
    """The identifier of the scan in the Image API."""
    label: LanguageMap
    leaf: int = 0
    """The place of the picture in a file of several, from 0."""
    width_mm: int | None = None
    """How wide the thing is that the whole scan shows; None where nobody has measured it."""
    transcription: LanguageMap = NOTHING
    """What is written there, and translations of that: plain text, its lines kept."""
    writing: Writing = "horizontal"
    """How the lines run there; script that is always vertical is so whatever this says."""
    unreviewed: Unreviewed = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One archival record, with a heading for visitors and the record's own title."""

    identifier: str
    chapter: str
    section: str | None = None
    title: LanguageMap
    record_title: LanguageMap = NOTHING
    holder: Agent | None = None
    reference: str | None = None
    """In the holder's own form; two records may share one."""
    date: Date | None = None
    date_note: LanguageMap = NOTHING
    date_as_written: LanguageMap = NOTHING
    places: LanguageMap = NOTHING
    people: LanguageMap = NOTHING
    summary: LanguageMap = NOTHING
    rights: str | None = None
    viewing_direction: ViewingDirection | None = None
    behavior: Behavior | None = None
    homepage: LanguageMap = NOTHING
    """Addresses of pages about the record, by the language of the page."""
    related: tuple[str, ...] = ()
    """Identifiers of records that are to be seen beside this one."""
    note: LanguageMap = NOTHING
    """What is to be known about these facts: for those who work with them, not for visitors."""
    sources: tuple[Source, ...] = ()
    unreviewed: Unreviewed = ()
    pages: tuple[Page, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading within a chapter."""

    identifier: str
    chapter: str
    title: LanguageMap
    note: LanguageMap = NOTHING
    sources: tuple[Source, ...] = ()
    unreviewed: Unreviewed = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """A part of an exhibition; `working_title` stands in where no title is known."""

    identifier: str
    title: LanguageMap
    working_title: LanguageMap = NOTHING
    period: Date | None = None
    summary: LanguageMap = NOTHING
    homepage: LanguageMap = NOTHING
    note: LanguageMap = NOTHING
    sources: tuple[Source, ...] = ()
    unreviewed: Unreviewed = ()
    sections: tuple[Section, ...] = ()
    records: tuple[Record, ...] = ()

    def records_of(self, section: str | None) -> tuple[Record, ...]:
        """Return the records of one section; of none where *section* is None."""
        return tuple(record for record in self.records if record.section == section)

    @property
    def parts(self) -> list[tuple[Section | None, tuple[Record, ...]]]:
        """Its headings with their records, in the order of the table of contents.

        Records without a section come first, then each section that has records.
        """
        headings = (None, *self.sections)
        groups = ((s, self.records_of(s.identifier if s else None)) for s in headings)
        return [(section, records) for section, records in groups if records]

    @property
    def in_order(self) -> list[Record]:
        """Its records in the order of its table of contents."""
        return [record for _, group in self.parts for record in group]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibition:
    """Chapters under one title, in the languages that it declares, most important first."""

    identifier: str
    languages: tuple[str, ...]
    title: LanguageMap
    summary: LanguageMap = NOTHING
    required_statement: LanguageMap = NOTHING
    rights: str | None = None
    homepage: LanguageMap = NOTHING
    organisers: tuple[Agent, ...] = ()
    supervisor: LanguageMap = NOTHING
    occasion: LanguageMap = NOTHING
    occasion_date: Date | None = None
    note: LanguageMap = NOTHING
    sources: tuple[Source, ...] = ()
    unreviewed: Unreviewed = ()
    agents: tuple[Agent, ...] = ()
    chapters: tuple[Chapter, ...] = ()

    @property
    def records(self) -> Iterator[Record]:
        """All records, in the order in which a visitor meets them."""
        return (record for chapter in self.chapters for record in chapter.records)


def with_unreviewed(exhibition: Exhibition) -> Exhibition:
    """Return *exhibition* with its unreviewed translations put where they belong.

    Each says of itself, in its own language, that nobody has reviewed it, so that it is marked
    wherever it is shown. They stay in `unreviewed` too, as they were written.
    """
    return _completed(exhibition, exhibition.languages)


def marked_unreviewed(texts: LanguageMap) -> LanguageMap:
    """Return *texts*, each saying in its language that nobody has reviewed it.

    What was HTML stays HTML, which begins with a tag and ends with one.
    """
    return LanguageMap(
        tuple(
            (tag, tuple(_marked(text, mark) for text in values))
            for tag, values in texts.items()
            for [mark] in phrase("unreviewed", [tag]).values()
        )
    )


def _marked(text: str, mark: str) -> str:
    marked = mark.format(text=text)
    return f"<span>{marked}</span>" if text.startswith("<") and text.endswith(">") else marked


Value = TypeVar("Value", Exhibition, Chapter, Section, Record, Page, Agent)


def _completed(value: Value, languages: tuple[str, ...]) -> Value:
    changes: dict[str, object] = {
        name: LanguageMap.of({**getattr(value, name), **marked_unreviewed(texts)}, languages)
        for name, texts in value.unreviewed
    }
    for field in fields(value):
        held = getattr(value, field.name)
        if isinstance(held, Agent):
            changes[field.name] = _completed(held, languages)
        elif isinstance(held, tuple) and held and hasattr(held[0], "unreviewed"):
            changes[field.name] = tuple(_completed(part, languages) for part in held)
    return replace(value, **changes)  # type: ignore[arg-type]  # names checked when they were read
