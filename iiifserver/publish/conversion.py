"""A workbook as TOML and CSV files, and files as a workbook, with the same sheets in them."""

from __future__ import annotations

from pathlib import Path

from iiifserver.errors import InvalidExhibition, InvalidValue, Mistake
from iiifserver.publish.export import settings, write_files
from iiifserver.publish.reading import PAGES_FILE, read_tables
from iiifserver.publish.starter import help_text
from iiifserver.publish.tables import SEPARATOR, Sheet, Tables, read_csv


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
    if target.suffix.lower() == ".xlsx":
        from iiifserver.publish.workbook import write_workbook  # takes 0.2 s to import

        write_workbook(sheets, target, help_text(_languages(sheets), "xlsx").splitlines())
    else:
        write_files(sheets, target)
    return mistakes


def _with_pages(source: Path, tables: Tables) -> Tables:
    """Return *tables* with the pages whose identifiers are kept beside a workbook."""
    kept = (source.parent if source.is_file() else source) / PAGES_FILE
    if any(sheet.name == "Pages" and sheet.rows for sheet in tables.sheets) or not kept.exists():
        return tables
    others = (sheet for sheet in tables.sheets if sheet.name != "Pages")
    pages = read_csv(kept, "Pages")
    return Tables((*others, *pages.sheets), (*tables.mistakes, *pages.mistakes))


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
