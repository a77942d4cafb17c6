"""A workbook as TOML and CSV files, and files as a workbook, with the same sheets in them."""

from __future__ import annotations

from pathlib import Path

from iiifserver.errors import InvalidExhibition, InvalidValue, Mistake
from iiifserver.publish.columns import known_headings
from iiifserver.publish.export import settings, write_files
from iiifserver.publish.reading import PAGES_FILE, read_tables
from iiifserver.publish.starter import help_text
from iiifserver.publish.tables import SEPARATOR, Cell, Sheet, Tables, column_letters, read_csv


def convert(source: Path, target: Path) -> tuple[Mistake, ...]:
    """Write the sheets in *source* in the other form to *target*; return what was noticed.

    Both are a workbook or a folder, *target* is what its name says. It must not be there yet.

    Raises:
        InvalidExhibition: the sheets cannot be read, or not be written; nothing has been made.
        InvalidValue: the target is there.
    """
    if target.exists():
        raise InvalidValue(f"{target} is there already, and nothing is overwritten")
    sheets, mistakes = _with_pages(source, read_tables(source))
    if any(mistake.severity == "error" for mistake in mistakes):
        raise InvalidExhibition(mistakes)
    try:
        if target.suffix.lower() == ".xlsx":
            from iiifserver.publish.workbook import write_workbook  # takes 0.2 s to import

            write_workbook(sheets, target, help_text(_languages(sheets), "xlsx").splitlines())
        else:
            write_files(sheets, target)
    except OSError as error:
        raise InvalidValue(f"{target} cannot be written: {error.strerror or error}") from error
    return mistakes


def _with_pages(source: Path, tables: Tables) -> Tables:
    """Return *tables* with the identifiers of pages that are kept beside a workbook."""
    kept = (source.parent if source.is_file() else source) / PAGES_FILE
    if not kept.exists() or (source.is_dir() and not any(source.glob("*.[xX][lL][sS][xX]"))):
        return tables  # a folder of files: they are in the sheet
    [pages], mistakes = read_csv(kept, "Pages")
    sheets = [sheet for sheet in tables.sheets if sheet.name != "Pages"]
    own = [sheet for sheet in tables.sheets if sheet.name == "Pages"]
    sheets.append(_completed(own[0], pages) if own else pages)
    return Tables(tuple(sheets), (*tables.mistakes, *mistakes))


_Fields = dict[str, str]


def _completed(own: Sheet, kept: Sheet) -> Sheet:
    """Return the author's sheet of pages with what is remembered of them, in one sheet."""
    names, rows = _fields(own)
    more, remembered = _fields(kept)
    known = {_page(row): row for row in remembered}
    whole = [{**known.pop(_page(row), {}), **{n: v for n, v in row.items() if v}} for row in rows]
    header = [*names, *(name for name in more if name not in names)]
    table = [header, *([row.get(name, "") for name in header] for row in [*whole, *known.values()])]
    cells = [
        tuple(Cell(f"{column_letters(x)}{y}", text) for x, text in enumerate(line))
        for y, line in enumerate(table, start=1)
    ]
    return Sheet(own.name, cells[0], tuple(cells[1:]))


def _fields(sheet: Sheet) -> tuple[list[str], list[_Fields]]:
    """Return the headings of a sheet as the program calls them, and its rows by heading."""
    written = [cell.value for cell in sheet.header]
    found = zip(written, known_headings(sheet.name, written), strict=True)
    names = [heading.name if heading else name for name, heading in found]
    texts = ([cell.value for cell in row] for row in sheet.rows)
    return names, [dict(zip(names, row, strict=False)) for row in texts]


def _page(row: _Fields) -> tuple[str, str, str]:
    return row.get("record", ""), row.get("file", ""), row.get("leaf", "")


def _languages(sheets: tuple[Sheet, ...]) -> list[str]:
    named = (
        setting.value
        for sheet in sheets
        if sheet.name == "Exhibition"
        for setting in settings(sheet)
        if setting.heading and setting.heading.column.name == "languages"
    )
    tags = next(named, "").split(SEPARATOR)
    return [tag.strip() for tag in tags if tag.strip()] or ["en"]
