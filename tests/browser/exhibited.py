"""What the demo shows, as its documents say."""

from __future__ import annotations

import html
import json
import re
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

EXHIBITION = "japan-mongolia"
CHAPTERS = ("ch01", "ch02", "ch03", "ch04", "ch05", "ch06")
LANGUAGES = ("en", "ja", "mn")
_PAGES = 29
"""In each language: the exhibition, its chapters, records, archives, and about it."""
_LOC = re.compile(r"<loc>([^<]+)</loc>")
_ELEMENT = re.compile(r"<[^>]*>")


def fetch(address: str) -> bytes:
    """Return what stands at *address*."""
    with urllib.request.urlopen(address) as answer:
        return answer.read()


def addresses(demo: str) -> set[str]:
    """Return the addresses of all pages, as crawlers learn of them."""
    found = set(_LOC.findall(fetch(f"{demo}/sitemap.xml").decode()))
    parts = {address for address in found if address.endswith(".xml")}
    for part in parts:
        found |= set(_LOC.findall(fetch(part).decode()))
    return found - parts


def pages(demo: str, language: str) -> list[str]:
    """Return the paths of all pages in *language*."""
    paths = [address.removeprefix(demo) for address in addresses(demo)]
    found = sorted(path for path in paths if path.startswith(f"/{language}/"))
    assert len(found) == _PAGES
    return found


@dataclass(frozen=True)
class Shown:
    """A Manifest of the demo."""

    demo: str
    identifier: str

    @property
    def address(self) -> str:
        """Where its Manifest stands."""
        return f"{self.demo}/presentation/3/{self.identifier}/manifest"

    @cached_property
    def manifest(self) -> Mapping[str, Any]:
        """The Manifest itself."""
        return json.loads(fetch(self.address))

    @cached_property
    def images(self) -> Sequence[str]:
        """Identifiers of the images, page by page."""
        bodies = [canvas["items"][0]["items"][0]["body"] for canvas in self.manifest["items"]]
        return [body["service"][0]["id"].rpartition("/")[2] for body in bodies]

    @cached_property
    def size(self) -> tuple[int, int]:
        """Width and height of the first page."""
        first = self.manifest["items"][0]
        return first["width"], first["height"]

    def label(self, language: str) -> str:
        """What it is called in *language*, or in that which stands in for it."""
        return next(iter(_texts(self.manifest["label"], language)))

    def texts(self, language: str) -> list[str]:
        """Return all that is told of it in *language*, without marks of HTML."""
        pairs = self.manifest.get("metadata", [])
        parts = [self.manifest["label"], self.manifest.get("summary", {})]
        parts += [pair["value"] for pair in pairs]
        return [plain(text) for part in parts for text in _texts(part, language)]

    def ranges(self) -> Iterator[Mapping[str, Any]]:
        """Return the entries of its table of contents, in order."""
        yield from _ranges(self.manifest)


def plain(text: str) -> str:
    """Return *text* as a reader sees it: no elements, single spaces."""
    return " ".join(html.unescape(_ELEMENT.sub("", text)).split())


def _texts(part: Mapping[str, Sequence[str]], language: str) -> Sequence[str]:
    """Return what *part* says in *language*, else in none, else in the first that it has."""
    return part.get(language) or part.get("none") or next(iter(part.values()), [])


def _ranges(parent: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for each in parent.get("structures", parent.get("items", [])):
        if each["type"] == "Range":
            yield each
            yield from _ranges(each)
