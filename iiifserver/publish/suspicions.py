"""What is probably a slip in a text, though it can be shown: warnings, never errors."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from iiifserver.errors import Mistake
from iiifserver.language import script_of
from iiifserver.publish.columns import SHEETS
from iiifserver.publish.entries import Entry
from iiifserver.publish.rules import Reviewed, Rule
from iiifserver.publish.spellings import latin, script

_LONGEST_TITLE = 300
_TITLES = ("title", "record_title", "name", "working_title")
_CJK = {"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HALFWIDTH"}
_SCRIPTS = {"ja": _CJK, "zh": _CJK, "mn": {"CYRILLIC", "MONGOLIAN"}, "ru": {"CYRILLIC"}}
_WRITTEN = {"Cyrl": {"CYRILLIC"}, "Mong": {"MONGOLIAN"}, "Jpan": _CJK, "Hani": _CJK}
# zero-width space, byte order mark, and what changes the direction of what follows; the joiners
# and selectors of Mongolian and Arabic are no slip
_INVISIBLE = re.compile("[\u200b\ufeff\u2060\u202a-\u202e\u2066-\u2069\u00ad]")


_LATIN, _CYRILLIC = re.compile("[A-Za-z\u00c0-\u024f]"), re.compile("[\u0400-\u052f]")


class _Text(NamedTuple):
    entry: Entry
    field: str
    language: str
    value: str

    def warning(self, reason: str, proposal: str | None = None) -> Mistake:
        column = f"{self.field}_{self.language}"
        return self.entry.mistake(column, reason, proposal, severity="warning")


def _texts(reviewed: Reviewed) -> Iterator[_Text]:
    for sheet, columns in SHEETS.items():
        fields = [column.name for column in columns if column.by_language]
        for entry in reviewed.entries[sheet]:
            maps = [entry.values, dict(entry.unreviewed)] if entry.unreviewed else [entry.values]
            for field in fields:
                for values_of in maps:
                    if field in values_of:
                        for language, values in values_of[field].entries:
                            yield _Text(entry, field, language, "; ".join(values))


def _in_texts(reviewed: Reviewed) -> Iterator[Mistake]:
    """Yield what is suspected of each text, and of languages in which there is none."""
    used = set()
    for text in _texts(reviewed):
        used.add(text.language)
        for suspect in _ANY_LETTERS if text.value.isascii() else _OTHER_LETTERS:
            yield from suspect(text)
    for entry in reviewed.entries["Exhibition"]:
        for tag in dict.fromkeys(reviewed.languages):
            if tag not in used:
                reason = f"the exhibition declares the language {tag!r}, and no text is in it"
                yield entry.mistake("languages", reason, severity="warning")


def _mixed_words(text: _Text) -> Iterator[Mistake]:
    """A Cyrillic word with a Latin letter that looks Cyrillic, or the other way round."""
    if not (_LATIN.search(text.value) and _CYRILLIC.search(text.value)):
        return
    for word in re.findall(r"[^\W\d_]{2,}", text.value):
        scripts = Counter(filter(None, map(script, word)))
        if scripts.keys() == {"LATIN", "CYRILLIC"}:
            rarer = min(scripts, key=lambda name: scripts[name])
            strangers = "".join(letter for letter in word if script(letter) == rarer)
            reason = f"{word!r} mixes Latin and Cyrillic: {strangers!r} is {rarer.title()}"
            yield text.warning(reason, latin(word) if rarer == "CYRILLIC" else None)
            return


def _invisible_letters(text: _Text) -> Iterator[Mistake]:
    found = _INVISIBLE.search(text.value)
    if found:
        name = unicodedata.name(found[0], f"U+{ord(found[0]):04X}")
        reason = f"there is an invisible character in the text: {name}"
        yield text.warning(reason, _INVISIBLE.sub("", text.value)[:80])


def _lost_letters(text: _Text) -> Iterator[Mistake]:
    if "\ufffd" in text.value or re.search(r"\?{3,}", text.value):
        yield text.warning("letters were lost when the text was saved in another character set")


def _misread_letters(text: _Text) -> Iterator[Mistake]:
    for wrong in ("cp1252", "latin-1"):
        try:
            meant = text.value.encode(wrong).decode("utf-8")
        except UnicodeError:
            continue
        if meant != text.value:
            yield text.warning(f"{text.value[:40]!r} is UTF-8 that was read as {wrong}", meant[:80])
            return


def _other_script(text: _Text) -> Iterator[Mistake]:
    """A text in letters of another language: most often the columns are swapped."""
    tag = text.language
    expected = _WRITTEN.get(script_of(tag) or "") or _SCRIPTS.get(tag.split("-")[0])
    if script_of(tag) == "Latn" or (expected is None and tag.split("-")[0] == "en"):
        expected = {"LATIN"}
    if text.field not in _TITLES or expected is None:
        return
    letters = Counter(filter(None, map(script, text.value)))
    others = sum(count for name, count in letters.items() if name not in {*expected, "LATIN"})
    if others * 2 > letters.total():
        name = letters.most_common(1)[0][0]
        kind = "Chinese or Japanese" if name in _CJK else name.title()
        yield text.warning(f"this is the column of {tag!r}, and the text is in {kind} letters")


def _long_titles(text: _Text) -> Iterator[Mistake]:
    if text.field in _TITLES and len(text.value) > _LONGEST_TITLE:
        reason = f"a title of {len(text.value)} letters is long; a summary may hold what it tells"
        yield text.warning(reason)


_ANY_LETTERS = (_lost_letters, _long_titles)
_OTHER_LETTERS = (*_ANY_LETTERS, _misread_letters, _mixed_words, _invisible_letters, _other_script)
"""Of texts that are not plain ASCII."""
SUSPICIONS: tuple[Rule, ...] = (_in_texts,)
