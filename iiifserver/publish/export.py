"""Sheets written as TOML and CSV files, such that reading them gives the same sheets again."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from iiifserver.errors import InvalidExhibition, Mistake
from iiifserver.publish.columns import Heading, known_headings
from iiifserver.publish.reading import FILES
from iiifserver.publish.tables import MAX_TEXT, SEPARATOR, Cell, Sheet
from iiifserver.publish.words import words_in

# What XML, and so a workbook, cannot hold; other files do without it too.
_FORBIDDEN = re.compile("[\0-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")


def write_files(sheets: Sequence[Sheet], folder: Path) -> None:
    """Write *sheets* into *folder*, which must not hold files of their names.

    CSV files begin with the byte order mark by which Excel knows UTF-8.

    Raises:
        InvalidExhibition: a text cannot be written; no file has been made.
    """
    texts = {sheet.name: _text(sheet) for sheet in sheets}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        encoding = "utf-8" if name == "Exhibition" else "utf-8-sig"
        with (folder / FILES[name]).open("x", encoding=encoding, newline="") as file:
            file.write(text)


def _text(sheet: Sheet) -> str:
    refuse_unwritable(sheet)
    return _toml(sheet) if sheet.name == "Exhibition" else _csv(sheet)


def refuse_unwritable(sheet: Sheet) -> None:
    """Raise InvalidExhibition if a text of *sheet* could not be read again as it is."""
    mistakes = [
        Mistake(sheet.name, cell.reference, cell.value[:80], reason)
        for row in (sheet.header, *sheet.rows)
        for cell in row
        if (reason := _unwritable(cell))
    ]
    names = [cell.value for cell in sheet.header]
    mistakes += [
        Mistake(sheet.name, cell.reference, cell.value, f"{cell.value!r} is there twice")
        for index, cell in enumerate(sheet.header)
        if cell.value in names[:index]
    ]
    if mistakes:
        raise InvalidExhibition(mistakes)


def _unwritable(cell: Cell) -> str:
    if _FORBIDDEN.search(cell.value):
        return "there is a control character in the text"
    return "" if len(cell.value) <= MAX_TEXT else f"the text has more than {MAX_TEXT} letters"


def _csv(sheet: Sheet) -> str:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for row in (sheet.header, *sheet.rows):
        writer.writerow([cell.value for cell in row])
    return text.getvalue()


def _toml(sheet: Sheet) -> str:
    """Return the settings with what they mean above them; those without a value as remarks."""
    words = words_in("en")
    lines = [f"# {words.sheets[sheet.name]}"]
    told: set[str] = set()
    for name, value, heading in settings(sheet):
        column = heading.column.name if heading else ""
        if column and column not in told:
            lines += ["", f"# {words.about(sheet.name, column).meaning}"]
            told.add(column)
        several = bool(heading and heading.column.several)
        line = f"{_key(name)} = {_toml_value(value, several=several)}"
        lines.append(line if value else f"# {line}")
    return "\n".join(lines) + "\n"


class Setting(NamedTuple):
    """One value of a sheet of settings, and the column that it belongs to, if any is so called."""

    name: str
    value: str
    heading: Heading | None


def settings(sheet: Sheet) -> list[Setting]:
    """Return what a sheet of one row sets."""
    names = [cell.value for cell in sheet.header]
    values = [cell.value for row in sheet.rows[:1] for cell in row]
    values += [""] * (len(names) - len(values))
    found = zip(names, values, known_headings(sheet.name, names), strict=False)
    return [Setting(name, value, heading) for name, value, heading in found]


def _key(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else _quoted(name)


def _toml_value(value: str, *, several: bool) -> str:
    """Return *value* quoted; as a list if it is several, and would be read as it is now."""
    parts = value.split(f"{SEPARATOR} ")
    if several and all(part == part.strip() for part in parts):
        return f"[{', '.join(_quoted(part) for part in parts if value)}]"
    return _quoted(value)


def _quoted(text: str) -> str:
    # what JSON escapes, TOML reads; DEL alone is escaped only there
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
