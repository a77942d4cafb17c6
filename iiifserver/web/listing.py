"""The list of a folder of images, a page at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from iiifserver.errors import NotFound

from .site import Entry, Listing, Picture

ITEMS_A_PAGE = 60


class Part(NamedTuple):
    """One page of a long list."""

    entries: Sequence[Entry]
    pictures: Sequence[Picture]
    number: int
    last: int


def part_of(listing: Listing, asked: str) -> Part:
    """Return the page of *listing* that has the number *asked*: entries first, then pictures."""
    entries, pictures = listing.entries, listing.pictures
    number, last = page_number(asked, len(entries) + len(pictures))
    start = (number - 1) * ITEMS_A_PAGE
    after = [max(0, position - len(entries)) for position in (start, start + ITEMS_A_PAGE)]
    return Part(entries[start : start + ITEMS_A_PAGE], pictures[slice(*after)], number, last)


Item = TypeVar("Item")


def sliced(items: Sequence[Item], number: int) -> Sequence[Item]:
    """Return those of *items* that stand on the page *number*."""
    return items[(number - 1) * ITEMS_A_PAGE : number * ITEMS_A_PAGE]


def page_number(asked: str, count: int) -> tuple[int, int]:
    """Return the number of the page *asked*, and of the last one of *count* items.

    Raises:
        NotFound: there is no such page.
    """
    last = max(1, -(-count // ITEMS_A_PAGE))
    plain = asked.isascii() and asked.isdigit() and len(asked) <= 6
    if not (plain and 1 <= int(asked) <= last):
        raise NotFound(f"no page {asked[:20]!r} of this list, which has {last}", parameter="page")
    return int(asked), last
