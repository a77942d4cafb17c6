"""Which pages each record has: those that its author lists, else all scans of its folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from iiifserver.publish.entries import KEPT, Entries, Entry
from iiifserver.publish.folders import ScanFile, Scans
from iiifserver.publish.pages import Kept, Leaf, assign


@dataclass(frozen=True, slots=True)
class Remembered:
    """What editions tell of the pages of a record, where `pages.csv` does not."""

    highest: int = 0
    """The highest number that a page ever had, given or assigned."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The page of each file of the current edition that is one page."""


NOTHING_PUBLISHED: Mapping[str, Remembered] = {}


@dataclass(frozen=True, slots=True)
class Slot:
    """A page: a leaf of a scan, and the row that tells of it where there is one."""

    leaf: Leaf
    scan: ScanFile | None
    entry: Entry | None
    page: str = ""
    given: bool = False
    """Whether the record's author gave the identifier."""

    @property
    def file(self) -> str:
        """The name of the scan as it is on the disk, where composed and decomposed differ."""
        return self.scan.original.key.rpartition("/")[2] if self.scan else self.leaf.file


@dataclass(frozen=True, slots=True)
class Layout:
    """The pages of every record, and what is to be kept of them."""

    slots: Mapping[str, tuple[Slot, ...]]
    kept: tuple[Kept, ...]
    new: tuple[Kept, ...]
    gone: tuple[Kept, ...]


def lay_out(
    entries: Entries, scans: Scans, published: Mapping[str, Remembered] = NOTHING_PUBLISHED
) -> Layout:
    """Return the pages of all records; those without an identifier are assigned one."""
    listed = _by_record(entries["Pages"])
    remembered = _by_record(entries.get(KEPT, ()))
    records = dict.fromkeys(entry.identifier for entry in entries["Records"] if entry.identifier)
    slots: dict[str, tuple[Slot, ...]] = {}
    kept: list[Kept] = []
    new: list[Kept] = []
    gone: list[Kept] = []
    for record in dict.fromkeys((*records, *remembered)):
        rows = remembered.get(record, [])
        before = [_kept(entry) for entry in rows]
        if record not in records:
            kept.extend(before)
            continue
        found = list(_slots(listed.get(record), scans.get(record, ())))
        unnamed = [slot.leaf for slot in found if not slot.given]
        taken = {slot.page for slot in found if slot.given}
        told = published.get(record, Remembered())
        known = [*before, *_told(record, told, {*taken, *(row.page for row in before)})]
        assigned = assign(record, unnamed, known, taken, told.highest)
        slots[record] = tuple(_named(found, assigned.pages, rows))
        # of a page that is gone, and that no list remembered, its number is enough
        kept.extend(row for row in assigned.kept if row.checksum or not row.gone)
        new.extend(assigned.new)
        gone.extend(assigned.gone)
    return Layout(slots, tuple(kept), tuple(new), tuple(gone))


def _told(record: str, told: Remembered, known: Collection[str]) -> Iterator[Kept]:
    """Yield the pages that only editions remember: by name, since their checksum is not known."""
    for file, page in told.files.items():
        if page not in known:
            yield Kept(record, page, file, 0, "")


def _by_record(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.values.get("record"):
            found.setdefault(entry.values["record"], []).append(entry)
    return found


def _kept(entry: Entry) -> Kept:
    values = entry.values
    return Kept(
        values["record"],
        values.get("page", ""),
        values.get("file", ""),
        values.get("leaf", 1) - 1,
        values["checksum"],
        "gone" in values,
    )


def _slots(listed: Sequence[Entry] | None, scans: Sequence[ScanFile]) -> Iterator[Slot]:
    """Yield the pages in their order, those that are given an identifier with it."""
    if listed is None:
        for scan in scans:
            for leaf in range(scan.leaves):
                yield Slot(Leaf(scan.name, leaf, scan.checksum), scan, None)
        return
    there = {scan.name: scan for scan in scans}
    for entry in listed:
        file, page, number = (entry.values.get(name) for name in ("file", "page", "leaf"))
        if not file:
            continue
        found = there.get(file)
        leaves = [number - 1] if number else range(found.leaves if found else 1)
        for leaf in leaves:
            given = page if page and leaf == leaves[0] else ""
            content = Leaf(file, leaf, found.checksum if found else "")
            yield Slot(content, found, entry, given, bool(given))


def _named(slots: Iterable[Slot], pages: Iterable[str], rows: Iterable[Entry]) -> Iterator[Slot]:
    """Yield *slots* with *pages* as the identifiers of those that were given none."""
    told = {entry.values.get("page"): entry for entry in rows}
    names = iter(pages)
    for slot in slots:
        if slot.given:
            yield slot
        else:
            page = next(names)
            yield replace(slot, page=page, entry=slot.entry or told.get(page))
