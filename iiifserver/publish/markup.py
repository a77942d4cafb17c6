"""Texts that may hold a little HTML, as Presentation 3.0 allows it, and nothing more.

A text that begins with `<` and ends with `>` is HTML, any other is plain. What viewers would take
away is refused here, where its author can still mend it, so that pages can show it as it is.

https://iiif.io/api/presentation/3.0/#45-html-markup-in-property-values
"""

from __future__ import annotations

from html.parser import HTMLParser

from iiifserver.errors import InvalidValue
from iiifserver.publish import cells

ATTRIBUTES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("b", "br", "i", "p", "small", "span", "sub", "sup"), frozenset[str]()),
    "a": frozenset({"href"}),
    "img": frozenset({"src", "alt"}),
}
"""The tags that are allowed, and what each may carry."""
_EMPTY = frozenset({"br", "img"})
_SCHEMES = ("http://", "https://", "mailto:")


def marked_up(value: str) -> str:
    """Return *value* if it is plain text, or HTML with the tags that are allowed.

    Raises:
        InvalidValue: another tag or attribute, a tag that is not closed, a comment, a script.
    """
    text = cells.text(value)
    if is_html(text):
        if "<!" in text:  # also where the parser would stumble over it: `<![>`
            raise InvalidValue("a comment or a declaration is not allowed in HTML")
        checker = _Checker()
        checker.feed(text)
        checker.close()
        checker.finish()
    return text


def is_html(text: str) -> bool:
    """Return whether Presentation 3.0 reads *text* as HTML."""
    return text.startswith("<") and text.endswith(">")


class _Checker(HTMLParser):
    """Raises at the first thing that is not allowed."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=False)  # &lt; is not a tag that begins
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ATTRIBUTES:
            raise InvalidValue(f"the tag <{tag}> is not allowed; {_ALLOWED} are")
        for name, value in attrs:
            if name not in ATTRIBUTES[tag]:
                raise InvalidValue(f"the attribute {name!r} is not allowed in <{tag}>")
            if name != "alt" and not (value or "").lower().startswith(_SCHEMES):
                raise InvalidValue(f"{value!r} is not an address that <{tag}> may have")
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _EMPTY:
            raise InvalidValue(f"<{tag}/> has nothing in it")
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            raise InvalidValue(f"</{tag}> closes what is not open")

    def handle_pi(self, data: str) -> None:
        raise InvalidValue("a processing instruction is not allowed in HTML")

    def handle_data(self, data: str) -> None:
        if "<" in data:
            raise InvalidValue("write &lt; for a < that begins no tag")

    def finish(self) -> None:
        if self._open:
            raise InvalidValue(f"<{self._open[-1]}> is not closed")


_ALLOWED = ", ".join(sorted(ATTRIBUTES))
