"""Sheets written as a workbook that explains itself: comments, drop-downs, a locked header.

Every cell is a text: a spreadsheet then leaves `1972-10`, `0012` and `=1+1` as they are. Equal
sheets give equal files, byte for byte.
"""

from __future__ import annotations

import datetime
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.comments import Comment
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties

from iiifserver.publish.columns import SHEETS, Column, Heading, known_headings
from iiifserver.publish.export import refuse_unwritable, settings
from iiifserver.publish.tables import Sheet, column_letters
from iiifserver.publish.words import words_in

TABS = ("Exhibition", "Chapters", "Sections", "Records", "Pages", "Agents", "Sources")
_LISTS = "_Lists"
_LAST_ROW, _LAST_COLUMN = 1_048_576, 16_384
_ROWS_OFFERED = 2_000
"""Of another sheet, in a drop-down."""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip file knows
_ESCAPED = re.compile("_(?=x[0-9A-Fa-f]{4}_)")

_BELOW = Border(bottom=Side("thin", "FFFFFF"))
_TOP = Alignment(vertical="top")
_WRAPPED = Alignment(vertical="top", wrap_text=True)
_FREE = Protection(locked=False)
_REQUIRED, _OPTIONAL = PatternFill("solid", "1F3A5F"), PatternFill("solid", "5B7A9D")
_WHITE = Font("Calibri", 11, bold=True, color="FFFFFF")
_GREY = Font("Calibri", 11, italic=True, color="666666")
_HEADING = Font("Calibri", 14, bold=True, color="1F3A5F")
_LINE_HEIGHT = 15


def write_workbook(sheets: Sequence[Sheet], path: Path, help_lines: Sequence[str]) -> None:
    """Write *sheets* to the new file *path*, with a tab Help of *help_lines*.

    A line that begins with `# ` is a heading.

    Raises:
        InvalidExhibition: a text cannot be written; no file has been made.
    """
    for sheet in sheets:
        refuse_unwritable(sheet)
    body = _packed_anew(_book(sheets, help_lines))
    with path.open("xb") as file:
        file.write(body)


def _book(sheets: Sequence[Sheet], help_lines: Sequence[str]) -> Workbook:
    book = Workbook(write_only=True)
    by_name = {sheet.name: sheet for sheet in sheets}
    for name in TABS:
        if name in by_name:
            tab = _Tab(book, by_name[name], by_name)
            tab.write()
    _write_help(book, help_lines)
    _write_lists(book)
    return book


class _Tab:
    """Writes one sheet: settings one below the other, anything else as it is."""

    def __init__(self, book: Workbook, sheet: Sheet, sheets: Mapping[str, Sheet]) -> None:
        self._sheet = sheet
        self._sheets = sheets
        self._to = book.create_sheet(sheet.name)
        names = [cell.value for cell in sheet.header]
        self._headings = known_headings(sheet.name, names)

    def write(self) -> None:
        self._to.freeze_panes = "B2"
        _protect(self._to)
        _print_on_one_width(self._to)
        if self._sheet.name == "Exhibition":
            self._write_settings()
        else:
            self._write_rows()

    def _write_rows(self) -> None:
        for index, heading in enumerate(self._headings):
            letters = column_letters(index)
            self._style_column(index, _width(heading), wrapped=_is_long(heading))
            self._offer(heading, f"{letters}2:{letters}{_LAST_ROW}")
        self._style_rest(len(self._headings))
        names = (cell.value for cell in self._sheet.header)
        self._to.append([self._title(n, h) for n, h in zip(names, self._headings, strict=True)])
        blank = self._styled("", _TOP), self._styled("", _WRAPPED)
        kinds = [blank[_is_long(heading)] for heading in self._headings]
        for row in self._sheet.rows:
            self._to.append(
                [_text(self._to, c.value, kind) for c, kind in zip(row, kinds, strict=False)]
            )

    def _write_settings(self) -> None:
        self._style_column(0, 26, wrapped=False)
        self._style_column(1, 60, wrapped=True)
        self._style_column(2, 70, wrapped=True)
        rows = settings(self._sheet)
        for number, setting in enumerate(rows, start=2):
            self._offer(setting.heading, f"B{number}")
        self._to.append([self._title(name, None) for name in ("setting", "value", "_meaning")])
        for number, (name, value, heading) in enumerate(rows, start=2):
            title, meaning = self._title(name, heading), _text(self._to, _meaning(heading))
            meaning.font, meaning.alignment = _GREY, _WRAPPED
            _make_room(self._to, number, (value, 60), (_meaning(heading), 70))
            self._to.append([title, self._styled(value, _WRAPPED), meaning])

    def _style_column(self, index: int, width: float, *, wrapped: bool) -> None:
        column = self._to.column_dimensions[column_letters(index)]
        column.width = width
        column.number_format = "@"
        column.alignment = _WRAPPED if wrapped else _TOP
        column.protection = _FREE

    def _style_rest(self, first: int) -> None:
        """Leave the columns after the last one free, for columns that are added later."""
        letters = column_letters(first)
        self._style_column(first, 16, wrapped=False)
        column = self._to.column_dimensions[letters]
        column.min, column.max = first + 1, _LAST_COLUMN

    def _styled(self, value: str, alignment: Alignment) -> Any:
        cell = _text(self._to, value)
        cell.number_format, cell.alignment, cell.protection = "@", alignment, _FREE
        return cell

    def _title(self, name: str, heading: Heading | None) -> Any:
        cell = _text(self._to, name)
        required = heading is None or heading.column.required
        cell.fill, cell.font = (_REQUIRED if required else _OPTIONAL), _WHITE
        cell.alignment, cell.border = _TOP, _BELOW
        if heading:
            cell.comment = _comment(self._sheet.name, heading)
        return cell

    def _offer(self, heading: Heading | None, cells: str) -> None:
        """Offer what may stand in *cells* as a drop-down; other values are asked about."""
        source = self._source(heading.column) if heading else ""
        if source:
            offered = DataValidation(type="list", formula1=source, allow_blank=True)
            offered.error = "This value is not in the list. Keep it all the same?"
            offered.errorStyle, offered.showErrorMessage = "warning", True
            offered.add(cells)
            self._to.data_validations.append(offered)

    def _source(self, column: Column) -> str:
        if column.choices:
            index = [each.name for each in _with_choices()].index(column.name)
            letters = column_letters(index)
            return f"{_LISTS}!${letters}$2:${letters}${len(column.choices) + 1}"
        other = self._sheets.get(column.refers_to or "")
        if other is None or column.several:
            return ""
        key = SHEETS[other.name][0].name
        names = [h and h.column.name for h in known_headings(other.name, _names(other))]
        letters = column_letters(names.index(key)) if key in names else ""
        return letters and f"{other.name}!${letters}$2:${letters}${_ROWS_OFFERED}"


