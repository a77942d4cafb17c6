"""Sheets as rows of cells, whatever file they stand in; CSV and TOML files are read here.

A cell is a reference, as its author sees it (`F12`, or the name of a setting), and a text. What
the texts mean is the business of `columns`.
"""

from __future__ import annotations

import csv
import datetime
import re
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from iiifserver.errors import InvalidExhibition, InvalidValue, Mistake
from iiifserver.publish.charset import decode

MAX_FILE_BYTES = 64 * 1024 * 1024
MAX_TEXT = 32_767
"""Letters in one cell: more than that no spreadsheet holds."""
MAX_COLUMNS = 1_000
MAX_ROWS = 200_000
SEPARATOR = ";"
"""Stands between the values of a cell that may hold several."""
OWN = "_"
"""What begins with it (a column, a tab, a file) is its author's own and is not read."""


class Cell(NamedTuple):
    """One text of a sheet and where it stands."""

    reference: str
    value: str


Row = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A header and the rows below it; rows without any text are left out."""

    name: str
    header: Row
    rows: tuple[Row, ...]


class Tables(NamedTuple):
    """Sheets, and what was noticed while they were read."""

    sheets: tuple[Sheet, ...]
    mistakes: tuple[Mistake, ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """What is noticed in the cells of one sheet: said once a column, however often it is there."""

    sheet: str
    _first: dict[tuple[str, str], tuple[Cell, list[str]]] = field(default_factory=dict)

    def add(self, cell: Cell, what: str) -> None:
        """Notice *what* at *cell*; a `{}` in it stands for what the first cell was read as."""
        column = cell.reference.rstrip("0123456789")
        self._first.setdefault((column, what), (cell, []))[1].append(cell.reference)

    def mistakes(self) -> Iterator[Mistake]:
        """Yield a note for each column and matter."""
        for (_, what), (cell, references) in self._first.items():
            others = len(references) - 1
            more = f" (and so in {others} more of this column)" if others else ""
            reason = what.format(repr(cell.value)) + more
            yield Mistake(self.sheet, cell.reference, cell.value, reason, severity="note")


def column_letters(index: int) -> str:
    """Return a column's name in a spreadsheet: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters


def sheet_of(name: str, rows: Iterable[Row]) -> Sheet | None:
    """Return the sheet of which *rows* are all, the header first; None where there is no text.

    Columns without a heading and without a value below are left out at the end, and so are the
    author's own everywhere.
    """
    filled = [row for row in rows if any(cell.value for cell in row)]
    if not filled:
        return None
    header = filled[0]
    used = max(_length(row) for row in filled)
    kept = [index for index in range(used) if not _is_own(header, index)]
    width = sum(index < len(header) for index in kept)
    if kept != list(range(len(header))):
        filled = [tuple(row[index] for index in kept if index < len(row)) for row in filled]
        filled = [row for row in filled if any(cell.value for cell in row)]
    if not filled:
        return None
    return Sheet(name, filled[0], tuple(_padded(row, width) for row in filled[1:]))


def _is_own(header: Row, index: int) -> bool:
    return index < len(header) and header[index].value.startswith(OWN)


def _length(row: Row) -> int:
    """Return the number of cells up to the last that holds a text."""
    return next((n for n in range(len(row), 0, -1) if row[n - 1].value), 0)


def _padded(row: Row, width: int) -> Row:
    """Return *row* with an empty cell below each heading, so that what is missing has a place."""
    if len(row) >= width:
        return row
    number = row[0].reference.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return (*row, *(Cell(f"{column_letters(i)}{number}", "") for i in range(len(row), width)))


def plain(value: str) -> str:
    """Return *value* without blanks around it, its lines ending as everywhere."""
    if "\r" in value:
        value = value.replace("\r\n", "\n").replace("\r", "\n")
    return value.strip()


