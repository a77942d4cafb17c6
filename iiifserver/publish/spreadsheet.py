"""Workbooks (`.xlsx`) as sheets, what they show read as text.

A workbook comes from strangers: its parts are unpacked within bounds and searched for what no
workbook needs before openpyxl sees it. Links to other files are not followed.
"""

from __future__ import annotations

import datetime
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from openpyxl import load_workbook

from iiifserver.errors import InvalidExhibition, Mistake
from iiifserver.publish.cells import nearest
from iiifserver.publish.tables import (
    MAX_COLUMNS,
    MAX_FILE_BYTES,
    MAX_ROWS,
    MAX_TEXT,
    OWN,
    Cell,
    Notes,
    Row,
    Sheet,
    Tables,
    column_letters,
    plain,
    sheet_of,
    too_long,
    unreadable,
)

MAX_UNPACKED_BYTES = 256 * 1024 * 1024
MAX_RATIO = 250
"""How much smaller a part may be when packed; sheets of repeated words reach about 60."""
MAX_PARTS = 1_000
MAX_CELLS = 5_000_000
_NOT_READ = {"help"}  # the tab of that name in our starter
_LAST_ROW = 1_048_576  # Excel's own
_BROKEN = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
    *(SyntaxError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
    AssertionError,
)
"""What openpyxl and zipfile raise over a file that is damaged, or made to do damage."""


