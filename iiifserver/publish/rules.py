"""What is wrong with rows and scans that can each be read, but do not hold together."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from iiifserver.dates import Date, Interval, Moment
from iiifserver.errors import InvalidValue, Mistake
from iiifserver.publish.cells import nearest
from iiifserver.publish.columns import SHEETS, read_heading
from iiifserver.publish.entries import KEPT, Entries, Entry
from iiifserver.publish.folders import SCANS, ScanFile, Scans
from iiifserver.publish.layout import Layout, Slot

_WILD = 4
"""A page so many times longer or shorter than its record's others is worth a look."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """All that was read of an exhibition."""

    entries: Entries
    scans: Scans
    layout: Layout
    languages: tuple[str, ...]
    today: datetime.date

    def slots(self) -> Iterator[tuple[str, Slot]]:
        """Yield every page and the record that it belongs to."""
        for record, slots in self.layout.slots.items():
            for slot in slots:
                yield record, slot


Rule = Callable[[Reviewed], Iterator[Mistake]]


# -- rows


def _repeated_identifiers(reviewed: Reviewed) -> Iterator[Mistake]:
    # what has an address of its own shares one space of names; agents have another
    for sheets in (("Exhibition", "Chapters", "Sections", "Records"), ("Agents",)):
        first: dict[str, Entry] = {}
        for entry in (entry for sheet in sheets for entry in reviewed.entries[sheet]):
            name = entry.identifier
            other = first.setdefault(name.casefold(), entry)
            if not name or other is entry:
                continue
            column, place = SHEETS[entry.sheet][0].name, _place(other)
            if other.identifier == name:
                yield entry.mistake(column, f"the identifier {name!r} is already at {place}")
            else:
                reason = f"{name!r} differs only in capitals from {other.identifier!r} at {place}"
                yield entry.mistake(column, reason, severity="warning")


def _place(entry: Entry) -> str:
    return f"{entry.sheet}!{entry.cells[SHEETS[entry.sheet][0].name].reference}"


def _dangling_references(reviewed: Reviewed) -> Iterator[Mistake]:
    for sheet, columns in SHEETS.items():
        for column in columns:
            if not column.refers_to:
                continue
            known = set(_by_identifier(reviewed.entries, column.refers_to))
            for entry in reviewed.entries[sheet]:
                value = entry.values.get(column.target, ())
                for name in value if column.several else (value,) if value else ():
                    if name not in known:
                        reason = f"{name!r} is not in the sheet {column.refers_to}"
                        yield entry.mistake(column.name, reason, nearest(name, known))
                    elif name == entry.values.get("identifier") and sheet == column.refers_to:
                        yield entry.mistake(column.name, f"{name!r} refers to itself")


def _circles_of_agents(reviewed: Reviewed) -> Iterator[Mistake]:
    agents = _by_identifier(reviewed.entries, "Agents")
    for name, entry in agents.items():
        above = [name]
        while (upper := agents[above[-1]].values.get("part_of")) in agents and upper not in above:
            above.append(upper)
        if upper == name and len(above) > 1:
            circle = ", which is part of ".join(map(repr, (*above, name)))
            yield entry.mistake("part_of", f"it goes in a circle: {circle}")


def _sections_of_other_chapters(reviewed: Reviewed) -> Iterator[Mistake]:
    sections = _by_identifier(reviewed.entries, "Sections")
    for entry in reviewed.entries["Records"]:
        section = sections.get(entry.values.get("section", ""))
        chapter = section and section.values.get("chapter")
        if chapter and chapter != entry.values.get("chapter"):
            name = entry.values["section"]
            yield entry.mistake("section", f"the section {name!r} is in the chapter {chapter!r}")


def _chapters_without_a_title(reviewed: Reviewed) -> Iterator[Mistake]:
    for entry in reviewed.entries["Chapters"]:
        if not entry.has("title") and not entry.has("working_title"):
            yield entry.mistake("chapter", "a chapter needs a title or a working title")


def _sources_of_nothing(reviewed: Reviewed) -> Iterator[Mistake]:
    entries = reviewed.entries
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


def _repeated_languages(reviewed: Reviewed) -> Iterator[Mistake]:
    repeated = [tag for tag, count in Counter(reviewed.languages).items() if count > 1]
    for entry in reviewed.entries["Exhibition"]:
        for tag in repeated:
            proposal = "; ".join(dict.fromkeys(reviewed.languages))
            yield entry.mistake("languages", f"the language {tag!r} is there twice", proposal)


def _dates_to_come(reviewed: Reviewed) -> Iterator[Mistake]:
    for sheet, column in (("Records", "date"), ("Chapters", "period")):
        for entry in reviewed.entries[sheet]:
            date = entry.values.get(column)
            if date and any(m.first_day > reviewed.today for m in _moments(date)):
                yield entry.mistake(column, f"{date} lies in the future", severity="warning")


