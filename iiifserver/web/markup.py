"""Texts that may hold the little HTML that the Presentation API allows, made safe to show.

https://iiif.io/api/presentation/3.0/#45-html-markup-in-property-values
"""

from __future__ import annotations

import nh3
from markupsafe import Markup, escape

_TAGS = {"a", "b", "br", "i", "p", "small", "span", "sub", "sup"}
"""Those that are allowed, but for pictures: they would come from somewhere else."""
_ATTRIBUTES = {"a": {"href", "lang"}, "span": {"lang"}, "p": {"lang"}}
_SCHEMES = {"http", "https", "mailto"}


def marked_up(text: str) -> Markup:
    """Return *text* as HTML: what begins with a tag and ends with one is taken for HTML.

    Where nothing of it may be shown as HTML, it is text.
    """
    if not is_html(text):
        return escape(text)
    cleaned = nh3.clean(
        text,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        url_relative="deny",
        link_rel="external noopener",
    )
    if not cleaned:
        return escape(text)
    return Markup(cleaned)  # noqa: S704 - this is what nh3 is for


def without_markup(text: str) -> str:
    """Return what *text* says, without tags."""
    return Markup(text).striptags() if is_html(text) else text  # noqa: S704 - escaped again


def is_html(text: str) -> bool:
    """Return whether *text* is HTML: Presentation API 3.0, 4.5."""
    return text.startswith("<") and text.endswith(">")
