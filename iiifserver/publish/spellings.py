"""What a curator perhaps meant: values in other common spellings, as the one that is read.

Nothing here is applied: a proposal is shown beside the mistake, and its author decides.
"""

from __future__ import annotations

import datetime
import difflib
import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator

from iiifserver.dates import parse_date
from iiifserver.errors import InvalidValue


def nearest(value: str, words: Iterable[str]) -> str | None:
    """Return the word that *value* most resembles, None if it resembles none.

    A word that differs in nothing but capitals, hyphens, width and look-alike letters comes first.
    """
    known = list(words)
    same = {_folded(word): word for word in known}
    if _folded(value) in same:
        return same[_folded(value)]
    return next(iter(difflib.get_close_matches(value, known, n=1, cutoff=0.6)), None)


def _folded(value: str) -> str:
    letters = latin(unicodedata.normalize("NFKC", value)).casefold()
    return re.sub(r"[\W_]+", "", letters)


# -- letters

_LOOK_ALIKES = str.maketrans(
    "авеіјкмнорсѕтухАВЕІЈКМНОРСЅТУХΑΒΕΖΗΙΚΜΝΟΡΤΥΧανο",
    "abeijkmhopcstyxABEIJKMHOPCSTYXABEZHIKMNOPTYXavo",
)
"""Letters of Cyrillic and Greek to the Latin ones that they look like."""


def latin(value: str) -> str:
    """Return *value* with Cyrillic and Greek letters that look Latin made Latin."""
    return value.translate(_LOOK_ALIKES)


@functools.lru_cache(maxsize=4096)
def script(letter: str) -> str:
    """Return the script that the name of a letter begins with: `LATIN`, `CYRILLIC`, `CJK`, ..."""
    if not letter.isalpha():
        return ""
    return unicodedata.name(letter, "").split(" ")[0].removeprefix("FULLWIDTH")


def foreign_letters(value: str) -> list[str]:
    """Return the letters of *value* that are not Latin but look so, with their names."""
    return [
        f"{letter!r} is {unicodedata.name(letter)}"
        for letter in dict.fromkeys(value)
        if latin(letter) != letter
    ]


# -- identifiers and names


def plain_identifier(value: str) -> str:
    """Return what is left of *value* in letters a-z, digits, dots and hyphens."""
    plain = unicodedata.normalize("NFKD", latin(value)).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9.]+", "-", plain).strip("-.")[:100]


# -- dates

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?,?"
_ERA_LETTERS = {"M": "明治", "T": "大正", "S": "昭和", "H": "平成", "R": "令和"}
_ERAS = _ERA_LETTERS | {name[0]: name for name in _ERA_LETTERS.values()}
_EXCEL_EPOCH = datetime.date(1899, 12, 30)
_DASH = re.compile(r"\s*(?:[–—―‒−〜]|~(?=.)|から|\bto\b|\buntil\b|\s-\s)\s*")


def meant_dates(text: str) -> list[str]:
    """Return the dates (EDTF) that *text* may write; several where day and month are in doubt."""
    plain = unicodedata.normalize("NFKC", text.strip())
    found = (_read(candidate) for candidate in _dates(plain))
    return list(dict.fromkeys(date for date in found if date))


def _read(candidate: str) -> str | None:
    try:
        return str(parse_date(candidate))
    except InvalidValue as error:
        return error.proposal


def _one(text: str) -> str | None:
    """Return the one date that *text* is or may write, None if that is none or in doubt."""
    found = [_read(text)] if _read(text) else meant_dates(text)
    return found[0] if len(found) == 1 else None


def _dates(text: str) -> Iterator[str]:
    yield from _ranges(text)
    yield from _compact(text)
    yield from _in_words(text)
    if match := re.fullmatch(r"([0-9]{1,2})[/-]([0-9]{1,2})[/-]([0-9]{4})", text):
        one, other, year = match[1].zfill(2), match[2].zfill(2), match[3]
        for month, day in ((other, one), (one, other)):
            if month <= "12":  # more would be read as a season
                yield f"{year}-{month}-{day}"
    if match := re.fullmatch(
        r"([A-Z一-龥])[治正和成]?\.?([0-9]+|元)[.年/-]([0-9]+)[.月/-]([0-9]+)日?", text
    ):
        era = _ERAS.get(match[1])
        if era:
            yield f"{era}{match[2]}年{match[3]}月{match[4]}日"


