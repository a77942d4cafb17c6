"""Rows that hold together -> an `Exhibition`; whether they do is the business of `check`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from iiifserver.language import NOTHING, in_no_language
from iiifserver.publish.entries import Entries, Entry
from iiifserver.publish.layout import Layout, Slot
from iiifserver.records import Agent, Chapter, Exhibition, Page, Record, Section, Source


def assemble(entries: Entries, layout: Layout) -> Exhibition:
    """Return the exhibition that *entries* describe, with the pages of *layout*."""
    sources = _sources(entries["Sources"])
    agents = {
        entry.values["identifier"]: Agent(**_fields(entry, sources)) for entry in entries["Agents"]
    }
    sections = [Section(**_fields(entry, sources)) for entry in entries["Sections"]]
    records = [_record(entry, layout, agents, sources) for entry in entries["Records"]]
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


def _record(entry: Entry, layout: Layout, agents: Mapping[str, Agent], sources: _Sources) -> Record:
    values = _fields(entry, sources)
    holder = values.pop("holder", None)
    slots = layout.slots.get(entry.identifier, ())
    pages = (_page(entry.identifier, slot, number) for number, slot in enumerate(slots, start=1))
    return Record(**values, holder=holder and agents[holder], pages=tuple(pages))


def _page(record: str, slot: Slot, number: int) -> Page:
    """Return a page; one without a label is called as its author named it, else by its place."""
    values = slot.entry.values if slot.entry else {}
    plain = values.get("label_in_no_language") or (slot.page if slot.given else str(number))
    return Page(
        identifier=slot.page,
        file=slot.file,
        leaf=slot.leaf.leaf,
        image=f"{record}-{slot.page}",
        label=values.get("label") or in_no_language(plain),
        width_mm=values.get("width_mm"),
        transcription=values.get("transcription", NOTHING),
        writing=values.get("writing", "horizontal"),
        unreviewed=slot.entry.unreviewed if slot.entry else (),
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