def _moments(date: Date) -> Iterator[Moment]:
    for side in (date.start, date.end) if isinstance(date, Interval) else (date,):
        if isinstance(side, Moment):
            yield side


# -- listed pages


def _pages_without_a_scan(reviewed: Reviewed) -> Iterator[Mistake]:
    by_record = {record: [s.name for s in files] for record, files in reviewed.scans.items()}
    records = _by_identifier(reviewed.entries, "Records")
    for entry in reviewed.entries["Pages"]:
        record, file = entry.values.get("record", ""), entry.values.get("file")
        there = by_record.get(record, [])
        if record not in records:
            continue  # told already
        if file and Path(file.lower()).suffix not in SCANS:
            yield entry.mistake("file", f"{file!r} is not a kind of file that can be a page")
        elif file and file not in there:
            reason = f"there is no file {file!r} in the folder {record!r}"
            yield entry.mistake("file", reason, nearest(file, there))


def _leaves(reviewed: Reviewed) -> Iterator[Mistake]:
    scans = {scan.shown: scan for files in reviewed.scans.values() for scan in files}
    for entry in reviewed.entries["Pages"]:
        values = entry.values
        scan = scans.get(f"{values.get('record')}/{values.get('file')}")
        if scan is None or not scan.facts or scan.facts.problem:
            continue
        number, has = values.get("leaf", 0), f"{scan.name} has {scan.leaves} pages"
        if number > scan.leaves:
            yield entry.mistake("leaf", f"{has}, there is no page {number}", str(scan.leaves))
        elif not number and scan.leaves > 1 and values.get("page"):
            reason = f"{has}: say in the column 'leaf' which one {values['page']!r} is"
            yield entry.mistake("page", reason)


def _transcriptions(reviewed: Reviewed) -> Iterator[Mistake]:
    """A transcription is of one page: tell where it would stand at several, or nowhere."""
    of_row = Counter(id(slot.entry) for _, slot in reviewed.slots() if slot.entry)
    for entry in (*reviewed.entries["Pages"], *reviewed.entries.get(KEPT, ())):
        if not entry.has("transcription"):
            if "writing" in entry.values:
                reason = "it says how a transcription is written, and this row has none"
                yield entry.mistake("writing", reason, severity="warning")
        elif (pages := of_row[id(entry)]) > 1:
            reason = f"this row is {pages} pages: say in the column 'leaf' which one it transcribes"
            yield entry.mistake("transcription", reason)


def _repeated_pages(reviewed: Reviewed) -> Iterator[Mistake]:
    pages: dict[tuple[str, str], Entry] = {}
    files: dict[tuple[str, str, int], Entry] = {}
    for entry in reviewed.entries["Pages"]:
        values = entry.values
        record, page, file = (values.get(name, "") for name in ("record", "page", "file"))
        if page and pages.setdefault((record, page), entry) is not entry:
            yield entry.mistake("page", f"{record} has the page {page!r} already")
        key = (record, file, values.get("leaf", 1))
        if file and files.setdefault(key, entry) is not entry:
            yield entry.mistake("file", f"{record} has the file {file!r} already")


def _repeated_images(reviewed: Reviewed) -> Iterator[Mistake]:
    records = _by_identifier(reviewed.entries, "Records")
    first: dict[str, str] = {}
    for record, slot in reviewed.slots():
        image = f"{record}-{slot.page}"
        if first.setdefault(image, record) != record:
            reason = f"page {slot.page!r} gets the identifier {image!r}"
            yield records[record].mistake("record", f"{reason}, which {first[image]!r} has too")


def _kept_pages(reviewed: Reviewed) -> Iterator[Mistake]:
    gone = {(row.record, row.page) for row in reviewed.layout.gone}
    first: dict[tuple[str, str], Entry] = {}
    for entry in reviewed.entries.get(KEPT, ()):
        key = (entry.values.get("record", ""), entry.values.get("page", ""))
        if not key[1]:
            reason = "a row with a checksum is kept by the program, and needs its page"
            yield entry.mistake("page", reason)
        elif first.setdefault(key, entry) is not entry:
            yield entry.mistake("page", f"{key[0]} has the page {key[1]!r} already")
        elif key in gone:
            reason = f"the scan of page {key[1]!r} is gone: its address will lead nowhere"
            yield entry.mistake("file", reason, severity="warning")


