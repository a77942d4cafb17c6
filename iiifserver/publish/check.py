"""An exhibition's folder of sheets, read whole: its values, or every mistake at once.

How the sheets are found is told in `reading`. Scans stand in folders named by their records. A
record that `pages.csv` does not name has all files of its folder as pages, in natural order;
names that begin with a dot or an underscore are not looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from iiifserver.errors import InvalidExhibition, InvalidValue, Mistake
from iiifserver.publish.assembly import Entries, Scans, assemble, pages_of
from iiifserver.publish.cells import nearest
from iiifserver.publish.columns import SHEETS, read_heading
from iiifserver.publish.entries import Entry, read_entries
from iiifserver.publish.reading import read_tables
from iiifserver.publish.tables import Sheet
from iiifserver.records import Exhibition


class Reading(NamedTuple):
    """What was read; there is no exhibition if any mistake is an error."""

    exhibition: Exhibition | None
    mistakes: tuple[Mistake, ...]


def load(folder: Path, images: Path) -> Exhibition:
    """Return the exhibition in *folder*, whose scans are in *images*.

    Raises:
        InvalidExhibition: it has errors; all mistakes are in it.
    """
    exhibition, mistakes = read(folder, images)
    if exhibition is None:
        raise InvalidExhibition(mistakes)
    return exhibition


def read(folder: Path, images: Path) -> Reading:
    """Return the exhibition in *folder* and all that is wrong with it, warnings too."""
    tables = read_tables(folder)
    return read_sheets(tables.sheets, scans_in(images), tables.mistakes)


def read_sheets(sheets: Iterable[Sheet], scans: Scans, before: Iterable[Mistake] = ()) -> Reading:
    """Return the exhibition that *sheets* describe, with *scans* by the name of their folder.

    *before* are the mistakes that kept sheets from being read at all.
    """
    mistakes = list(before)
    by_name = {sheet.name: sheet for sheet in sheets}
    languages = _languages(by_name.get("Exhibition"))
    entries = {
        name: read_entries(by_name[name], languages, mistakes) if name in by_name else []
        for name in SHEETS
    }
    for check in _CHECKS:
        mistakes.extend(check(entries, scans))
    if any(mistake.severity == "error" for mistake in mistakes):
        return Reading(None, tuple(mistakes))
    return Reading(assemble(entries, scans), tuple(mistakes))


def _languages(sheet: Sheet | None) -> tuple[str, ...] | None:
    """Return the languages that the sheet of the exhibition declares, None where unknown."""
    entries = read_entries(sheet, None, []) if sheet else []
    return next((entry.values.get("languages") for entry in entries), None)


def scans_in(images: Path) -> dict[str, tuple[str, ...]]:
    """Return the names of the files in each folder of *images*, in natural order."""
    folders = [folder for folder in images.iterdir() if folder.is_dir()] if images.is_dir() else []
    return {
        folder.name: tuple(sorted((file.name for file in _shown(folder)), key=natural_order))
        for folder in folders
        if not folder.name.startswith((".", "_"))
    }


def _shown(folder: Path) -> Iterator[Path]:
    return (f for f in folder.iterdir() if f.is_file() and not f.name.startswith((".", "_")))


def natural_order(name: str) -> list[tuple[int, str]]:
    """Return a key that puts `2.jpg` before `10.jpg`."""
    parts = re.findall(r"[0-9]+|[^0-9]+", unicodedata.normalize("NFC", name))
    return [(int(part), "") if re.match(r"[0-9]", part) else (-1, part) for part in parts]


# -- what is wrong with rows that can be read one by one


def _repeated_identifiers(entries: Entries, _scans: Scans) -> Iterator[Mistake]:
    # what has an address of its own shares one space of names; agents have another
    for sheets in (("Exhibition", "Chapters", "Sections", "Records"), ("Agents",)):
        first: dict[str, Entry] = {}
        for entry in (entry for sheet in sheets for entry in entries[sheet]):
            name = entry.values.get("identifier")
            if name and first.setdefault(name, entry) is not entry:
                reason = f"the identifier {name!r} is already at {_place(first[name])}"
                yield entry.mistake(SHEETS[entry.sheet][0].name, reason)


def _place(entry: Entry) -> str:
    return f"{entry.sheet}!{entry.cells[SHEETS[entry.sheet][0].name].reference}"


def _dangling_references(entries: Entries, _scans: Scans) -> Iterator[Mistake]:
    for sheet, columns in SHEETS.items():
        for column in columns:
            if not column.refers_to:
                continue
            known = set(_by_identifier(entries, column.refers_to))
            for entry in entries[sheet]:
                value = entry.values.get(column.target, ())
                for name in value if column.several else (value,) if value else ():
                    if name not in known:
                        reason = f"{name!r} is not in the sheet {column.refers_to}"
                        yield entry.mistake(column.name, reason, nearest(name, known))
                    elif name == entry.values.get("identifier") and sheet == column.refers_to:
                        yield entry.mistake(column.name, f"{name!r} refers to itself")


def _sections_of_other_chapters(entries: Entries, _scans: Scans) -> Iterator[Mistake]:
    sections = _by_identifier(entries, "Sections")
    for entry in entries["Records"]:
        section = sections.get(entry.values.get("section", ""))
        chapter = section and section.values.get("chapter")
        if chapter and chapter != entry.values.get("chapter"):
            name = entry.values["section"]
            yield entry.mistake("section", f"the section {name!r} is in the chapter {chapter!r}")


def _chapters_without_a_title(entries: Entries, _scans: Scans) -> Iterator[Mistake]:
    for entry in entries["Chapters"]:
        if not {"title", "working_title"} & {*entry.values, *dict(entry.unreviewed)}:
            yield entry.mistake("chapter", "a chapter needs a title or a working title")


def _sources_of_nothing(entries: Entries, _scans: Scans) -> Iterator[Mistake]:
    sheets = {name: sheet for sheet in SHEETS for name in _by_identifier(entries, sheet)}
    for entry in entries["Sources"]:
        item, column = entry.values.get("item"), entry.values.get("column")
        if item and item not in sheets:
            yield entry.mistake("item", f"{item!r} is in no sheet", nearest(item, sheets))
        elif item and column:
            try:
                read_heading(column, SHEETS[sheets[item]], None)
            except InvalidValue as error:
                yield entry.mistake("column", str(error), error.proposal)


def _pages_without_a_scan(entries: Entries, scans: Scans) -> Iterator[Mistake]:
    for entry in entries["Pages"]:
        record, file = entry.values.get("record", ""), entry.values.get("file")
        there = scans.get(record, ())
        if file and file not in there:
            reason = f"there is no file {file!r} in the folder {record!r}"
            yield entry.mistake("file", reason, nearest(file, there))


def _repeated_pages(entries: Entries, _scans: Scans) -> Iterator[Mistake]:
    for column in ("page", "file"):
        first: dict[tuple[str, str], Entry] = {}
        for entry in entries["Pages"]:
            key = (entry.values.get("record", ""), entry.values.get(column, ""))
            if all(key) and first.setdefault(key, entry) is not entry:
                reason = f"{key[0]} has the {column} {key[1]!r} already"
                yield entry.mistake(column, reason)


def _repeated_images(entries: Entries, scans: Scans) -> Iterator[Mistake]:
    first: dict[str, str] = {}
    for entry in entries["Records"]:
        record = entry.values.get("identifier", "")
        for page in pages_of(record, entries, scans):
            if first.setdefault(page.image, record) != record:
                reason = f"page {page.identifier!r} gets the identifier {page.image!r}"
                yield entry.mistake("record", f"{reason}, which {first[page.image]!r} has too")


def _scans_without_a_row(entries: Entries, scans: Scans) -> Iterator[Mistake]:
    records = _by_identifier(entries, "Records")
    listed = {e.values.get("record") for e in entries["Pages"]}
    used = {(e.values.get("record"), e.values.get("file")) for e in entries["Pages"]}
    for folder, files in scans.items():
        if folder not in records:
            reason, proposal = "there is no record for this folder", nearest(folder, records)
            yield Mistake("Images", "", folder, f"{folder}: {reason}", proposal, "warning")
        elif folder in listed:
            for file in files:
                if (folder, file) not in used:
                    name = f"{folder}/{file}"
                    reason = f"{name}: the pages of the record are listed, this one is not"
                    yield Mistake("Images", "", name, reason, severity="warning")


def _records_without_pages(entries: Entries, scans: Scans) -> Iterator[Mistake]:
    for name, entry in _by_identifier(entries, "Records").items():
        if not pages_of(name, entries, scans):
            mistake = entry.mistake("record", f"the record {name!r} has no scan")
            yield Mistake(mistake.sheet, mistake.cell, name, mistake.reason, severity="warning")


def _by_identifier(entries: Entries, sheet: str) -> dict[str, Entry]:
    named = (entry for entry in entries[sheet] if "identifier" in entry.values)
    return {entry.values["identifier"]: entry for entry in named}


_CHECKS: tuple[Callable[[Entries, Scans], Iterator[Mistake]], ...] = (
    _repeated_identifiers,
    _dangling_references,
    _sections_of_other_chapters,
    _chapters_without_a_title,
    _sources_of_nothing,
    _pages_without_a_scan,
    _repeated_pages,
    _repeated_images,
    _scans_without_a_row,
    _records_without_pages,
)
