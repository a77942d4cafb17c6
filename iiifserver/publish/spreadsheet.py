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
from pathlib import Path
from typing import NamedTuple
from xml.parsers.expat import ExpatError

from openpyxl.reader.excel import ExcelReader
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import from_excel
from openpyxl.xml.constants import ARC_STYLE

from iiifserver.errors import InvalidExhibition, InvalidValue, Mistake
from iiifserver.publish.cells import nearest
from iiifserver.publish.sheetxml import (
    RawCell,
    RawSheet,
    number_formats,
    raw_sheet,
    shared_strings,
)
from iiifserver.publish.tables import (
    MAX_COLUMNS,
    MAX_FILE_BYTES,
    MAX_TEXT,
    OWN,
    Cell,
    Notes,
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
_NOT_READ = {"help"}  # the tab of that name in our starter
_BROKEN = (
    *(OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError),
    *(SyntaxError, ExpatError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
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
    """Return the XML parts by their names, when all have been looked at."""
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
        if any(i.compress_size > path.stat().st_size for i in infos):
            raise _refused(path, "it ends before one of its parts")  # as much would be reserved
        if any(i.file_size > MAX_RATIO * max(i.compress_size, 4_096) for i in infos):
            raise _refused(path, "a part of it is packed too well to be a sheet")
        names = [info.filename for info in infos if info.filename.endswith((".xml", ".rels"))]
        parts = {name: archive.read(name) for name in names}
    for name, part in parts.items():
        if _has_definitions(part):
            raise _refused(path, f"its part {name} defines entities, or is not UTF-8")
    return parts


def _has_definitions(part: bytes) -> bool:
    """Return whether an XML part defines something, or may hide it in another encoding."""
    declared = re.match(rb"\s*<\?xml[^>]*encoding\s*=\s*[\"']([^\"']*)", part)
    encoding = declared[1].lower() if declared else b"utf-8"
    return b"<!DOCTYPE" in part or b"\0" in part[:8] or encoding not in (b"utf-8", b"us-ascii")


# -- its sheets


def _read(path: Path, parts: Mapping[str, bytes], names: Sequence[str]) -> Tables:
    book = ExcelReader(path, read_only=True, data_only=True, keep_links=False)
    sheets: list[Sheet] = []
    mistakes: list[Mistake] = []
    try:
        book.read_manifest()
        book.read_workbook()
        reader = _Reader(path, _strings(parts), _formats(parts), book.wb.epoch)
        known = {name.lower(): name for name in names}
        for tab, relation in book.parser.find_sheets():
            title = tab.name.strip()
            if title.startswith(OWN) or title.lower() in _NOT_READ:
                continue
            name = known.pop(title.lower(), None)
            if name is None:
                mistakes.append(_unknown_tab(tab.name, known))
                continue
            if tab.state != "visible":
                reason = "the tab is hidden; it is read all the same"
                mistakes.append(Mistake(name, "", tab.name, reason, severity="note"))
            sheet, told = reader.read(name, parts[relation.target])
            sheets.extend([sheet] if sheet else [])
            mistakes.extend(told)
    finally:
        book.archive.close()
    return Tables(tuple(sheets), tuple(mistakes))


def _strings(parts: Mapping[str, bytes]) -> Sequence[str]:
    part = next((part for name, part in parts.items() if name.endswith("/sharedStrings.xml")), None)
    return shared_strings(part) if part else ()


def _formats(parts: Mapping[str, bytes]) -> Sequence[str]:
    """Return the number format of each style."""
    part = parts.get(ARC_STYLE)
    if part is None:
        return ()
    styles, own = number_formats(part)
    return [own.get(number) or BUILTIN_FORMATS.get(number, "General") for number in styles]


def _unknown_tab(title: str, known: Iterable[str]) -> Mistake:
    reason = f"the tab {title!r} is not read; put an underscore before its name if it is your own"
    return Mistake(title, "", title, reason, nearest(title.lower(), known))


class _Shown(NamedTuple):
    """The text of a cell, and what is to be said of it."""

    text: str
    remark: str = ""


class _Reader:
    """Reads the sheets of one workbook."""

    def __init__(
        self, path: Path, strings: Sequence[str], formats: Sequence[str], epoch: datetime.datetime
    ) -> None:
        self._path = path
        self._strings = strings
        self._formats = formats
        self._epoch = epoch
        self._letters = [column_letters(index) for index in range(MAX_COLUMNS)]

    def read(self, name: str, part: bytes) -> tuple[Sheet | None, list[Mistake]]:
        """Return a sheet, if there is any text in it, and what was noticed."""
        try:
            raw = raw_sheet(part)
        except InvalidValue as error:
            raise unreadable(name, self._path, str(error)) from error
        notes, mistakes = Notes(name), []
        rows = []
        for number, cells in raw.rows:
            row = [Cell(f"{self._letters[i]}{number}", "") for i in range(cells[-1].column + 1)]
            for cell in cells:
                reference = row[cell.column].reference
                if cell.formula and not cell.value and cell.kind == "n":
                    reason = "the formula has no value yet; open the workbook, and save it"
                    mistakes.append(Mistake(name, reference, "", reason))
                shown = self._shown(cell) if cell.value else _Shown("")
                read = row[cell.column] = Cell(reference, plain(shown.text))
                if cell.formula and cell.value:
                    notes.add(read, "the cell holds a formula; its value {} is read")
                elif shown.remark:
                    notes.add(read, shown.remark)
                if len(read.value) > MAX_TEXT:
                    mistakes.append(too_long(name, read))
            rows.append(tuple(row))
        sheet = sheet_of(name, rows)
        return sheet, [*mistakes, *notes.mistakes(), *_layout(name, raw)]

    def _shown(self, cell: RawCell) -> _Shown:
        """Return the text of a cell as its reader sees it, as far as its format is simple."""
        if cell.kind == "s":
            return _Shown(self._strings[int(cell.value)])
        if cell.kind == "b":
            return _Shown("TRUE" if cell.value in ("1", "true") else "FALSE")
        if cell.kind == "d":
            return _Shown(cell.value.removesuffix("T00:00:00"), _IS_A_DATE)
        if cell.kind != "n":
            return _Shown(cell.value)
        pattern = self._formats[cell.style] if cell.style < len(self._formats) else "General"
        number = float(cell.value)
        if not is_date_format(pattern):
            return _number(number, pattern)
        try:
            moment = from_excel(number, self._epoch, timedelta=is_timedelta_format(pattern))
        except (OverflowError, ValueError):
            return _Shown(cell.value, "the cell is to show a date, but {} is none")
        if isinstance(moment, datetime.date):
            return _Shown(_date_text(moment, pattern), _IS_A_DATE)
        return _Shown(str(moment), "the cell is a time; it is read as {}")


_IS_A_DATE = "the cell is a date; it is read as {}"


def _layout(name: str, raw: RawSheet) -> Iterator[Mistake]:
    """Yield what a reader of the workbook sees otherwise than we do."""
    for place in raw.merged:
        first = place.partition(":")[0]
        reason = f"the cells {place} are merged: only {first} has the text, the others none"
        yield Mistake(name, first, place, reason, severity="warning")
    columns = [column_letters(index) for index in raw.hidden_columns]
    for kind, places in (("row", [str(n) for n in raw.hidden_rows]), ("column", columns)):
        if places:
            named = ", ".join(places[:5]) + (" ..." if len(places) > 5 else "")
            reason = f"hidden {kind}s are read all the same: {named}"
            yield Mistake(name, "", named, reason, severity="note")


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
