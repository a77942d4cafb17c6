"""Who reads a page: a language, its interface texts, and text of other languages shown in it."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

from iiifserver.language import NONE, lookup, speaks, texts_in
from iiifserver.presentation.shown import UNREVIEWED

Multilingual = Mapping[str, Sequence[str]]
"""Texts by BCP 47 tag, as in a IIIF language map; `iiifserver.language.LanguageMap` is one."""

_TABLES = ("pages.toml", "viewers.toml")
_FOLDER = Path(__file__).parent / "texts"


class Shown(NamedTuple):
    """A value chosen from a language map."""

    value: str
    language: str
    """Of the value; empty where it has none."""
    is_translated: bool
    """False where the reader's language is missing and another one stands in."""
    is_reviewed: bool = True
    """False of a translation that no speaker has read."""


@dataclass(frozen=True, slots=True)
class Reader:
    """A language with its texts; *order* is that in which other languages stand in."""

    language: str
    texts: Mapping[str, str]
    order: Sequence[str]

    def say(self, key: str, **values: object) -> str:
        """Return an interface text, its `{names}` filled in."""
        return self.texts[key].format(**values)

    def field(self, name: str) -> str:
        """Return the name of a field of a record."""
        return texts_in(self.language).fields[name]

    def phrase(self, name: str) -> str:
        """Return a sentence that documents say too."""
        return texts_in(self.language).phrases[name]

    def show(self, texts: Multilingual) -> Shown:
        """Return what to show of *texts*: the reader's language, else none, else in order."""
        found = lookup(texts, (self.language, NONE, *self.order))
        if found is None:
            return Shown("", "", is_translated=True)
        if found.tag == NONE:
            return Shown(found.text, "", is_translated=True)
        tag = found.tag.removesuffix(UNREVIEWED)
        return Shown(found.text, tag, speaks(tag) == self.language, tag == found.tag)

    def quote(self, texts: Multilingual) -> Shown:
        """Return what to show of *texts* where no mark can stand beside it, as in a citation.

        A translation that nobody has reviewed is taken only where there is nothing else.
        """
        reviewed = {tag: each for tag, each in texts.items() if not tag.endswith(UNREVIEWED)}
        return self.show(reviewed or texts)

    def others(self, texts: Multilingual) -> list[Shown]:
        """Return what *texts* say in each language but the one that `show` chooses."""
        chosen = self.show(texts).language
        each = [
            Shown("; ".join(values), tag.removesuffix(UNREVIEWED), True, UNREVIEWED not in tag)
            for tag, values in texts.items()
            if tag != NONE
        ]
        return [shown for shown in each if shown.language != chosen]

    def name_of(self, language: str) -> str:
        """Return the name of *language* in the reader's, or its tag."""
        named = self.texts.get(f"language_{language.replace('-', '_')}")
        return named or self.texts.get(f"language_{speaks(language)}", language)


def reader(language: str, order: Iterable[str]) -> Reader:
    """Return the reader of *language*, one of those in the tables."""
    return Reader(language, _all_texts()[language], tuple(order))


def languages() -> tuple[str, ...]:
    """Return the languages that have interface texts."""
    return tuple(_all_texts())


@cache
def _all_texts() -> dict[str, dict[str, str]]:
    merged: dict[str, dict[str, str]] = {}
    for name in _TABLES:
        for language, texts in tomllib.loads((_FOLDER / name).read_text("utf-8")).items():
            there = merged.setdefault(language, {})
            if twice := there.keys() & texts.keys():
                raise ValueError(f"{name}: {sorted(twice)} stands in another table too")
            there.update(texts)
    return merged
