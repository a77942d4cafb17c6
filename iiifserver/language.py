"""Language tags, texts in several languages, and which of them a reader gets.

Tags are BCP 47's, with scripts and variants (`mn-Mong`, `ja-Latn-alalc97`). The order of a
`LanguageMap` is the order that its exhibition declares, because viewers show the first entry to
readers whose language they do not know. A language that is missing stays missing in every map;
only `lookup` falls back, and it says in which language its answer really is.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal, NamedTuple

from iiifserver.errors import InvalidValue

NONE = "none"
"""IIIF's word for a text that is in no language, such as a reference or a folio number."""

# RFC 5646, 2.1. [0-9] and [A-Za-z], not \d and \w, which match every script.
_TAG = re.compile(
    r"(?P<language>[A-Za-z]{2,3}(?:-[A-Za-z]{3}){0,3}|[A-Za-z]{4}|[A-Za-z]{5,8})"
    r"(?:-(?P<script>[A-Za-z]{4}))?"
    r"(?:-(?P<region>[A-Za-z]{2}|[0-9]{3}))?"
    r"(?P<variants>(?:-(?:[A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*)"
    r"(?P<extensions>(?:-[0-9A-WY-Za-wy-z](?:-[A-Za-z0-9]{2,8})+)*)"
    r"(?P<private>-[Xx](?:-[A-Za-z0-9]{1,8})+)?"
)
_PRIVATE = re.compile(r"[Xx](?:-[A-Za-z0-9]{1,8})+")
_MAX_TAG = 64

# ISO 639-1, whole: a two-letter code that is not here is a slip, mostly a country's code.
_ISO_639_1 = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy
    da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu
    hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb
    lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om
    or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg sh si sk sl sm sn so sq sr ss st su sv
    sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu
