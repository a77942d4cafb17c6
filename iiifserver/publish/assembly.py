"""Rows that hold together -> an `Exhibition`; whether they do is the business of `check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iiifserver.language import NOTHING, in_no_language
from iiifserver.publish.entries import Entry
from iiifserver.records import Agent, Chapter, Exhibition, Page, Record, Section, Source

Entries = Mapping[str, list[Entry]]
"""The rows of every sheet, by its name."""
Scans = Mapping[str, tuple[str, ...]]
"""The names of the files in each folder of scans, in natural order."""


def assemble(entries: Entries, scans: Scans) -> Exhibition:
    """Return the exhibition that *entries* describe."""
    sources = _sources(entries["Sources"])
    agents = {
        entry.values["identifier"]: Agent(**_fields(entry, sources)) for entry in entries["Agents"]
    }
    sections = [Section(**_fields(entry, sources)) for entry in entries["Sections"]]
    records = [_record(entry, entries, scans, agents, sources) for entry in entries["Records"]]
    [settings] = entries["Exhibition"]
    values = _fields(settings, sources)
    organisers = tuple(agents[name] for name in values.pop("organisers", ()))
    chapters = (_chapter(entry, sections, records, sources) for entry in entries["Chapters"])
    return Exhibition(
        **values,
        organisers=organisers,
        agents=tuple(agents.values()),
        chapters=tuple(chapters),
    )


def _chapter(
    entry: Entry, sections: Sequence[Section], records: Sequence[Record], sources: _Sources
) -> Chapter:
    name = entry.values["identifier"]
    return Chapter(
        **{"title": NOTHING, **_fields(entry, sources)},
        sections=tuple(section for section in sections if section.chapter == name),
        records=tuple(record for record in records if record.chapter == name),
    )


def _record(
    entry: Entry, entries: Entries, scans: Scans, agents: Mapping[str, Agent], sources: _Sources
) -> Record:
    values = _fields(entry, sources)
    holder = values.pop("holder", None)
    pages = pages_of(values["identifier"], entries, scans)
    return Record(**values, holder=holder and agents[holder], pages=pages)


def pages_of(record: str, entries: Entries, scans: Scans) -> tuple[Page, ...]:
    """Return the pages that are listed for *record*, else one for each file of its folder."""
    listed = tuple(_page(e) for e in entries["Pages"] if e.values.get("record") == record)
    return listed or tuple(
        Page(
            identifier=str(number),
            file=file,
            image=f"{record}-{number}",
            label=in_no_language(str(number)),
        )
        for number, file in enumerate(scans.get(record, ()), start=1)
    )


def _page(entry: Entry) -> Page:
    page = entry.values.get("page", "")
    plain = entry.values.get("label_in_no_language", page)
    return Page(
        identifier=page,
        file=entry.values.get("file", ""),
        image=f"{entry.values['record']}-{page}",
        label=entry.values.get("label") or in_no_language(plain),
    )


_Sources = Mapping[str, tuple[Source, ...]]


def _sources(entries: Sequence[Entry]) -> _Sources:
    """Return where values were found, by the identifier of the row that they stand in."""
    found: dict[str, tuple[Source, ...]] = {}
    for entry in entries:
        item, source = entry.values["item"], Source(entry.values["column"], entry.values["source"])
        found[item] = (*found.get(item, ()), source)
    return found


def _fields(entry: Entry, sources: _Sources) -> dict[str, Any]:
    """Return the values of a row by the names of the fields they fill."""
    found = sources.get(entry.values["identifier"], ())
    return {**entry.values, "unreviewed": entry.unreviewed, "sources": found}
