"""Sheets as rows of cells, whatever file they stand in.

A cell is a reference, as its author sees it (`F12`, or the name of a setting), and a text. What
the texts mean is the business of `columns`.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from iiifserver.errors import InvalidExhibition, Mistake

MAX_FILE_BYTES = 64 * 1024 * 1024
SEPARATOR = ";"
"""Stands between the values of a cell that may hold several."""


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


def read_csv(path: Path, name: str) -> Sheet:
    """Return the sheet in a CSV file: commas, UTF-8 with or without a byte order mark.

    Raises:
        InvalidExhibition: it is no such file.
    """
    text = _read_text(path, name)
    try:
        rows = list(_rows(csv.reader(StringIO(text, newline=""), strict=True)))
    except csv.Error as error:
        raise _unreadable(name, path, str(error)) from error
    if not rows:
        raise _unreadable(name, path, "it is empty; its first row must name the columns")
    filled = (row for row in rows[1:] if any(cell.value for cell in row))
    return Sheet(name, rows[0], tuple(filled))


def read_toml(path: Path, name: str) -> Sheet:
    """Return a TOML file of settings as a sheet of one row, whose header are their names.

    Raises:
        InvalidExhibition: it is no such file.
    """
    try:
        settings = tomllib.loads(_read_text(path, name))
    except tomllib.TOMLDecodeError as error:
        raise _unreadable(name, path, str(error)) from error
    header = tuple(Cell(key, key) for key in settings)
    return Sheet(name, header, (tuple(Cell(key, _joined(v)) for key, v in settings.items()),))


def _joined(value: object) -> str:
    if isinstance(value, list):
        return f"{SEPARATOR} ".join(str(part) for part in value)
    return str(value).strip()


def _read_text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise _unreadable(name, path, f"it is larger than {MAX_FILE_BYTES} bytes")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        reason = f"it is not UTF-8: byte {error.object[error.start]:#04x} at {error.start}"
        raise _unreadable(name, path, reason) from error
    except OSError as error:
        raise _unreadable(name, path, error.strerror or str(error)) from error


def _unreadable(name: str, path: Path, reason: str) -> InvalidExhibition:
    return InvalidExhibition([Mistake(name, "", path.name, f"{path.name}: {reason}")])


def _rows(lines: Iterable[list[str]]) -> Iterator[Row]:
    for number, values in enumerate(lines, start=1):
        yield tuple(
            Cell(f"{column_letters(index)}{number}", value.strip())
            for index, value in enumerate(values)
        )


def column_letters(index: int) -> str:
    """Return a column's name in a spreadsheet: 0 is A, 26 is AA."""
    letters = ""
    index += 1
    while index:
        index, letter = divmod(index - 1, 26)
        letters = chr(ord("A") + letter) + letters
    return letters