def _names(sheet: Sheet) -> list[str]:
    return [cell.value for cell in sheet.header]


def _text(to: Any, value: str, like: Any = None) -> Any:
    """Return a cell with a text, whatever else it looks like, in the style of the cell *like*."""
    cell = WriteOnlyCell(to)
    cell.value = _ESCAPED.sub("_x005F_", value)
    cell.data_type = "s"
    if like is not None:
        cell._style = like._style
    return cell


def _is_long(heading: Heading | None) -> bool:
    return bool(heading and (heading.column.by_language or heading.column.several))


def _width(heading: Heading | None) -> float:
    if heading is None:
        return 16
    return 36 if _is_long(heading) else max(14, len(heading.name) + 4)


def _meaning(heading: Heading | None) -> str:
    if heading is None:
        return ""
    about = words_in("en").about("Exhibition", heading.column.name)
    return f"{'Required. ' if heading.column.required else ''}{about.meaning}"


def _comment(sheet: str, heading: Heading) -> Comment:
    about = words_in("en").about(sheet, heading.column.name)
    required = "Required, in one language at least." if heading.language else "Required."
    lines = [required if heading.column.required else "May be left empty.", about.meaning]
    if heading.language:
        lines.append(f"In the language {heading.language}.")
    if heading.column.several:
        lines.append("Several values: put a semicolon between them.")
    lines.append(f"Example: {about.example}")
    return Comment("\n".join(lines), "iiifserver", width=340, height=40 + 24 * len(lines))


def _protect(to: Any) -> None:
    """Lock the header, without a password; rows may be added, deleted and sorted."""
    to.protection.sheet = True
    for name in ("Cells", "Columns", "Rows"):
        setattr(to.protection, f"format{name}", False)
    to.protection.insertRows = to.protection.deleteRows = False
    to.protection.sort = to.protection.autoFilter = False


def _print_on_one_width(to: Any) -> None:
    to.page_setup.orientation = "landscape"
    to.page_setup.fitToHeight = 0
    to.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _write_help(book: Workbook, lines: Iterable[str]) -> None:
    to = book.create_sheet("Help")
    to.column_dimensions["A"].width = 110
    to.sheet_view.showGridLines = False
    _print_on_one_width(to)
    for number, line in enumerate(lines, start=1):
        cell = _text(to, line.removeprefix("# "))
        cell.alignment = _WRAPPED
        if line.startswith("# "):
            cell.font = _HEADING
        else:
            _make_room(to, number, (line, 110))
        to.append([cell])


def _make_room(to: Any, row: int, *texts: tuple[str, int]) -> None:
    """Make a row as high as its texts need in columns of the given widths, in letters.

    Excel finds this out by itself, LibreOffice does not.
    """
    needed = max(
        sum(1 + _letters(line) // width for line in text.split("\n")) for text, width in texts
    )
    to.row_dimensions[row].height = min(needed, 20) * _LINE_HEIGHT


def _letters(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def _with_choices() -> list[Column]:
    """Return the columns for whose cells there is a list, one of each name."""
    columns = {c.name: c for each in SHEETS.values() for c in each if c.choices}
    return list(columns.values())


def _write_lists(book: Workbook) -> None:
    to = book.create_sheet(_LISTS)
    to.sheet_state = "hidden"
    columns = _with_choices()
    to.append([_text(to, column.name) for column in columns])
    for number in range(max(len(column.choices) for column in columns)):
        values = (c.choices[number] if number < len(c.choices) else "" for c in columns)
        to.append([_text(to, value) for value in values])


def _packed_anew(book: Workbook) -> bytes:
    """Return the workbook as a file in which no moment stands that would differ another time."""
    saved, packed = BytesIO(), BytesIO()
    book.properties.creator = "iiifserver"
    book.save(saved)
    first = datetime.datetime(*_EPOCH).isoformat().encode()  # noqa: DTZ001  # written without one
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(packed, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            if name == "docProps/core.xml":
                part = re.sub(rb"[0-9-]{10}T[0-9:]{8}(?=Z?<)", first, part)
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(info, part)
    return packed.getvalue()
