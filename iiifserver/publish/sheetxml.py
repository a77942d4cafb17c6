"""The cells in the XML of a workbook's parts, as they stand there: what they mean, others tell.

Read in one pass and by events, because a tree of 300,000 cells costs half a gigabyte, and because
openpyxl, which reads the rest of a workbook, hides formulas or their values, takes 30 us a cell,
drops letters from texts such as `x005F_`, and refuses many styles that Excel does not mind. No
part that defines entities may come here.

ECMA-376, part 1, 18.3 (sheets), 18.4 (shared strings), 22.9.2.19 (escaped characters)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from iiifserver.errors import InvalidValue
from iiifserver.publish.tables import MAX_COLUMNS, MAX_ROWS

_LAST_ROW = 1_048_576  # Excel's own
MAX_CELLS = 5_000_000
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_CELL, _VALUE, _TEXT, _FORMULA, _PHONETIC, _ROW, _STRING, _COLUMN, _MERGED = (
    f"{_MAIN} {name}" for name in ("c", "v", "t", "f", "rPh", "row", "si", "col", "mergeCell")
)


class RawCell(NamedTuple):
    """A cell that holds something; `column` counts from 0."""

    column: int
    kind: str
    """`n` a number, `s` the number of a shared string, `b`, `e`, `str`, `inlineStr`, `d`."""
    style: int
    value: str
    formula: bool


@dataclass(slots=True)
class RawSheet:
    """The rows that hold something, by their numbers, and what else there is to tell."""

    rows: list[tuple[int, list[RawCell]]] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    hidden_rows: list[int] = field(default_factory=list)
    hidden_columns: list[int] = field(default_factory=list)


def shared_strings(part: bytes) -> list[str]:
    """Return the texts of a workbook to which its cells refer by number."""
    reader = _Strings()
    reader.parse(part)
    return reader.found


def raw_sheet(part: bytes) -> RawSheet:
    """Return the cells of one sheet.

    Raises:
        InvalidValue: there are more than we take, or one that is nowhere in a sheet.
    """
    reader = _Cells()
    reader.parse(part)
    return reader.sheet


def number_formats(part: bytes) -> tuple[list[int], dict[int, str]]:
    """Return the number format of each style, by its number, and those that the workbook defines.

    Of styles nothing else is read: the rest is often not as it should be.
    """
    root = ElementTree.fromstring(part)  # noqa: S314  # it defines no entities, see above
    styles = root.findall(f"{{{_MAIN}}}cellXfs/{{{_MAIN}}}xf")
    formats = root.findall(f"{{{_MAIN}}}numFmts/{{{_MAIN}}}numFmt")
    return (
        [int(style.get("numFmtId", "0")) for style in styles],
        {int(each.get("numFmtId", "0")): each.get("formatCode", "General") for each in formats},
    )


class _Texts:
    """Collects the characters in `v` and `t`, but not the readings above Japanese words."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._collects = False
        self._phonetic = False

    def parse(self, part: bytes) -> None:
        parser = expat.ParserCreate("utf-8", " ")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        parser.Parse(part, True)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name in (_VALUE, _TEXT):
            self._collects = not self._phonetic
        elif name == _PHONETIC:
            self._phonetic = True

    def _end(self, name: str) -> None:
        if name in (_VALUE, _TEXT):
            self._collects = False
        elif name == _PHONETIC:
            self._phonetic = False

    def _characters(self, text: str) -> None:
        if self._collects:
            self._pieces.append(text)

    def _taken(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


# not the halves of a surrogate pair, which no writer escapes
_ESCAPED = re.compile("_x([0-9A-CE-Fa-ce-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2})_")


class _Strings(_Texts):
    """Reads shared strings."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def _end(self, name: str) -> None:
        super()._end(name)
        if name == _STRING:
            self.found.append(self._taken())


class _Cells(_Texts):
    """Reads a sheet."""

    def __init__(self) -> None:
        super().__init__()
        self.sheet = RawSheet()
        self._number = 0
        self._column = -1
        self._row: list[RawCell] = []
        self._cell: Mapping[str, str] = {}
        self._formula = False
        self._width = 0
        self._columns: dict[str, int] = {}

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if name == _CELL:
            reference = attributes.get("r")
            self._column = self._place(reference) if reference else self._column + 1
            self._cell, self._formula = attributes, False
        elif name == _FORMULA:
            self._formula = True
        elif name == _ROW:
            self._begin_row(attributes)
        elif name == _MERGED:
            self.sheet.merged.append(attributes.get("ref", ""))
        elif name == _COLUMN and attributes.get("hidden") in ("1", "true"):
            self.sheet.hidden_columns.append(int(attributes.get("min", "1")) - 1)
        else:
            super()._start(name, attributes)

    def _end(self, name: str) -> None:
        if name == _CELL:
            self._end_cell()
        elif name == _ROW:
            self._end_row()
        else:
            super()._end(name)

    def _begin_row(self, attributes: Mapping[str, str]) -> None:
        self._number = int(attributes.get("r", self._number + 1))
        if self._number > _LAST_ROW:
            raise InvalidValue(f"it has a row {self._number}")
        if attributes.get("hidden") in ("1", "true"):
            self.sheet.hidden_rows.append(self._number)
        self._row, self._column = [], -1

    def _end_cell(self) -> None:
        value = self._taken()
        if value or self._formula:
            if self._column >= MAX_COLUMNS:
                raise InvalidValue(f"row {self._number} has more than {MAX_COLUMNS} columns")
            kind, style = self._cell.get("t", "n"), int(self._cell.get("s", 0))
            self._row.append(RawCell(self._column, kind, style, value, self._formula))

    def _end_row(self) -> None:
        if self._row:
            self._width += self._row[-1].column + 1
            self.sheet.rows.append((self._number, self._row))
            if len(self.sheet.rows) > MAX_ROWS:
                raise InvalidValue(f"it has more than {MAX_ROWS} rows")
            if self._width > MAX_CELLS:
                raise InvalidValue(f"it has more than {MAX_CELLS} cells")

    def _place(self, reference: str) -> int:
        """Return the number of the column that a reference such as `AB12` names."""
        letters = reference.rstrip("0123456789")
        if letters not in self._columns:
            if not re.fullmatch("[A-Z]{1,3}", letters):
                raise InvalidValue(f"it has a cell {reference!r}")
            index = 0
            for letter in letters:
                index = index * 26 + ord(letter) - ord("A") + 1
            self._columns[letters] = index - 1
        return self._columns[letters]
