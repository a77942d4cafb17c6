"""What `check` found, in words and as JSON: mistakes, pages, and which translations are missing.

The keys of the JSON are told in docs/check.md, and stay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from iiifserver.errors import Mistake
from iiifserver.publish.check import Review
from iiifserver.publish.entries import Entry
from iiifserver.publish.pages import Kept
from iiifserver.publish.rules import Reviewed

State = Literal["present", "unreviewed", "missing"]
FORMAT = 1
SEVERITIES = ("error", "warning", "note")
ALWAYS = frozenset({"title", "name"})
"""Fields that are missing where they are in no language; others are then simply not used."""
TRANSLATED = {
    "Exhibition": ("title", "summary", "required_statement"),
    "Agents": ("name", "role"),
    "Chapters": ("title", "summary"),
    "Sections": ("title",),
    "Records": ("title", "record_title", "places", "people", "summary"),
}
"""The texts that visitors read, by their sheet."""
_SIGNS: dict[State | None, str] = {"present": "+", "unreviewed": "?", "missing": "-", None: "."}


class Item(NamedTuple):
    """The texts of one row: for each field that is used, its state in every language."""

    sheet: str
    identifier: str
    texts: Mapping[str, Mapping[str, State]]

    @property
    def complete(self) -> bool:
        """Whether nothing is missing and everything is reviewed."""
        return all(state == "present" for by in self.texts.values() for state in by.values())


def completeness(reviewed: Reviewed) -> tuple[Item, ...]:
    """Return which texts are there, in the order of the sheets."""
    return tuple(
        Item(sheet, entry.identifier, dict(_states(entry, fields, reviewed.languages)))
        for sheet, fields in TRANSLATED.items()
        for entry in reviewed.entries[sheet]
    )


def _states(
    entry: Entry, fields: Sequence[str], languages: Sequence[str]
) -> Iterator[tuple[str, Mapping[str, State]]]:
    unreviewed = dict(entry.unreviewed)
    for field in fields:
        there: Container[str] = entry.values.get(field, ())
        doubtful: Container[str] = unreviewed.get(field, ())
        if not there and not doubtful and field not in ALWAYS:
            continue
        states: dict[str, State] = {
            tag: "present" if tag in there else "unreviewed" if tag in doubtful else "missing"
            for tag in languages
        }
        yield field, states


def translations(items: Sequence[Item], state: State, languages: Sequence[str]) -> dict[str, int]:
    """Return how many texts are in *state*, by their language."""
    counted = Counter(
        tag
        for item in items
        for by in item.texts.values()
        for tag, found in by.items()
        if found == state
    )
    return {tag: counted[tag] for tag in languages}


def in_order(mistakes: Sequence[Mistake]) -> list[Mistake]:
    """Return *mistakes* with errors first and notes last."""
    return sorted(mistakes, key=lambda mistake: SEVERITIES.index(mistake.severity))


# -- for machines


def as_json(review: Review) -> dict[str, Any]:
    """Return all that was found, for `--json`."""
    items, languages = completeness(review.reviewed), review.reviewed.languages
    exhibition = review.reviewed.entries["Exhibition"]
    return {
        "format": FORMAT,
        "exhibition": exhibition[0].identifier or None if exhibition else None,
        "languages": list(languages),
        "counts": _counts(review.mistakes),
        "mistakes": [_mistake(mistake) for mistake in in_order(review.mistakes)],
        "pages": {
            "assigned": [_page(row) for row in review.layout.new],
            "gone": [_page(row) for row in review.layout.gone],
        },
        "completeness": [item._asdict() for item in items],
        "missing": translations(items, "missing", languages),
        "unreviewed": translations(items, "unreviewed", languages),
    }


def as_text(review: Review) -> str:
    """Return `as_json` as text."""
    return orjson.dumps(as_json(review), option=orjson.OPT_INDENT_2).decode()


def _mistake(mistake: Mistake) -> dict[str, str | None]:
    return {
        "severity": mistake.severity,
        "sheet": mistake.sheet,
        "cell": mistake.cell,
        "value": mistake.value,
        "reason": mistake.reason,
        "proposal": mistake.proposal,
    }


def _page(row: Kept) -> dict[str, str | int]:
    return {"record": row.record, "page": row.page, "file": row.file, "leaf": row.leaf + 1}


def _counts(mistakes: Sequence[Mistake]) -> dict[str, int]:
    counted = Counter(mistake.severity for mistake in mistakes)
    return {severity: counted[severity] for severity in SEVERITIES}  # type: ignore[index]  # the same words


# -- for people


def in_words(review: Review) -> str:
    """Return all that was found, for a terminal."""
    lines = [f"{m.severity:<8} {m}" for m in in_order(review.mistakes)]
    parts = ["\n".join(lines), "\n".join(_pages(review)), "\n".join(_matrix(review.reviewed))]
    return "\n\n".join([*filter(None, parts), "\n".join(_summary(review))])


def _pages(review: Review) -> Iterator[str]:
    records = Counter(row.record for row in review.layout.new)
    if records:
        yield f"{_number(records.total(), 'page')} will be given an identifier, and keep it:"
        for record, count in records.items():
            pages = [row.page for row in review.layout.new if row.record == record]
            span = pages[0] if count == 1 else f"{pages[0]} to {pages[-1]}"
            yield f"  {record}: {span}"


def _matrix(reviewed: Reviewed) -> Iterator[str]:
    items = completeness(reviewed)
    if not items or not reviewed.languages:
        return
    yield "Translations: + there, ? not reviewed, - missing, . in no language"
    width = max(len(item.identifier) for item in items)
    for sheet, fields in TRANSLATED.items():
        rows = [item for item in items if item.sheet == sheet]
        if not rows:
            continue
        yield f"{sheet} ({', '.join(fields)})"
        for item in rows:
            if not item.complete:
                cells = (f"{tag} {_signs(item, fields, tag)}" for tag in reviewed.languages)
                yield f"  {item.identifier:<{width}}  {'  '.join(cells)}"
        complete = sum(item.complete for item in rows)
        if complete:
            yield f"  {complete} of {len(rows)} complete in every language"


def _signs(item: Item, fields: Sequence[str], tag: str) -> str:
    return "".join(_SIGNS[item.texts.get(field, {}).get(tag)] for field in fields)


def _summary(review: Review) -> Iterator[str]:
    items, languages = completeness(review.reviewed), review.reviewed.languages
    for state, what in (("missing", "missing"), ("unreviewed", "not reviewed")):
        found = translations(items, state, languages)  # type: ignore[arg-type]  # two of its words
        by_language = ", ".join(f"{tag} {count}" for tag, count in found.items() if count)
        yield f"translations {what}: {by_language or 'none'}"
    counts = _counts(review.mistakes)
    yield ", ".join(_number(count, severity) for severity, count in counts.items())


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
