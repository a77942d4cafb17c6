"""How the text of one cell is read, by what its column holds.

Each reader returns the value or raises `InvalidValue`, which says why it is none and, where that
can be guessed, which value was meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from urllib.parse import quote, urlsplit

from iiifserver.dates import Date, parse_date
from iiifserver.errors import InvalidValue
from iiifserver.publish.spellings import (
    foreign_letters,
    latin,
    meant_dates,
    meant_rights,
    nearest,
    plain_identifier,
)

__all__ = [
    "address",
    "date",
    "file_name",
    "identifier",
    "nearest",
    "number",
    "one_of",
    "page_identifier",
    "rights",
    "text",
]

MOST_LETTERS = 20_000
"""In one cell; a spreadsheet's cell holds 32,767."""
_FORMULA_ERRORS = {"#REF!", "#N/A", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!"}


def text(value: str) -> str:
    """Return *value* with its letters composed (NFC)."""
    if _CONTROL.search(value):
        proposal = _CONTROL.sub("", value)
        raise InvalidValue("there is a control character in the text", proposal)
    if len(value) > MOST_LETTERS:
        raise InvalidValue(f"{len(value):,} letters are too many: at most {MOST_LETTERS:,}")
    if value in _FORMULA_ERRORS:
        raise InvalidValue(f"{value} is the error of a formula, not a value")
    return unicodedata.normalize("NFC", value)


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tabs and ends of lines


def identifier(value: str) -> str:
    """Return *value* if it can stand in an address for ever."""
    if len(value) > _LONGEST:
        raise InvalidValue(f"{len(value)} letters are too many for an identifier: at most 100")
    if value in _TAKEN:
        reason = f"{value!r} is not an identifier: the server has an address of that name"
        raise InvalidValue(reason, f"item-{value}")
    if _IDENTIFIER.fullmatch(value):
        return value
    proposal = plain_identifier(value)
    reason = f"{value!r} is not an identifier: letters a-z, digits, dots and hyphens"
    if "/" in value:
        reason = f"{value!r} is not an identifier: a slash would end it in an address"
    if latin(value) != value and _IDENTIFIER.fullmatch(latin(value)):
        reason = f"{value!r} is not an identifier: {', '.join(foreign_letters(value))}"
    raise InvalidValue(reason, proposal if _IDENTIFIER.fullmatch(proposal) else None)


_LONGEST = 100
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*")
_TAKEN = {"2", "3", "collection", "contents"}  # addresses of our own


def page_identifier(value: str) -> str:
    """Return the identifier of a page, which may be a bare number."""
    return value if value in _TAKEN else identifier(value)


def number(value: str) -> int:
    """Return the place of a page in its file, which counts from 1."""
    if re.fullmatch("[1-9][0-9]{0,5}", value):
        return int(value)
    plain = unicodedata.normalize("NFKC", value).removesuffix(".0")
    proposal = plain if plain != value and re.fullmatch("[1-9][0-9]{0,5}", plain) else None
    raise InvalidValue(f"{value!r} is not a number from 1 on", proposal)


def date(value: str) -> Date:
    """Return the date that is written in EDTF."""
    if value.lower() in _NO_DATE:
        raise InvalidValue(f"{value!r} is not a date: leave the cell empty where none is known")
    try:
        return parse_date(value)
    except InvalidValue as error:
        # 24/02/1972 is meant as one date, not as the interval that EDTF would see in it
        reason = str(error) if value.count("/") < 2 else f"{value!r} is not a date that we know"
        meant = [error.proposal] if error.proposal else meant_dates(value)
        reason += "; day and month could be either" if len(meant) > 1 else ""
        raise InvalidValue(reason, " or ".join(meant) or None) from error


_NO_DATE = {"n.d.", "n. d.", "nd", "unknown", "undated", "none", "?", "-", "不明", "年月日不明"}


def file_name(value: str) -> str:
    """Return the name of a file that lies directly in its record's folder."""
    if "/" in value or "\\" in value or value.startswith("."):
        name = re.split(r"[/\\]", value)[-1]
        proposal = name if name and not name.startswith(".") else None
        reason = f"{value!r} is not the name of a file in the folder of its record"
        raise InvalidValue(reason, proposal)
    return text(value)


def address(value: str) -> str:
    """Return the address of a page of the web."""
    try:
        parts = urlsplit(value)
    except ValueError as error:
        raise InvalidValue(f"{value!r} is not a web address: {error}") from error
    if parts.scheme in ("http", "https") and parts.hostname and not re.search(r"\s", value):
        return value
    reason = f"{value!r} is not a web address"
    if re.fullmatch("(?!https?$)[a-z]{3,10}", parts.scheme) and not re.match(
        "h?t+ps?$", parts.scheme
    ):
        reason = f"{value!r}: links are http or https, not {parts.scheme}"
    repaired = re.sub(r"^(?:h?t+p(s?):?/{0,3}|(?=[\w-]+\.))", r"http\1://", value, count=1)
    if not re.match("h?t+p", value):
        repaired = f"https://{value}"
    if re.fullmatch(r"https?://[\w-]+(\.[\w-]+)+(/.*)?", repaired):
        raise InvalidValue(reason, quote(repaired, safe=":/?#[]@!$&'()*+,;=%~"))
    raise InvalidValue(reason)


def rights(value: str) -> str:
    """Return the URI of a licence or rights statement that Presentation 3.0 allows.

    https://iiif.io/api/presentation/3.0/#rights
    """
    if value in RIGHTS:
        return value
    reason = f"{value!r} is neither a Creative Commons licence nor from rightsstatements.org"
    raise InvalidValue(reason, meant_rights(value, RIGHTS))


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
        given = [part for part in re.split(r"[\s,;+]+", value.lower()) if part]
        if len(given) > 1 and set(given) <= set(words):
            reason = f"{' and '.join(map(repr, given))} exclude each other: choose one"
            raise InvalidValue(reason, " or ".join(given))
        proposal = nearest("-".join(re.split(r"[\s_-]+", value.lower())), words)
        raise InvalidValue(f"{value!r} is none of {', '.join(words)}", proposal)

    return read