def _shifted_leaves(reviewed: Reviewed) -> Iterator[Mistake]:
    """Pages inside a document are known by their number: tell where these may have moved."""
    scans = {scan.shown: scan for files in reviewed.scans.values() for scan in files}
    kept: dict[str, list[Entry]] = {}
    for entry in reviewed.entries.get(KEPT, ()):
        if "gone" not in entry.values:
            kept.setdefault(f"{entry.values['record']}/{entry.values.get('file')}", []).append(
                entry
            )
    for name, rows in kept.items():
        scan = scans.get(name)
        if scan is None or not scan.checksum or scan.leaves == len(rows):
            continue
        if scan.checksum != rows[0].values["checksum"]:
            now = f"{scan.name} had {len(rows)} pages and has {scan.leaves}"
            reason = f"{now}: pages of a document are known by their number, so that identifiers"
            yield rows[0].mistake("file", f"{reason} may now show other pages", severity="warning")


# -- scans


def _scans_without_a_row(reviewed: Reviewed) -> Iterator[Mistake]:
    records = _by_identifier(reviewed.entries, "Records")
    listed = {entry.values.get("record") for entry in reviewed.entries["Pages"]}
    used = {(record, slot.leaf.file) for record, slot in reviewed.slots()}
    for folder, files in reviewed.scans.items():
        if folder not in records:
            reason, proposal = "there is no record for this folder", nearest(folder, records)
            yield Mistake("Images", folder, folder, reason, proposal, "warning")
        elif folder in listed:
            for scan in files:
                if (folder, scan.name) not in used:
                    reason = "the pages of the record are listed, this one is not"
                    yield scan.mistake(reason, severity="warning")


def _records_without_pages(reviewed: Reviewed) -> Iterator[Mistake]:
    records = _by_identifier(reviewed.entries, "Records")
    listed = {entry.values.get("record") for entry in reviewed.entries["Pages"]}
    strays = [folder for folder in reviewed.scans if folder not in records]
    for name, entry in records.items():
        if name not in listed and not reviewed.layout.slots.get(name):
            there = name in reviewed.scans
            what = "its folder holds none" if there else "there is no such folder"
            reason = f"the record {name!r} has no scan: {what}"
            proposal = None if there else nearest(name, strays)
            yield entry.mistake("record", reason, proposal, severity="warning")


def _unreadable_scans(reviewed: Reviewed) -> Iterator[Mistake]:
    rows = _rows_of_files(reviewed.entries["Pages"])
    for scan in _shown(reviewed):
        if scan.facts and scan.facts.problem:
            entry = rows.get((scan.folder, scan.name))
            reason = f"{scan.shown} cannot be shown: {scan.facts.problem}"
            yield entry.mistake("file", reason) if entry else scan.mistake(reason)


def _rows_of_files(entries: Iterable[Entry]) -> dict[tuple[str, str], Entry]:
    return {(e.values.get("record", ""), e.values.get("file", "")): e for e in entries}


def _shown(reviewed: Reviewed) -> Iterator[ScanFile]:
    """Yield each scan that is a page, once."""
    scans = {slot.scan.shown: slot.scan for _, slot in reviewed.slots() if slot.scan}
    yield from scans.values()


def _equal_scans(reviewed: Reviewed) -> Iterator[Mistake]:
    first: dict[str, ScanFile] = {}
    for scan in _shown(reviewed):
        other = first.setdefault(scan.checksum, scan)
        if scan.checksum and other is not scan:
            yield scan.mistake(f"is the same file as {other.shown}", severity="warning")


def _wild_sizes(reviewed: Reviewed) -> Iterator[Mistake]:
    for slots in reviewed.layout.slots.values():
        sizes = [(slot, size) for slot in slots if (size := _size(slot))]
        if len(sizes) < 2:
            continue
        usual = median(max(size) for _, size in sizes)
        for slot, (width, height) in sizes:
            longest = max(width, height)
            if slot.scan and not usual / _WILD <= longest <= usual * _WILD:
                reason = f"page {slot.page!r} is {width} x {height} pixels"
                others = f"the record's pages are usually {usual:.0f} pixels long"
                yield slot.scan.mistake(f"{reason}, {others}", severity="warning")


def _size(slot: Slot) -> tuple[int, int] | None:
    sizes = slot.scan.facts.sizes if slot.scan and slot.scan.facts else ()
    return sizes[slot.leaf.leaf] if slot.leaf.leaf < len(sizes) else None


def _by_identifier(entries: Entries, sheet: str) -> dict[str, Entry]:
    return {entry.identifier: entry for entry in entries[sheet] if entry.identifier}


RULES: tuple[Rule, ...] = (
    _repeated_identifiers,
    _dangling_references,
    _circles_of_agents,
    _sections_of_other_chapters,
    _chapters_without_a_title,
    _sources_of_nothing,
    _repeated_languages,
    _dates_to_come,
    _pages_without_a_scan,
    _leaves,
    _transcriptions,
    _repeated_pages,
    _repeated_images,
    _kept_pages,
    _shifted_leaves,
    _scans_without_a_row,
    _records_without_pages,
    _unreadable_scans,
    _equal_scans,
    _wild_sizes,
)
