"""A first exhibition for a new curator: sheets with a small example, and a folder for the scans."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from iiifserver.errors import InvalidValue
from iiifserver.language import speaks
from iiifserver.publish.columns import SHEETS, Column, Heading
from iiifserver.publish.export import write_files
from iiifserver.publish.tables import SEPARATOR, Cell, Sheet, column_letters
from iiifserver.publish.words import words_in

Form = Literal["xlsx", "files"]
WORKBOOK = "exhibition.xlsx"
_IMAGES = "images"


def make_starter(
    folder: Path, languages: Sequence[str], *, form: Form, headings: str = "en"
) -> tuple[str, ...]:
    """Make a starter in *folder*, in the given languages; return the names of what was made.

    *headings* is the language in which columns are called, one of those of `words`.

    Raises:
        InvalidValue: the folder is not empty; nothing has been written.
    """
    _refuse_full(folder)
    sheets = starter_sheets(languages, headings)
    first_steps = _starter()["texts"]["next"].lstrip().format(folder=folder.name or ".")
    text = f"{first_steps}\n{help_text(languages, form)}"
    record = _starter()["example"]["Records"]["record"]
    try:
        (folder / _IMAGES / record).mkdir(parents=True)
        readme = _starter()["texts"]["images"].lstrip()
        (folder / _IMAGES / "README.md").write_text(readme, "utf-8")
        if form == "xlsx":
            from iiifserver.publish.workbook import write_workbook  # takes 0.2 s to import

            write_workbook(sheets, folder / WORKBOOK, text.splitlines())
        else:
            write_files(sheets, folder)
            (folder / "README.md").write_text(text, "utf-8")
    except OSError as error:
        raise InvalidValue(f"{folder} cannot be filled: {error.strerror or error}") from error
    return tuple(sorted(_names(folder)))


def _refuse_full(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InvalidValue(f"{folder} is a file; name a folder that is empty or not there yet")
    there = sorted(_names(folder)) if folder.exists() else []
    if there:
        named = ", ".join(there[:5]) + (f" and {len(there) - 5} more" if len(there) > 5 else "")
        reason = f"{folder} is not empty, and nothing is overwritten: there is {named}"
        raise InvalidValue(f"{reason}. Name a folder that is empty or not there yet")


def _names(folder: Path) -> Iterator[str]:
    for entry in folder.iterdir():
        yield f"{entry.name}/" if entry.is_dir() else entry.name


def help_text(languages: Sequence[str], form: Form) -> str:
    """Return what a curator should know, in lines of which those with `# ` are headings."""
    texts = _starter()["texts"]
    where = texts["workbook" if form == "xlsx" else "files"]
    named: str = (
        texts["help"]
        .lstrip()
        .format(
            languages=", ".join(languages),
            example=" and ".join(f"title_{tag}" for tag in languages[:2]),
            where=where,
        )
    )
    return named


def starter_sheets(languages: Sequence[str], headings: str = "en") -> tuple[Sheet, ...]:
    """Return the sheets of the starter, with the example in those languages in which it is."""
    return tuple(
        _sheet(name, tuple(_headings(name, languages)), languages, headings)
        for name in _starter()["columns"]
    )


@cache
def _starter() -> Mapping[str, Any]:
    file = resources.files(__package__ or "").joinpath("starter.toml")
    return tomllib.loads(file.read_text("utf-8"))


def _headings(sheet: str, languages: Sequence[str]) -> Iterator[Heading]:
    for name in _starter()["columns"][sheet]:
        [column] = _columns(sheet, name)
        yield from (Heading(column, tag) for tag in (languages if column.by_language else (None,)))


def _columns(sheet: str, name: str) -> list[Column]:
    """Return the column of that name, the one in several languages if there are two."""
    found = [column for column in SHEETS[sheet] if column.name == name]
    return [column for column in found if column.by_language] or found


def _sheet(name: str, headings: Sequence[Heading], languages: Sequence[str], spoken: str) -> Sheet:
    example = _starter()["example"].get(name)
    texts = [_value(heading, example, languages) for heading in headings] if example else []
    names = [_called(heading, spoken) for heading in headings]
    return Sheet(name, _row(1, names), (_row(2, texts),) if example else ())


def _row(number: int, texts: Sequence[str]) -> tuple[Cell, ...]:
    return tuple(Cell(f"{column_letters(i)}{number}", text) for i, text in enumerate(texts))


def _called(heading: Heading, spoken: str) -> str:
    others = words_in(spoken).headings.get(heading.column.name, ())
    name = others[0] if others and spoken != "en" else heading.column.name
    return f"{name}_{heading.language}" if heading.language else name


def _value(heading: Heading, example: Mapping[str, Any], languages: Sequence[str]) -> str:
    """Return the example's value; the identifier for a name that is in none of *languages*."""
    column = heading.column
    if column.name == "languages":
        return f"{SEPARATOR} ".join(languages)
    value = example.get(column.name, "")
    if not isinstance(value, dict):
        return str(value)
    spoken = {tag: value.get(speaks(tag) or "", "") for tag in languages}
    texts = (name for name, text in example.items() if isinstance(text, dict))
    if column.name == next(texts) and not any(spoken.values()):  # its first text is its name
        spoken[languages[0]] = next(iter(example.values()))
    return str(spoken[heading.language or ""])