def too_long(sheet: str, cell: Cell) -> Mistake:
    """Return the mistake of a text that no spreadsheet could hold."""
    reason = f"the text has {len(cell.value)} letters; a cell holds at most {MAX_TEXT}"
    return Mistake(sheet, cell.reference, cell.value[:80], reason)


def unreadable(sheet: str, path: Path, reason: str) -> InvalidExhibition:
    """Return the error of a file that cannot be read at all."""
    return InvalidExhibition([Mistake(sheet, "", path.name, f"{path.name}: {reason}")])


# -- text files


def read_csv(path: Path, name: str) -> Tables:
    """Return the sheet in a CSV file, and in which encoding it was if that was to be guessed.

    Commas, semicolons or tabs stand between the cells, whichever is commonest in the header.

    Raises:
        InvalidExhibition: it is no such file.
    """
    text, notes = _read_text(path, name)
    separator = _separator(text)
    mistakes: list[Mistake] = list(notes)
    try:
        lines = csv.reader(StringIO(text, newline=""), strict=True, delimiter=separator)
        sheet = sheet_of(name, _rows(lines, path, name, mistakes))
    except csv.Error as error:
        reason = f"its row {lines.line_num} cannot be taken apart: {error}"
        raise unreadable(name, path, reason) from error
    if sheet is None:
        raise unreadable(name, path, "it is empty; its first row must name the columns")
    return Tables((sheet,), tuple(mistakes))


def _separator(text: str) -> str:
    """Return the character that stands between the headings of the first line that has any."""
    line = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    outside = re.sub(r'"[^"]*"', "", line)
    return max(",;\t", key=outside.count)


def _rows(
    lines: Iterable[list[str]], path: Path, name: str, mistakes: list[Mistake]
) -> Iterator[Row]:
    letters: list[str] = []
    for number, values in enumerate(lines, start=1):
        if number > MAX_ROWS:
            raise unreadable(name, path, f"it has more than {MAX_ROWS} rows")
        if len(values) > MAX_COLUMNS:
            raise unreadable(name, path, f"row {number} has more than {MAX_COLUMNS} columns")
        while len(letters) < len(values):
            letters.append(column_letters(len(letters)))
        row = tuple(
            Cell(f"{column}{number}", plain(value))
            for column, value in zip(letters, values, strict=False)
        )
        mistakes.extend(too_long(name, cell) for cell in row if len(cell.value) > MAX_TEXT)
        yield row


def read_toml(path: Path, name: str) -> Tables:
    """Return a TOML file of settings as a sheet of one row, whose header are their names.

    Raises:
        InvalidExhibition: it is no such file.
    """
    text, notes = _read_text(path, name)
    try:
        settings = tomllib.loads(text)
        row = tuple(Cell(key, _as_text(value)) for key, value in settings.items())
    except (tomllib.TOMLDecodeError, InvalidValue, RecursionError) as error:
        raise unreadable(name, path, str(error)) from error
    header = tuple(Cell(key, key) for key in settings)
    long = (too_long(name, cell) for cell in row if len(cell.value) > MAX_TEXT)
    return Tables((Sheet(name, header, (row,)),), (*notes, *long))


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return f"{SEPARATOR} ".join(_as_text(part) for part in value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float | datetime.date | datetime.time):
        return plain(str(value))
    raise InvalidValue("a setting is a text or a list of texts; tables such as [this] are not read")


def _read_text(path: Path, name: str) -> tuple[str, Sequence[Mistake]]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise unreadable(name, path, f"it is larger than {MAX_FILE_BYTES} bytes")
        text, remark = decode(path.read_bytes())
    except InvalidValue as error:
        raise unreadable(name, path, str(error)) from error
    except OSError as error:
        raise unreadable(name, path, error.strerror or str(error)) from error
    if "\0" in text:
        raise unreadable(name, path, f"there is a NUL character at {text.index(chr(0))}")
    reason = f"{path.name} {remark}"
    return text, [Mistake(name, "", path.name, reason, severity="note")] if remark else []