def _ranges(text: str) -> Iterator[str]:
    sides = _DASH.split(text)
    if re.fullmatch(r"[0-9]{4}-[0-9]{4}", text):
        sides = text.split("-")
    if len(sides) != 2 or not all(sides):
        return
    start, end = _one(sides[0]), _one(sides[1])
    if start and end is None and re.fullmatch("[0-9]{1,2}", sides[1]):
        end = _one(f"{start[:-2]}{sides[1].zfill(2)}")
    if end and start is None and re.fullmatch("[0-9]{1,2}", sides[0]):
        start = _one(f"{end[:-2]}{sides[0].zfill(2)}")
    if start and end and "/" not in start + end:
        yield f"{start}/{end}"


def _compact(text: str) -> Iterator[str]:
    if re.fullmatch("[0-9]{2,3}x{1,2}", text):
        yield text.upper()
    if match := re.fullmatch(r"([0-9]{4})([0-9]{2})([0-9]{2})", text):
        yield "-".join(match.groups())
    if match := re.fullmatch(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ][0-9:.Z+-]+", text):
        yield match[1]
    if match := re.fullmatch(r"([1-9][0-9]{4})(?:\.0+)?", text):  # a spreadsheet's day number
        yield str(_EXCEL_EPOCH + datetime.timedelta(days=int(match[1])))


def _in_words(text: str) -> Iterator[str]:
    lower = text.lower()
    day, year = "(?P<day>[0-9]{1,2})(?:st|nd|rd|th)?,?", "(?P<year>[0-9]{4})"
    for pattern in (f"{day} {_MONTH} {year}", f"{_MONTH} {day} {year}", f"{_MONTH} {year}"):
        if match := re.fullmatch(pattern, lower):
            parts = [match["year"], f"{_MONTHS.index(match['month']) + 1:02}"]
            parts += [match["day"].zfill(2)] if "day" in match.groupdict() else []
            yield "-".join(parts)
    mongolian = r"([0-9]{4}) оны? ([0-9]{1,2})(?: ?д[уү]г[аэ]{2}р|-?р) сар(?:ын ([0-9]{1,2}))?"
    if match := re.match(mongolian, lower):
        yield "-".join(part.zfill(2) for part in match.groups() if part)
    if match := re.fullmatch(r"(before|until|after|since|from) ([0-9]{4})", lower):
        yield f"../{match[2]}" if match[1] in ("before", "until") else f"{match[2]}/.."
    if match := re.fullmatch(r"([0-9]{1,2})(?:st|nd|rd|th) century|([0-9]{1,2})世紀", lower):
        yield f"{int(match[1] or match[2]) - 1:02}XX"


# -- rights


def meant_rights(value: str, known: Iterable[str]) -> str | None:
    """Return the URI that a licence's usual name, or another form of its address, stands for."""
    uris = list(known)
    address = re.match(r"(?:https?://)?(?:www\.)?(.+?/[0-9.]+)(?:/|$)", value)
    if address:
        path = address[1].replace("rightsstatements.org/page/", "rightsstatements.org/vocab/")
        for uri in uris:
            if uri.lower() == f"http://{path.lower()}/":
                return uri
    names: dict[str, str] = {}
    for uri in reversed(uris):  # so that the newest version, which is first, wins
        *_, code, version, _ = uri.split("/")
        prefix = "cc" if "creativecommons" in uri else ""
        names[_squeezed(prefix + code)] = names[_squeezed(prefix + code + version)] = uri
    names |= {_squeezed(name): names[code] for name, code in _RIGHTS_NAMES.items()}
    squeezed = _squeezed(value)
    return names.get(squeezed) or nearest(value, uris)


def _squeezed(name: str) -> str:
    return re.sub(r"[^a-z0-9]|license|licence|international", "", name.lower())


_RIGHTS_NAMES = {
    "CC0": "cczero",
    "CC0 1.0": "cczero",
    "public domain": "ccmark",
    "public domain mark": "ccmark",
    "PDM": "ccmark",
    "creative commons attribution": "ccby",
    "in copyright": "inc",
    "all rights reserved": "inc",
    "no copyright - united states": "nocus",
    "no known copyright": "nkc",
    "copyright not evaluated": "cne",
    "copyright undetermined": "und",
}
