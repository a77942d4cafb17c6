"""What a publication changes, in words."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

_MOST_NAMED = 20
_WORDS = {"site": "top Collection"}
_KINDS = ("record", "page", "chapter", "exhibition", "site")

Index = Mapping[str, Any]


class Change(NamedTuple):
    """What happened to which things of one kind."""

    kind: str
    verb: str
    names: tuple[str, ...]


def difference(before: Index | None, after: Index) -> list[Change]:
    """Return what *after* changes of *before*, records first; nothing where they say the same.

    Another base_url changes no record: documents are compared as they were before linking.
    """
    before = before or {"units": {}, "images": {}}
    return [
        change
        for kind in _KINDS
        for change in _changes(kind, _contents(before, kind), _contents(after, kind))
    ]


def in_words(before: Index | None, after: Index) -> str:
    """Return the difference as a sentence, and whether anything loses its identifier."""
    changes = difference(before, after)
    said = [f"{counted(len(change.names), change.kind)} {change.verb}" for change in changes]
    if before and before["base_url"] != after["base_url"]:
        said.append(f"addresses move from {before['base_url']} to {after['base_url']}")
    if not said:
        return "nothing would change"
    lost = [name for change in changes if change.verb == "gone" for name in change.names]
    if before:
        said.append(f"identifiers that end: {_named(lost)}" if lost else "no identifier changed")
    return ", ".join(said)


def details(before: Index | None, after: Index) -> Iterator[str]:
    """Yield a line for each kind of change, with the names of what changes."""
    for change in difference(before, after):
        yield f"{_WORDS.get(change.kind, change.kind)} {change.verb}: {_named(change.names)}"


def _contents(index: Index, kind: str) -> Mapping[str, Any]:
    if kind == "page":
        images: Mapping[str, Any] = index["images"]
        return images
    return {name: unit["content"] for name, unit in index["units"].items() if unit["kind"] == kind}


def _changes(kind: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Change]:
    shared = before.keys() & after.keys()
    verbs = {
        "changed": [name for name in after if name in shared and before[name] != after[name]],
        "added": [name for name in after if name not in shared],
        "gone": [name for name in before if name not in shared],
    }
    return (Change(kind, verb, tuple(names)) for verb, names in verbs.items() if names)


def counted(number: int, kind: str) -> str:
    """Return *number* of a *kind* in words: `1 record`, `2 records`."""
    return f"{number:,} {_WORDS.get(kind, kind)}{'' if number == 1 else 's'}"


def _named(names: Collection[str]) -> str:
    shown = ", ".join(name or "(of the site)" for name in list(names)[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown
