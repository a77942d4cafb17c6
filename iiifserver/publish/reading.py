"""The sheets of an exhibition, found in its folder: one workbook, or TOML and CSV files.

A folder of files holds `exhibition.toml`, `chapters.csv`, `records.csv` and, as wanted,
`sections.csv`, `pages.csv`, `agents.csv` and `sources.csv`; a workbook has tabs of these names. In
its tab Exhibition the settings stand one below the other, between the headings `setting` and
`value`. Files, tabs and columns whose names begin with an underscore are their author's own.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

from iiifserver.errors import InvalidExhibition, Mistake
from iiifserver.publish.cells import nearest
from iiifserver.publish.columns import SHEETS
from iiifserver.publish.tables import OWN, Sheet, Tables, read_csv, read_toml
from iiifserver.publish.widths import narrowed
from iiifserver.publish.words import spellings

FILES = {
    name: "exhibition.toml" if name == "Exhibition" else f"{name.lower()}.csv" for name in SHEETS
}
"""The file in which each sheet stands where there is no workbook."""
PAGES_FILE = FILES["Pages"]
"""Stands beside a workbook too: the identifiers that pages were given are kept in it."""
_STEMS = {Path(file).stem: file for file in FILES.values()}
_NEEDED = ("Exhibition", "Chapters", "Records")
_SIMILAR = (".xls", ".xlsm", ".xlsb", ".ods", ".numbers")
_READ = (".csv", ".toml", ".xlsx", *_SIMILAR)


def read_tables(place: Path) -> Tables:
    """Return the sheets in *place*, a folder or a workbook, and all that is wrong with the files.

    What cannot be read is among the mistakes, and the rest is read all the same.
    """
    if place.is_file():
        tables = _from_workbook(place)
    else:
        files = _files(place)
        books = [file for file in files.values() if file.suffix.lower() == ".xlsx"]
        if books:
            others = [name for name in files if name in FILES.values() and name != PAGES_FILE]
            tables = _from_workbook(books[0])
            tables = _with(tables, _too_many([book.name for book in books], others))
        else:
            tables = _from_files(place, files)
        tables = _with(tables, _strangers(files))
    return _settled(tables)


def _files(folder: Path) -> dict[str, Path]:
    """Return the files in *folder* that look like sheets, by their names in small letters."""
    return {
        entry.name.lower(): entry
        for entry in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if entry.suffix.lower() in _READ
        and not entry.name.startswith((OWN, ".", "~"))  # of others, hidden, open in Excel
        and entry.is_file()
    }


def _with(tables: Tables, mistakes: Iterator[Mistake]) -> Tables:
    return Tables(tables.sheets, (*tables.mistakes, *mistakes))


def _too_many(books: list[str], others: list[str]) -> Iterator[Mistake]:
    for name in (*books[1:], *others):
        reason = f"{name}: the sheets are in {books[0]} already; begin its name with an underscore"
        yield Mistake(name, "", name, f"{reason} if it is not to be read")


def _strangers(files: Mapping[str, Path]) -> Iterator[Mistake]:
    for name, path in files.items():
        if path.suffix.lower() in _SIMILAR:
            reason = f"{path.name} is not read; save it as an Excel workbook (.xlsx)"
            yield Mistake(path.name, "", path.name, reason)
        elif name not in FILES.values() and path.suffix.lower() != ".xlsx":
            reason = f"{path.name} is no sheet; begin its name with an underscore if it is your own"
            meant = nearest(path.stem.lower(), _STEMS)
            yield Mistake(path.name, "", path.name, reason, meant and _STEMS[meant])


def _from_files(folder: Path, files: Mapping[str, Path]) -> Tables:
    sheets: list[Sheet] = []
    mistakes: list[Mistake] = []
    for name, file in FILES.items():
        path = files.get(file, folder / file)
        if file in files or name in _NEEDED:
            try:
                read = (read_toml if path.suffix == ".toml" else read_csv)(path, name)
            except InvalidExhibition as error:
                mistakes.extend(error.mistakes)
            else:
                sheets.extend(read.sheets)
                mistakes.extend(read.mistakes)
    return Tables(tuple(sheets), tuple(mistakes))


def _from_workbook(path: Path) -> Tables:
    from iiifserver.publish.spreadsheet import read_workbook  # takes 0.2 s to import

    try:
        tables = read_workbook(path, tuple(SHEETS))
    except InvalidExhibition as error:
        return Tables((), error.mistakes)
    there = {sheet.name for sheet in tables.sheets}
    missing = (
        Mistake(name, "", path.name, f"{path.name} has no tab {name} with a row of headings")
        for name in _NEEDED
        if name not in there
    )
    return _with(tables, missing)


# -- sheets as they are meant


def _settled(tables: Tables) -> Tables:
    """Return the sheets with settings in one row, and codes in letters of usual width."""
    sheets: list[Sheet] = []
    mistakes = list(tables.mistakes)
    for read in tables.sheets:
        turned, beside = _in_one_row(read) if read.name == "Exhibition" else (read, [])
        sheet, notes = narrowed(turned)
        sheets.append(sheet)
        mistakes.extend((*beside, *notes))
    return Tables(tuple(sheets), tuple(mistakes))


def _in_one_row(sheet: Sheet) -> tuple[Sheet, list[Mistake]]:
    """Return a sheet of settings as a sheet of one row, and what was left over.

    The settings stand one below the other, or side by side as the columns of other sheets do.
    """
    headings = [unicodedata.normalize("NFKC", cell.value).lower() for cell in sheet.header[:2]]
    expected = (spellings("setting"), spellings("value"))
    if len(headings) < 2 or any(h not in s for h, s in zip(headings, expected, strict=True)):
        further = [
            Mistake(sheet.name, cell.reference, cell.value, "the sheet has one row of values only")
            for row in sheet.rows[1:]
            for cell in row
            if cell.value
        ]
        return Sheet(sheet.name, sheet.header, sheet.rows[:1] or ((),)), further
    beside = [
        Mistake(sheet.name, cell.reference, cell.value, "beside a setting stands one value only")
        for row in (sheet.header, *sheet.rows)
        for cell in row[2:]
        if cell.value
    ]
    header = tuple(row[0] for row in sheet.rows)
    values = tuple(row[1] if len(row) > 1 else row[0]._replace(value="") for row in sheet.rows)
    return Sheet(sheet.name, header, (values,)), beside
