"""Who reads a page: a language, its interface texts, and text of other languages shown in it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from iiifserver.language import NONE, lookup, speaks

Multilingual = Mapping[str, Sequence[str]]
"""Texts by BCP 47 tag, as in a IIIF language map; `iiifserver.language.LanguageMap` is one."""

_TEXTS = Path(__file__).parent / "texts.toml"


class Shown(NamedTuple):
    """A value chosen from a language map."""

    value: str
    language: str
    """Of the value; empty where it has none."""
    is_translated: bool
    """False where the reader's language is missing and another one stands in."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A language with its texts; *order* is that in which other languages stand in."""

    language: str
    texts: Mapping[str, str]
    order: Sequence[str]

    def say(self, key: str, **values: object) -> str:
        """Return an interface text, its `{names}` filled in."""
        return self.texts[key].format(**values)

    def show(self, texts: Multilingual) -> Shown:
        """Return what to show of *texts*: the reader's language, else none, else in order."""
        found = lookup(texts, (self.language, NONE, *self.order))
        if found is None:
            return Shown("", "", is_translated=True)
        if found.tag == NONE:
            return Shown(found.text, "", is_translated=True)
        return Shown(found.text, found.tag, speaks(found.tag) == self.language)

    def name_of(self, language: str) -> str:
        """Return the name of *language* in the reader's, or its tag."""
        return self.texts.get(f"language_{speaks(language)}", language)


def reader(language: str, order: Iterable[str]) -> Reader:
    """Return the reader of *language*, one of those in texts.toml."""
    return Reader(language, _all_texts()[language], tuple(order))


def languages() -> tuple[str, ...]:
    """Return the languages that have interface texts."""
    return tuple(_all_texts())


@cache
def _all_texts() -> dict[str, dict[str, str]]:
    with _TEXTS.open("rb") as file:
        return tomllib.load(file)