def read_workbook(path: Path, names: Sequence[str]) -> Tables:
    """Return the sheets that *names* calls so, in whatever case and among blanks.

    A tab that is not in *names* is a mistake, unless its name says that it is its author's own.

    Raises:
        InvalidExhibition: it is no workbook, or one that is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what openpyxl cannot keep when it writes
            parts = _parts(path)
            return _read(path, parts, names)
    except _BROKEN as error:
        reason = str(error) or type(error).__name__
        raise _refused(path, f"it cannot be read as a workbook: {reason}") from error


def _refused(path: Path, reason: str) -> InvalidExhibition:
    return InvalidExhibition([Mistake(path.name, "", path.name, reason)])


# -- the file, before anything is made of it


def _parts(path: Path) -> dict[str, bytes]:
    """Return the XML parts of the sheets by their names, all parts looked at."""
    if path.stat().st_size > MAX_FILE_BYTES:
        raise _refused(path, f"it is larger than {MAX_FILE_BYTES} bytes")
    with path.open("rb") as file:
        if file.read(8) == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
            reason = "it is protected by a password, or an old .xls"
            raise _refused(path, f"{reason}; save it as an Excel workbook (.xlsx) without one")
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if len(infos) > MAX_PARTS or sum(i.file_size for i in infos) > MAX_UNPACKED_BYTES:
            raise _refused(path, f"unpacked it is larger than {MAX_UNPACKED_BYTES} bytes")
        if any(i.file_size > MAX_RATIO * max(i.compress_size, 4_096) for i in infos):
            raise _refused(path, "a part of it is packed too well to be a sheet")
        xml = [info for info in infos if info.filename.endswith((".xml", ".rels"))]
        sheets = {}
        for info in xml:
            part = archive.read(info)
            if _has_definitions(part):
                raise _refused(path, f"its part {info.filename} defines entities or is not UTF-8")
            if info.filename.startswith("xl/worksheets/"):
                sheets[info.filename] = part
    return sheets


def _has_definitions(part: bytes) -> bool:
    """Return whether an XML part defines something, or may hide it in another encoding."""
    declared = re.match(rb"\s*<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)", part)
    encoding = declared[1].lower() if declared else b"utf-8"
    return b"<!DOCTYPE" in part or b"\0" in part[:8] or encoding not in (b"utf-8", b"us-ascii")


@dataclass(frozen=True, slots=True)
class _Marks:
    """What openpyxl does not tell of a sheet that it only reads."""

    formulas: frozenset[str]
    merged: tuple[str, ...]
    hidden_rows: tuple[str, ...]
    hidden_columns: tuple[str, ...]


_P = rb"<(?:\w+:)?"  # an element may have a prefix
_FORMULA = re.compile(_P + rb"c\b([^>]*)>\s*" + _P + rb"f\b")
_REFERENCE = re.compile(rb"\br=[\"']([A-Z]+[0-9]+)")
_MERGED = re.compile(_P + rb"mergeCell\b[^>]*\bref=[\"']([A-Z0-9:]+)")
_HIDDEN_ROW = re.compile(_P + rb"row\b(?=[^>]*\shidden=[\"'](?:1|true))[^>]*\sr=[\"']([0-9]+)")
_HIDDEN_COLUMN = re.compile(
    _P + rb"col\b(?=[^>]*\shidden=[\"'](?:1|true))[^>]*\smin=[\"']([0-9]{1,5})"
)


def _marks(part: bytes) -> _Marks:
    formulas = [_REFERENCE.search(found[1]) for found in _FORMULA.finditer(part)]
    hidden = (int(each) - 1 for each in _HIDDEN_COLUMN.findall(part))
    return _Marks(
        formulas=frozenset(each[1].decode() if each else "" for each in formulas),
        merged=tuple(each.decode() for each in _MERGED.findall(part)),
        hidden_rows=tuple(each.decode() for each in _HIDDEN_ROW.findall(part)),
        hidden_columns=tuple(column_letters(index) for index in hidden),
    )


# -- its sheets


def _read(path: Path, parts: Mapping[str, bytes], names: Sequence[str]) -> Tables:
    book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
    sheets: list[Sheet] = []
    mistakes: list[Mistake] = []
    try:
        if not book.sheetnames:
            raise _refused(path, "it has no sheets; save it as an Excel workbook (.xlsx)")
        known = {name.lower(): name for name in names}
        for worksheet in book.worksheets:
            title = worksheet.title.strip()
            if title.startswith(OWN) or title.lower() in _NOT_READ:
                continue
            name = known.pop(title.lower(), None)
            if name is None:
                mistakes.append(_unknown_tab(worksheet.title, known))
                continue
            marks = _marks(parts[worksheet._worksheet_path])
            if worksheet.sheet_state != "visible":
                reason = "the tab is hidden; it is read all the same"
                mistakes.append(Mistake(name, "", worksheet.title, reason, severity="note"))
            reader = _Reader(path, name, marks)
            sheet = sheet_of(name, reader.rows(worksheet))
            if sheet:
                sheets.append(sheet)
            mistakes.extend(reader.told())
    finally:
        book.close()
    return Tables(tuple(sheets), tuple(mistakes))


def _unknown_tab(title: str, known: Iterable[str]) -> Mistake:
    reason = f"the tab {title!r} is not read; put an underscore before its name if it is your own"
    return Mistake(title, "", title, reason, nearest(title.lower(), known))


class _Shown(NamedTuple):
    """The text of a cell, and what is to be said of it."""

    text: str
    remark: str = ""


class _Reader:
    """Reads the cells of one sheet."""

    def __init__(self, path: Path, name: str, marks: _Marks) -> None:
        self._path = path
        self._name = name
        self._marks = marks
        self._notes = Notes(name)
        self._mistakes: list[Mistake] = []

    def rows(self, worksheet: Any) -> Iterator[Row]:
        worksheet.reset_dimensions()  # they may be false, and would then cut off cells
        letters: list[str] = []
        cells = filled = 0
        for number, row in enumerate(worksheet.rows, start=1):
            cells += len(row)
            filled += bool(row)
            if number > _LAST_ROW or filled > MAX_ROWS or cells > MAX_CELLS:
                raise unreadable(self._name, self._path, f"it has more than {MAX_ROWS} rows")
            while len(letters) < len(row):
                letters.append(column_letters(len(letters)))
            read = tuple(
                self._cell(f"{column}{number}", cell)
                for column, cell in zip(letters, row, strict=False)
            )
            if any(cell.value for cell in read[MAX_COLUMNS:]):
                reason = f"row {number} has more than {MAX_COLUMNS} columns"
                raise unreadable(self._name, self._path, reason)
            yield read[:MAX_COLUMNS]

    def _cell(self, reference: str, cell: Any) -> Cell:
        value = cell.value
        if value is None:
            if reference in self._marks.formulas and cell.data_type == "n":
                reason = "the formula has no value yet; open the workbook, and save it"
                self._mistakes.append(Mistake(self._name, reference, "", reason))
            return Cell(reference, "")
        if type(value) is str:
            shown = _Shown(_unescaped(value))
        else:
            shown = _as_shown(value, cell.number_format)
        read = Cell(reference, plain(shown.text))
        if reference in self._marks.formulas:
            self._notes.add(read, "the cell holds a formula; its value {} is read")
        elif shown.remark:
            self._notes.add(read, shown.remark)
        if len(read.value) > MAX_TEXT:
            self._mistakes.append(too_long(self._name, read))
        return read

    def told(self) -> Iterator[Mistake]:
        """Yield what was noticed, when all rows have been read."""
        yield from self._mistakes
        yield from self._notes.mistakes()
        marks = self._marks
        for place in marks.merged:
            first = place.partition(":")[0]
            reason = f"the cells {place} are merged: only {first} has the text, the others none"
            yield Mistake(self._name, first, place, reason, severity="warning")
        for kind, places in (("row", marks.hidden_rows), ("column", marks.hidden_columns)):
            if places:
                named = ", ".join(places[:5]) + (" ..." if len(places) > 5 else "")
                reason = f"hidden {kind}s are read all the same: {named}"
                yield Mistake(self._name, "", named, reason, severity="note")
        if "" in marks.formulas:
            reason = "there are formulas in cells that do not say where they are; save it anew"
            yield Mistake(self._name, "", self._path.name, reason)


_ESCAPED = re.compile(r"_x(0009|000A|000D|005F)_")


def _unescaped(text: str) -> str:
    """Return *text* with the control characters that workbooks write as `_x000D_`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x00" in text else text


