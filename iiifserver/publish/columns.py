"""What a column means, and which columns each sheet has.

A column with `by_language` is written once a language, with a BCP 47 tag after an underscore:
`title_en`, `title_mn-Mong`. A column with `several` holds values between semicolons. What people
call a column, and what they are told of it, stands in `words`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, get_args

from iiifserver.errors import InvalidValue
from iiifserver.language import parse_tag
from iiifserver.publish import cells
from iiifserver.publish.markup import marked_up
from iiifserver.publish.words import spellings
from iiifserver.records import Behavior, ViewingDirection, Writing


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `field` is what its value is called in `records`.

    Its cells hold identifiers of the rows of the sheet `refers_to`, where it names one.
    """

    name: str
    read: Callable[[str], object] = cells.text
    field: str = ""
    by_language: bool = False
    several: bool = False
    required: bool = False
    refers_to: str | None = None
    choices: Sequence[str] = ()
    """What a starter offers for its cells; where others may stand too, the usual ones."""

    @property
    def target(self) -> str:
        """The name of the field that the column fills."""
        return self.field or self.name

    @property
    def is_code(self) -> bool:
        """Whether its cells hold codes, in which letters of another width are only a slip."""
        texts = (cells.text, marked_up, cells.file_name, cells.address)
        return self.refers_to is not None or self.read not in texts


def _words(name: str, *, required: bool = False, several: bool = False) -> Column:
    return Column(name, by_language=True, required=required, several=several)


def _prose(name: str) -> Column:
    return Column(name, marked_up, by_language=True)


def _one_of(name: str, words: Sequence[str]) -> Column:
    return Column(name, cells.one_of(words), choices=words)


_CURRENT = tuple(each for each in cells.RIGHTS if "/licenses/" not in each or "/4.0/" in each)
_RIGHTS = Column("rights", cells.rights, choices=_CURRENT)
_UNREVIEWED = Column("unreviewed", several=True)
_NOTE = _words("note")
_HOMEPAGE = Column("homepage", cells.address, by_language=True, several=True)

SHEETS: dict[str, tuple[Column, ...]] = {
    "Exhibition": (
        Column("exhibition", cells.identifier, field="identifier", required=True),
        Column("languages", parse_tag, several=True, required=True),
        _words("title", required=True),
        _prose("summary"),
        _prose("required_statement"),
        _RIGHTS,
        _HOMEPAGE,
        Column("organisers", several=True, refers_to="Agents"),
        _words("supervisor"),
        _words("occasion"),
        Column("occasion_date", cells.date),
        _NOTE,
        _UNREVIEWED,
    ),
    "Agents": (
        Column("agent", cells.identifier, field="identifier", required=True),
        _words("name", required=True),
        Column("part_of", refers_to="Agents"),
        Column("homepage", cells.address),
        Column("logo", cells.address),
        _words("role"),
        _NOTE,
        _UNREVIEWED,
    ),
    "Chapters": (
        Column("chapter", cells.identifier, field="identifier", required=True),
        _words("title"),
        _words("working_title"),
        Column("period", cells.date),
        _prose("summary"),
        _HOMEPAGE,
        _NOTE,
        _UNREVIEWED,
    ),
    "Sections": (
        Column("section", cells.identifier, field="identifier", required=True),
        Column("chapter", required=True, refers_to="Chapters"),
        _words("title", required=True),
        _NOTE,
        _UNREVIEWED,
    ),
    "Records": (
        Column("record", cells.identifier, field="identifier", required=True),
        Column("chapter", required=True, refers_to="Chapters"),
        Column("section", refers_to="Sections"),
        _words("title", required=True),
        _words("record_title"),
        Column("holder", refers_to="Agents"),
        Column("reference"),
        Column("date", cells.date),
        _words("date_note"),
        _words("date_as_written"),
        _words("places", several=True),
        _words("people", several=True),
        _prose("summary"),
        _RIGHTS,
        _one_of("viewing_direction", get_args(ViewingDirection)),
        _one_of("behavior", get_args(Behavior)),
        _HOMEPAGE,
        Column("related", several=True, refers_to="Records"),
        _NOTE,
        _UNREVIEWED,
    ),
    "Pages": (
        Column("record", required=True, refers_to="Records"),
        Column("page", cells.page_identifier),
        Column("file", cells.file_name, required=True),
        Column("leaf", cells.number),
        Column("width_mm", cells.number),
        Column("label", field="label_in_no_language"),
        _words("label"),
        _words("transcription"),
        _one_of("writing", get_args(Writing)),
        _UNREVIEWED,
        # written by `pages.keep`: a row with a checksum remembers a page, see there
        Column("checksum"),
        Column("gone"),
    ),
    "Sources": (
        Column("item", required=True),
        Column("column", required=True),
        Column("source", required=True),
    ),
}
"""Every sheet, in the order in which sheets are read."""


