"""Rows read as the columns of their sheet say; what is wrong is collected, cell by cell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from iiifserver.errors import InvalidValue, Mistake
from iiifserver.language import NOTHING, LanguageMap
from iiifserver.publish.cells import nearest
from iiifserver.publish.columns import SHEETS, Column, Heading, read_heading
from iiifserver.publish.tables import SEPARATOR, Cell, Row, Sheet
from iiifserver.records import Unreviewed


@dataclass(slots=True)
class Entry:
    """One row, read: the values of its fields and where each stands."""

    sheet: str
    values: dict[str, Any] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    """By the name of the column; a text also by that of its language, `title_en`."""
    unreviewed: Unreviewed = ()

    @property
    def identifier(self) -> str:
        """The identifier of what the row describes; empty where it has none."""
        name: str = self.values.get("identifier", "")
        return name

    def mistake(
        self,
        column: str,
        reason: str,
        proposal: str | None = None,
        severity: Literal["error", "warning", "note"] = "error",
    ) -> Mistake:
        """Return a mistake at the cell of *column*."""
        cell = self.cells.get(column, Cell("", ""))
        return Mistake(self.sheet, cell.reference, cell.value, reason, proposal, severity)

    def has(self, field: str) -> bool:
        """Return whether there is a text in *field*, reviewed or not."""
        return field in self.values or field in dict(self.unreviewed)


Entries = Mapping[str, Sequence[Entry]]
"""The rows of every sheet, by its name; under `KEPT` those of Pages that the program wrote."""
KEPT = "Kept"


def read_entries(
    sheet: Sheet, languages: Sequence[str] | None, mistakes: list[Mistake]
) -> list[Entry]:
    """Return the rows of *sheet*, texts in the order of *languages*; add to *mistakes*.

    A cell that cannot be read is left out of its entry, so that all the others are read too.
    Where *languages* is None, texts may be in any language.
    """
    reader = _Reader(sheet, languages, mistakes)
    return [reader.read(row) for row in sheet.rows]


class _Reader:
    """Reads the rows of one sheet."""

    def __init__(
        self, sheet: Sheet, languages: Sequence[str] | None, mistakes: list[Mistake]
    ) -> None:
        self._name = sheet.name
        self._languages = languages
        self._mistakes = mistakes
        self._headings = [self._heading(cell) for cell in sheet.header]
        self._refuse_repeated(sheet.header)
        present = {heading.column.name for heading in self._headings if heading}
        self._required = [column for column in SHEETS[sheet.name] if column.required]
        for column in self._required:
            if column.name not in present:
                name = f"{column.name}_en" if column.by_language else column.name
                reason = f"there is no column {name!r}"
                mistakes.append(Mistake(sheet.name, "", name, reason))
        self._required = [column for column in self._required if column.name in present]

    def read(self, row: Row) -> Entry:
        entry = Entry(self._name)
        texts: dict[str, dict[str, tuple[str, ...]]] = {}
        unreadable = set()
        for heading, cell in zip(self._headings, row, strict=False):
            if heading is None:
                continue
            column, language = heading
            entry.cells.setdefault(column.name, cell)
            entry.cells[heading.name] = cell
            try:
                value = tuple(_values(cell.value, column))
            except InvalidValue as error:
                self._wrong(cell, error)
                unreadable.add(column.name)
                continue
            if value and language:
                texts.setdefault(column.target, {})[language] = value
            elif value:
                entry.values[column.target] = value if column.several else value[0]
        self._set_apart_unreviewed(entry, texts)
        for cell in row[len(self._headings) :]:
            if cell.value:
                self._wrong(cell, InvalidValue("a value without a column above it"))
        for column in self._required:
            given = {*entry.values, *dict(entry.unreviewed), *unreadable}
            if not given & {column.name, column.target}:
                self._mistakes.append(entry.mistake(column.name, f"{column.name} is missing"))
            if column.by_language:
                entry.values.setdefault(column.target, NOTHING)
        return entry

    def _heading(self, cell: Cell) -> Heading | None:
        try:
            return read_heading(cell.value, SHEETS[self._name], self._languages)
        except InvalidValue as error:
            self._wrong(cell, error)
            return None

    def _refuse_repeated(self, header: Row) -> None:
        for index, (heading, cell) in enumerate(zip(self._headings, header, strict=True)):
            if heading and heading in self._headings[:index]:
                self._wrong(cell, InvalidValue(f"the column {cell.value!r} is there twice"))
                self._headings[index] = None

    def _set_apart_unreviewed(
        self, entry: Entry, texts: dict[str, dict[str, tuple[str, ...]]]
    ) -> None:
        apart: dict[str, dict[str, tuple[str, ...]]] = {}
        for mark in entry.values.pop("unreviewed", ()):
            name, language = self._marked(mark)
            if language in texts.get(name, {}):
                apart.setdefault(name, {})[language] = texts[name].pop(language)
            else:
                written = [f"{name}_{tag}" for name, by in texts.items() for tag in by]
                reason = f"{mark!r} is marked as unreviewed, but this row has no such text"
                self._mistakes.append(entry.mistake("unreviewed", reason, nearest(mark, written)))
        entry.unreviewed = tuple((name, self._in_order(by)) for name, by in apart.items())
        entry.values |= {name: self._in_order(by) for name, by in texts.items() if by}

    def _marked(self, mark: str) -> tuple[str, str]:
        """Return the field and the language that *mark* names, as a header would name them."""
        try:
            column, language = read_heading(mark, SHEETS[self._name], None)
        except InvalidValue:
            return mark, ""
        return column.target, language or ""

    def _in_order(self, texts: dict[str, tuple[str, ...]]) -> LanguageMap:
        return LanguageMap.of(texts, self._languages or ())

    def _wrong(self, cell: Cell, error: InvalidValue) -> None:
        mistake = Mistake(self._name, cell.reference, cell.value, str(error), error.proposal)
        self._mistakes.append(mistake)


def _values(text: str, column: Column) -> Iterator[Any]:
    """Yield the values of a cell: none or one, unless the column may hold several."""
    for part in text.split(SEPARATOR) if column.several else (text,):
        if part.strip():
            yield column.read(part.strip())
