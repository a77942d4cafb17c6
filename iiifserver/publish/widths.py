"""Codes typed with an input method still on: letters of full width, the commas of Japanese.

In a text they are the author's choice and stay. In a column of codes (identifiers, dates, tags)
they can only be a slip, and what is meant is certain; it is read so, and said.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple

from iiifserver.errors import Mistake
from iiifserver.publish.columns import Column, known_headings
from iiifserver.publish.tables import Cell, Notes, Sheet


class _Rule(NamedTuple):
    """How the cells of some columns are read, and what is said where that changes them."""

    read: Callable[[str], str]
    remark: str


def narrowed(sheet: Sheet) -> tuple[Sheet, tuple[Mistake, ...]]:
    """Return *sheet* with the codes in it in letters of usual width, and what was changed."""
    headings = known_headings(sheet.name, [cell.value for cell in sheet.header])
    found = {index: _rule(heading.column) for index, heading in enumerate(headings) if heading}
    rules = {index: rule for index, rule in found.items() if rule}
    notes = Notes(sheet.name)
    rows = []
    for row in sheet.rows:
        changed = {}
        for index, rule in rules.items():
            value = row[index].value if index < len(row) else ""
            if value.isascii() and "," not in value:
                continue
            read = rule.read(value)
            if read != value:
                changed[index] = Cell(row[index].reference, read)
                notes.add(changed[index], rule.remark)
        rows.append(tuple(changed.get(i, cell) for i, cell in enumerate(row)) if changed else row)
    return Sheet(sheet.name, sheet.header, tuple(rows)), tuple(notes.mistakes())


def _rule(column: Column) -> _Rule | None:
    if column.is_code:
        read = _several_codes if column.several else _code
        return _Rule(read, "letters of full width, or other commas, are read as {}")
    if column.several:
        return _Rule(_values, "the semicolon of full width is read as the one that separates: {}")
    return None


def _code(value: str) -> str:
    """Return *value* in letters of usual width, with plain hyphens."""
    return re.sub("[‐‑−]", "-", unicodedata.normalize("NFKC", value)).strip()


def _several_codes(value: str) -> str:
    return re.sub(r"\s*[,、;]\s*", "; ", _code(value)).strip()


def _values(value: str) -> str:
    return value.replace("\uff1b", ";")  # the semicolon of full width