class Heading(NamedTuple):
    """What one cell of a header says."""

    column: Column
    language: str | None

    @property
    def name(self) -> str:
        """The heading as it is written."""
        return f"{self.column.name}_{self.language}" if self.language else self.column.name


def read_heading(name: str, columns: Sequence[Column], languages: Sequence[str] | None) -> Heading:
    """Return the column, and the language, that a header's cell names.

    Names may be written in any of the languages of `words`, in any case, and with blanks for
    underscores: `Title EN`, `題名_ja`.

    Raises:
        InvalidValue: there is no such column, or its language is not one of *languages*.
    """
    folded = _folded(name)
    spelled = [(_folded(each), column) for column in columns for each in spellings(column.name)]
    for spelling, column in spelled:
        if not column.by_language and folded == spelling:
            return Heading(column, None)
    for spelling, column in sorted(spelled, key=lambda each: -len(each[0])):
        if column.by_language and folded.startswith(f"{spelling}_"):
            tag = folded.removeprefix(f"{spelling}_")
            return Heading(column, _declared(name, column, tag, languages))
    for spelling, column in spelled:
        if folded == spelling:
            proposal = f"{column.name}_{(languages or ('en',))[0]}"
            raise InvalidValue(f"{name!r} does not say in which language its texts are", proposal)
    known = [
        f"{spelling}_{language}" if column.by_language else spelling
        for column in columns
        for spelling in spellings(column.name)
        for language in (languages or ("en",) if column.by_language else ("",))
    ]
    reason = f"unknown column {name!r}" if name else "a column without a name"
    raise InvalidValue(reason, cells.nearest(name, known))


def known_headings(sheet: str, names: Sequence[str]) -> list[Heading | None]:
    """Return what each of *names* says in the header of *sheet*, None where it is no column."""
    found: list[Heading | None] = []
    for name in names:
        try:
            found.append(read_heading(name, SHEETS[sheet], None))
        except InvalidValue:
            found.append(None)
    return found


def _folded(name: str) -> str:
    """Return *name* in small letters of usual width, with underscores for blanks."""
    return re.sub(r"[\s_]+", "_", unicodedata.normalize("NFKC", name).strip().casefold())


def _tag(text: str) -> str | None:
    try:
        return parse_tag(text)
    except InvalidValue:
        return None


def _declared(name: str, column: Column, tag: str, languages: Sequence[str] | None) -> str:
    prefix = f"{column.name}_"
    try:
        language = parse_tag(tag)
    except InvalidValue as error:
        meant = error.proposal and _tag(error.proposal)
        raise InvalidValue(f"{name!r}: {error}", meant and prefix + meant) from error
    if languages is not None and language not in languages:
        proposal = cells.nearest(language, languages)
        raise InvalidValue(
            f"{name!r}: the exhibition does not declare the language {language!r}",
            proposal and prefix + proposal,
        )
    return language
