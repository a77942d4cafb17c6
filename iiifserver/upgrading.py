"""Editions of older programs, read as if this one had written them.

What wrote it, what its index lacks, and what is done:

    before pages (November 2026)    `site.exhibition`, `gone`, pages    told; all else is served
    the first of all                `site.notice` too                   there was none
    before numbers were kept        `highest`                           counted from the images
    before sidecars                 `tiles` of images                   made when somebody looks

All of these have format 2. Format 1 was never written by a program that could publish. An edition
of a newer format is refused: this program cannot know what it means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

Index = dict[str, Any]
Lack = Literal["pages"]
WITHOUT = "without"
"""Key of an index: what an older program did not write and cannot be made without the sheets."""

_ADVICE = {
    "pages": "it has no pages to read; images, Manifests and all other documents are served: "
    "publish it again from its sheets, and it has"
}


def brought_up(index: Mapping[str, Any]) -> Index:
    """Return *index* with all that this program writes, as far as it can be known."""
    new = dict(index)
    if "exhibition" not in new["site"]:
        exhibitions = (name for name, unit in new["units"].items() if unit["kind"] == "exhibition")
        texts = dict[str, Any](title={}, summary={}, notice={}, languages=[])
        new["site"] = texts | new["site"] | {"exhibition": next(exhibitions, "")}
        new[WITHOUT] = ["pages"]
    new.setdefault("gone", [])
    if "highest" not in new:
        new["highest"] = highest_numbers(new["images"])
    return new


def advice(index: Mapping[str, Any]) -> list[str]:
    """Return what to do about what *index* lacks for good, in words."""
    return [_ADVICE[lack] for lack in index.get(WITHOUT, ())]


def refusal(found: object, known: int) -> str:
    """Return why an index of format *found* cannot be read by a program that knows *known*."""
    if isinstance(found, int) and found > known:
        return "a newer program wrote it: use that one, or publish it anew"
    return "publish it anew"


def highest_numbers(
    images: Iterable[str], before: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the highest number that a page had, by record: in *images*, or *before*."""
    highest = dict(before or {})
    for image in images:
        record, _, page = image.rpartition("-")
        if page.isascii() and page.isdigit():
            highest[record] = max(int(page), highest.get(record, 0))
    return dict(sorted(highest.items()))
