"""What sheets and columns are called and mean, a file a language; read by people and `columns`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple


class About(NamedTuple):
    """What a column holds, and a value that it may have."""

    meaning: str
    example: str


@dataclass(frozen=True, slots=True)
class Words:
    """One file of this folder."""

    language: str
    reviewed: bool
    """Whether a speaker of the language has read them."""
    headings: Mapping[str, Sequence[str]]
    """What may be written for the name of a column; the first is the usual one."""
    sheets: Mapping[str, str]
    """What each sheet is for."""
    columns: Mapping[str, Mapping[str, About]]
    """By sheet and column; what holds in `any` sheet is not repeated."""

    def about(self, sheet: str, column: str) -> About:
        """Return what a column of a sheet holds."""
        return self.columns.get(sheet, {}).get(column) or self.columns["any"][column]


LANGUAGES = ("en", "ja", "mn")
"""The languages in which headings may be written."""


@cache
def words_in(language: str) -> Words:
    """Return the words for sheets in *language*, one of `LANGUAGES`."""
    raw = tomllib.loads(resources.files(__name__).joinpath(f"{language}.toml").read_text("utf-8"))
    columns = {
        sheet: {name: About(**about) for name, about in of_sheet.items()}
        for sheet, of_sheet in raw.pop("columns", {}).items()
    }
    return Words(**{"sheets": {}, **raw}, columns=columns)


@cache
def spellings(column: str) -> tuple[str, ...]:
    """Return all that may be written for the name of *column*, the name itself first."""
    others = (each for tag in LANGUAGES for each in words_in(tag).headings.get(column, ()))
    return (column, *others)
