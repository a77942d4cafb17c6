"""An exhibition's sheets and scans, read whole: its values, or every mistake at once.

`read` reads sheets and the names of scans; `review` also takes in what was found out of the scans
(`examined.examine`), and tells which identifiers pages are given. Neither writes anything.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from iiifserver.errors import InvalidExhibition, Mistake
from iiifserver.homes import Home
from iiifserver.publish.assembly import assemble
from iiifserver.publish.columns import SHEETS
from iiifserver.publish.entries import KEPT, Entry, read_entries
from iiifserver.publish.folders import Found, list_scans
from iiifserver.publish.layout import NOTHING_PUBLISHED, Layout, Remembered, lay_out
from iiifserver.publish.reading import PAGES_FILE, read_tables
from iiifserver.publish.rules import RULES, Reviewed
from iiifserver.publish.suspicions import SUSPICIONS
from iiifserver.publish.tables import OWN, Sheet, Tables, read_csv
from iiifserver.records import Exhibition


class Reading(NamedTuple):
    """What was read; there is no exhibition if any mistake is an error."""

    exhibition: Exhibition | None
    mistakes: tuple[Mistake, ...]


class Review(NamedTuple):
    """What was read, and all that can be said of it."""

    exhibition: Exhibition | None
    mistakes: tuple[Mistake, ...]
    reviewed: Reviewed

    @property
    def layout(self) -> Layout:
        """The pages of every record; `pages.keep` keeps them."""
        return self.reviewed.layout


def load(folder: Path, images: Home) -> Exhibition:
    """Return the exhibition in *folder*, whose scans are in *images*.

    Raises:
        InvalidExhibition: it has errors; all mistakes are in it.
    """
    exhibition, mistakes = read(folder, images)
    if exhibition is None:
        raise InvalidExhibition(mistakes)
    return exhibition


def read(folder: Path, images: Home) -> Reading:
    """Return the exhibition in *folder* and all that is wrong with it, warnings too.

    Scans are not opened: each file is one page, and is known again by its name only.
    """
    return Reading(*review(folder, images)[:2])


def review(
    place: Path,
    images: Home,
    examine: Callable[[Found], Found] = lambda found: found,
    published: Mapping[str, Remembered] = NOTHING_PUBLISHED,
) -> Review:
    """Return the exhibition at *place*, a folder or a workbook, and all that is wrong with it.

    *examine* completes what was found in *images* by what the scans themselves say; *published*
    is what editions remember of pages, by record.
    """
    tables = _with_kept(read_tables(place), place)
    found = examine(list_scans(images))
    return review_sheets(tables.sheets, found, tables.mistakes, published)


def pages_file(place: Path) -> Path:
    """Return where the pages of the exhibition at *place* are kept."""
    return (place.parent if place.is_file() else place) / PAGES_FILE


def _with_kept(tables: Tables, place: Path) -> Tables:
    """Return *tables* with the sheet of pages that stands beside a workbook, if there is one."""
    path = pages_file(place)
    if not path.exists() or not (place.is_file() or _workbooks(place)):
        return tables
    try:
        kept = read_csv(path, "Pages")
    except InvalidExhibition as error:
        return Tables(tables.sheets, (*tables.mistakes, *error.mistakes))
    return Tables((*tables.sheets, *kept.sheets), (*tables.mistakes, *kept.mistakes))


def _workbooks(folder: Path) -> list[Path]:
    found = (path for path in folder.glob("*") if path.suffix.lower() == ".xlsx")
    return [path for path in found if not path.name.startswith((OWN, ".", "~"))]


def review_sheets(
    sheets: Iterable[Sheet],
    found: Found,
    before: Iterable[Mistake] = (),
    published: Mapping[str, Remembered] = NOTHING_PUBLISHED,
) -> Review:
    """Return the exhibition that *sheets* describe, and what is wrong with it and with *found*.

    *before* are the mistakes that kept sheets from being read at all.
    """
    mistakes = list(before)
    there = list(sheets)
    languages = _languages(there)
    entries: dict[str, list[Entry]] = {name: [] for name in (*SHEETS, KEPT)}
    for sheet in there:
        for entry in read_entries(sheet, languages, mistakes):
            entries[KEPT if "checksum" in entry.values else sheet.name].append(entry)
    layout = lay_out(entries, found.scans, published)
    today = datetime.datetime.now(datetime.UTC).date()
    reviewed = Reviewed(entries, found.scans, layout, languages or (), today)
    mistakes.extend(found.mistakes)
    for rule in (*RULES, *SUSPICIONS):
        mistakes.extend(rule(reviewed))
    if any(mistake.severity == "error" for mistake in mistakes):
        return Review(None, tuple(mistakes), reviewed)
    return Review(assemble(entries, layout), tuple(mistakes), reviewed)


def _languages(sheets: Iterable[Sheet]) -> tuple[str, ...] | None:
    """Return the languages that the sheet of the exhibition declares, None where unknown."""
    settings = (sheet for sheet in sheets if sheet.name == "Exhibition")
    entries = [entry for sheet in settings for entry in read_entries(sheet, None, [])]
    return next((entry.values.get("languages") for entry in entries), None)