"""
_TWO_LETTER_CODES = frozenset(_ISO_639_1.split())
_MEANT = {"jp": "ja", "cn": "zh", "ua": "uk", "gr": "el", "cz": "cs", "dk": "da", "vn": "vi"}


def parse_tag(text: str) -> str:
    """Return the language tag *text* in its usual spelling: `mn-mong` becomes `mn-Mong`.

    Raises:
        InvalidValue: it is not well-formed, or its two letters are no language's.

    BCP 47: https://www.rfc-editor.org/rfc/rfc5646#section-2.1
    """
    match = _TAG.fullmatch(text) if len(text) <= _MAX_TAG else None
    if match is None:
        if len(text) <= _MAX_TAG and _PRIVATE.fullmatch(text):
            return text.lower()
        raise InvalidValue(f"{text!r} is not a language tag (BCP 47)", _respelled(text))
    language = match["language"].lower()
    if len(language) == 2 and language not in _TWO_LETTER_CODES:
        meant = _MEANT.get(language)
        proposal = meant and meant + text[2:]
        raise InvalidValue(f"{language!r} is not the code of a language (ISO 639)", proposal)
    parts = [language]
    if match["script"]:
        parts.append(match["script"].title())
    if match["region"]:
        parts.append(match["region"].upper())
    rest = (match["variants"] + match["extensions"] + (match["private"] or "")).lower()
    return "-".join(parts) + rest


def _respelled(text: str) -> str | None:
    """Return *text* with underscores and spaces read as hyphens, if that is a tag."""
    candidate = re.sub(r"[_\s]+", "-", text.strip())
    return candidate if candidate != text and _TAG.fullmatch(candidate) else None


def script_of(tag: str) -> str | None:
    """Return the script subtag of *tag*, None where it names none."""
    match = _TAG.fullmatch(tag)
    script = match["script"] if match else None
    return script and script.title()


WritingMode = Literal["horizontal-tb", "vertical-rl", "vertical-lr"]
"""How lines run and follow each other, in the words of CSS."""
_ALWAYS_VERTICAL = frozenset({"Mong", "Phag"})
_VERTICAL_TOO = frozenset({"Hani", "Hans", "Hant", "Hira", "Jpan", "Kana"})
_WRITTEN_SO = frozenset({"ja", "zh", "lzh"})


def writing_mode(tag: str, *, vertical: bool) -> WritingMode:
    """Return how a text in *tag* is written; *vertical* is how its page is.

    Mongolian script always runs down, its lines from left to right. Japanese and Chinese do where
    the page is so, from right to left. Other scripts, as in a translation of the page, never.
    """
    script = script_of(tag)
    if script in _ALWAYS_VERTICAL:
        return "vertical-lr"
    runs_down = script in _VERTICAL_TOO or (not script and tag.split("-")[0] in _WRITTEN_SO)
    return "vertical-rl" if vertical and runs_down else "horizontal-tb"


@dataclass(frozen=True, slots=True)
class LanguageMap(Mapping[str, tuple[str, ...]]):
    """Texts by language, in an order that is kept; one language may hold several values."""

    entries: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @classmethod
    def of(
        cls, texts: Mapping[str, Sequence[str] | str], languages: Sequence[str] = ()
    ) -> LanguageMap:
        """Return *texts* in the order of *languages*; those that are not in it come last."""
        place = {language: index for index, language in enumerate(languages)}
        ordered = sorted(texts, key=lambda tag: place.get(tag, len(place)))
        values = ((tag, texts[tag]) for tag in ordered)
        return cls(tuple((tag, (v,) if isinstance(v, str) else tuple(v)) for tag, v in values if v))

    def __getitem__(self, tag: str) -> tuple[str, ...]:
        for key, values in self.entries:
            if key == tag:
                return values
        raise KeyError(tag)

    def __iter__(self) -> Iterator[str]:
        return (tag for tag, _ in self.entries)

    def __len__(self) -> int:
        return len(self.entries)


NOTHING = LanguageMap()
"""No text in any language."""


def in_no_language(text: str) -> LanguageMap:
    """Return *text* as a map without a language."""
    return LanguageMap(((NONE, (text,)),))


class Found(NamedTuple):
    """A text and the tag of the language in which it really is."""

    text: str
    tag: str


def lookup(texts: Mapping[str, Sequence[str]], wanted: Iterable[str]) -> Found | None:
    """Return the text for the first of *wanted* that can be served, else the first text.

    A wanted `mn-Mong` is answered by `mn-Mong`, then `mn`; a wanted `mn` also by `mn-Cyrl`.
    None only when there is no text at all. Several values are joined by semicolons.

    RFC 4647, 3.4: https://www.rfc-editor.org/rfc/rfc4647#section-3.4
    """
    spelled = {tag.lower(): tag for tag in texts}
    for language in wanted:
        for candidate in _truncations(language.lower()):
            if candidate in spelled:
                return _found(texts, spelled[candidate])
        for lowered, tag in spelled.items():
            if lowered.startswith(f"{language.lower()}-"):
                return _found(texts, tag)
    return _found(texts, next(iter(texts))) if texts else None


def _found(texts: Mapping[str, Sequence[str]], tag: str) -> Found:
    return Found("; ".join(texts[tag]), tag)


def _truncations(tag: str) -> Iterator[str]:
    """Yield *tag*, then what is left when subtags are taken from its end.

    A single letter or digit before the cut introduces what was cut, and goes with it.
    """
    subtags = tag.split("-")
    while subtags:
        yield "-".join(subtags)
        subtags.pop()
        if subtags and len(subtags[-1]) == 1:
            subtags.pop()


# -- what the program itself says


@dataclass(frozen=True, slots=True)
class Texts:
    """The words of the program in one language: a file in `texts/`."""

    language: str
    script: str
    reviewed: bool
    """Whether a speaker of the language has read them."""
    fields: Mapping[str, str]
    phrases: Mapping[str, str]
    dates: Mapping[str, str]


LANGUAGES = ("en", "ja", "mn", "ru")
"""The languages that the program itself speaks."""


@cache
def texts_in(language: str) -> Texts:
    """Return the words of the program in *language*, one of `LANGUAGES`."""
    raw = resources.files("iiifserver.texts").joinpath(f"{language}.toml").read_text("utf-8")
    return Texts(**tomllib.loads(raw))


def speaks(tag: str) -> str | None:
    """Return which of `LANGUAGES` a reader of *tag* reads, None if the program has none.

    `ja-JP` reads `ja`, but `mn-Mong` does not read the Cyrillic of `mn`.
    """
    language = tag.split("-")[0].lower()
    if language not in LANGUAGES:
        return None
    script = script_of(tag)
    return language if script in (None, texts_in(language).script) else None


def field_label(field: str, languages: Iterable[str]) -> LanguageMap:
    """Return the name of a field of a record in those of *languages* that the program speaks."""
    return _said(languages, lambda texts: texts.fields[field])


def phrase(name: str, languages: Iterable[str]) -> LanguageMap:
    """Return a sentence of the program in those of *languages* that it speaks."""
    return _said(languages, lambda texts: texts.phrases[name])


def _said(languages: Iterable[str], say: Callable[[Texts], str]) -> LanguageMap:
    """Return what is said in those of *languages* that we speak, in English if in none."""
    spoken = ((tag, speaks(tag)) for tag in languages)
    said = LanguageMap(tuple((tag, (say(texts_in(own)),)) for tag, own in spoken if own))
    return said or LanguageMap((("en", (say(texts_in("en")),)),))
