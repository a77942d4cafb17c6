"""A page of HTML taken apart, for those who judge it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

_VOID = {"br", "hr", "img", "input", "link", "meta"}


class Page(HTMLParser):
    """The elements of a page with their attributes, its text, and the language of each run."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.runs: list[tuple[str, str]] = []
        """Language and text of each run."""
        self.scripts: list[str] = []
        self._open: list[tuple[str, str]] = []
        self.feed(response.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        around = self._open[-1][1] if self._open else ""
        if tag not in _VOID:
            self._open.append((tag, attributes.get("lang", around)))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, language = self._open[-1] if self._open else ("", "")
        if tag == "script":
            self.scripts.append(data)
        elif data.strip():
            self.text += data
            self.runs.append((language, data.strip()))

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every element called *tag*."""
        return [attributes for name, attributes in self.elements if name == tag]

    def addresses(self) -> Iterator[str]:
        """Yield every address that a browser could load or follow."""
        for tag, attributes in self.elements:
            yield from (attributes[name] for name in ("href", "src") if name in attributes)
            yield from re.findall(r"(\S+) \d+(?:\.\d+)?[wx]", attributes.get("srcset", ""))
            if tag == "meta" and "://" in attributes.get("content", ""):
                yield attributes["content"]

    def settings(self) -> Any:
        """Return what the first data block of the page holds."""
        return json.loads(self.scripts[0])