def _as_shown(value: object, number_format: str | None) -> _Shown:
    """Return a number or date as its reader sees it, as far as its format is simple."""
    pattern = number_format or "General"
    if isinstance(value, bool):
        return _Shown(str(value).upper())
    if isinstance(value, datetime.datetime | datetime.date):
        return _Shown(_date_text(value, pattern), "the cell is a date; it is read as {}")
    if isinstance(value, int | float):
        return _number(value, pattern)
    return _Shown(str(value), "the cell is a time; it is read as {}")


def _date_text(value: datetime.date, pattern: str) -> str:
    """Return a date in ISO 8601, only as exact as it is shown: `Oct-72` is 1972-10."""
    letters = re.sub(r'"[^"]*"|\\.|\[[^\]]*\]', "", pattern.lower())
    if isinstance(value, datetime.datetime) and value.time() != datetime.time():
        return value.isoformat(timespec="seconds")
    day = value.isoformat()[:10]
    shows = {letter for letter in "dmye" if letter in letters}
    if "d" in shows or not shows & {"y", "e"}:
        return day
    return day[:7] if "m" in shows else day[:4]


def _number(value: float, pattern: str) -> _Shown:
    exact = str(int(value)) if value == int(value) else format(value, ".15g")
    if pattern in ("General", "@"):
        return _Shown(exact)
    if re.fullmatch("0+", pattern):  # leading zeros that are only shown
        return _Shown(f"{value:0{len(pattern)}.0f}")
    if found := re.fullmatch(r"0\.(0+)", pattern):
        return _Shown(f"{value:.{len(found[1])}f}")
    return _Shown(exact, f"the cell is a number, shown as {_braced(pattern)}; it is read as {{}}")


def _braced(pattern: str) -> str:
    return pattern.replace("{", "{{").replace("}", "}}")
