"""How the text of one cell is read, by what its column holds.

Each reader returns the value or raises `InvalidValue`, which says why it is none and, where that
can be guessed, which value was meant.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urlsplit

from iiifserver.errors import InvalidValue


def text(value: str) -> str:
    """Return *value* with its letters composed (NFC)."""
    if any(unicodedata.category(letter) == "Cc" and letter not in "\n\t" for letter in value):
        raise InvalidValue("there is a control character in the text")
    return unicodedata.normalize("NFC", value)


def identifier(value: str) -> str:
    """Return *value* if it can stand in an address for ever."""
    if len(value) <= 100 and _IDENTIFIER.fullmatch(value) and value not in _TAKEN:
        return value
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode()
    proposal = re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-.")
    usable = proposal != value and _IDENTIFIER.fullmatch(proposal)
    reason = f"{value!r} is not an identifier: letters a-z, digits, dots and hyphens"
    raise InvalidValue(reason, proposal if usable else None)


_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_TAKEN = {"2", "3", "collection"}  # addresses of our own


def page_identifier(value: str) -> str:
    """Return the identifier of a page, which may be a bare number."""
    return value if value in _TAKEN else identifier(value)


def file_name(value: str) -> str:
    """Return the name of a file that lies directly in its record's folder."""
    if "/" in value or "\\" in value or value.startswith("."):
        raise InvalidValue(f"{value!r} is not the name of a file in the folder of its record")
    return text(value)


def address(value: str) -> str:
    """Return the address of a page of the web."""
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise InvalidValue(f"{value!r} is not a web address: {error}") from error
    if parts.scheme in ("http", "https") and parts.hostname and not re.search(r"\s", value):
        return value
    proposal = f"https://{value}" if re.fullmatch(r"[\w-]+(\.[\w-]+)+(/\S*)?", value) else None
    raise InvalidValue(f"{value!r} is not a web address", proposal)


def rights(value: str) -> str:
    """Return the URI of a licence or rights statement that Presentation 3.0 allows.

    https://iiif.io/api/presentation/3.0/#rights
    """
    if value in RIGHTS:
        return value
    meant = value.replace("https://", "http://").rstrip("/") + "/"
    reason = f"{value!r} is neither a Creative Commons licence nor from rightsstatements.org"
    raise InvalidValue(reason, meant if meant in RIGHTS else nearest(value, RIGHTS))


_CC = "http://creativecommons.org"
RIGHTS = (
    *(
        f"{_CC}/licenses/{licence}/{version}/"
        for licence in ("by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd")
        for version in ("4.0", "3.0", "2.5", "2.0", "1.0")
    ),
    f"{_CC}/publicdomain/zero/1.0/",
    f"{_CC}/publicdomain/mark/1.0/",
    *(
        f"http://rightsstatements.org/vocab/{code}/1.0/"
        for code in (
            *("InC", "InC-OW-EU", "InC-EDU", "InC-NC", "InC-RUU", "NoC-CR", "NoC-NC"),
            *("NoC-OKLR", "NoC-US", "CNE", "UND", "NKC"),
        )
    ),
)


def one_of(words: Sequence[str]) -> Callable[[str], str]:
    """Return a reader of cells that hold one of *words*."""

    def read(value: str) -> str:
        if value in words:
            return value
        proposal = nearest(value.lower().replace(" ", "-"), words)
        raise InvalidValue(f"{value!r} is none of {', '.join(words)}", proposal)

    return read


def nearest(value: str, words: Iterable[str]) -> str | None:
    """Return the word that *value* most resembles, None if it resembles none."""
    return next(iter(difflib.get_close_matches(value, list(words), n=1, cutoff=0.6)), None)
