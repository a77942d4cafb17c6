"""Dates as archives write them (EDTF), and how readers of each language expect to see them.

What is read of EDTF: `1972`, `1972-10`, `1972-02-24`, decades and centuries (`195X`, `12XX`),
each of these uncertain `?`, approximate `~` or both `%`, and intervals of them
(`1971-09-10/1971-09-15`) of which one side may be open (`..`) or unknown (nothing).
Seasons, times of day, negative years and unspecified days are refused by name.

EDTF: https://www.loc.gov/standards/datetime/
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from iiifserver.errors import InvalidValue
from iiifserver.language import NONE, LanguageMap, speaks, texts_in

Qualifier = Literal["", "?", "~", "%"]
OpenSide = Literal["..", ""]

_MOMENT = re.compile(
    r"(?P<year>[0-9]{4}|[0-9]{3}X|[0-9]{2}XX)(?:-(?P<month>[0-9]{2})(?:-(?P<day>[0-9]{2}))?)?"
    r"(?P<qualifier>[?~%]?)"
)
_MAX_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Moment:
    """A day, month, year, decade or century; `unknown_digits` is 1 for `195X`, 2 for `12XX`."""

    year: int
    """The first year that is meant: 1950 for `195X`."""
    month: int | None = None
    day: int | None = None
    unknown_digits: int = 0
    qualifier: Qualifier = ""

    def __str__(self) -> str:
        digits = f"{self.year:04}"
        text = digits[: 4 - self.unknown_digits] + "X" * self.unknown_digits
        text += f"-{self.month:02}" if self.month else ""
        return text + (f"-{self.day:02}" if self.day else "") + self.qualifier

    @property
    def first_day(self) -> datetime.date:
        """The first day that is meant."""
        return datetime.date(self.year, self.month or 1, self.day or 1)


@dataclass(frozen=True, slots=True)
class Interval:
    """From one moment to another; `..` is an open side, the empty string an unknown one."""

    start: Moment | OpenSide
    end: Moment | OpenSide

    def __str__(self) -> str:
        return f"{self.start}/{self.end}"


Date = Moment | Interval


def parse_date(text: str) -> Date:
    """Return the date that *text* writes in EDTF; `str()` of it is *text* again.

    Raises:
        InvalidValue: it is no such date; the proposal is one that was perhaps meant.
    """
    if len(text) > _MAX_LENGTH:
        raise InvalidValue(f"{text[:_MAX_LENGTH]!r}... is too long for a date")
    try:
        return _parse(text)
    except InvalidValue as error:
        raise InvalidValue(str(error), error.proposal or _propose(text)) from error


def _parse(text: str) -> Date:
    start, slash, end = text.partition("/")
    if not slash:
        return _parse_moment(text)
    try:
        interval = Interval(_parse_side(start), _parse_side(end))
    except InvalidValue as error:
        raise InvalidValue(f"{text!r} is not an interval: {error}") from error
    return _in_order(interval)


def _in_order(interval: Interval) -> Interval:
    sides = [s for s in (interval.start, interval.end) if isinstance(s, Moment)]
    if not sides:
        raise InvalidValue(f"'{interval}' is an interval without a date")
    if sides[0].first_day > sides[-1].first_day:
        raise InvalidValue(f"'{interval}' ends before it starts", f"{sides[1]}/{sides[0]}")
    return interval


def _parse_side(text: str) -> Moment | OpenSide:
    if text == "..":
        return ".."
    return _parse_moment(text) if text else ""


def _parse_moment(text: str) -> Moment:
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise InvalidValue(_why_not(text), _without_unknown_day(text))
    digits = match["year"]
    month, day = (int(match[part]) if match[part] else None for part in ("month", "day"))
    unknown_digits = digits.count("X")
    year = int(digits.replace("X", "0"))
    if unknown_digits and month:
        raise InvalidValue(f"{text!r} has a month in a year that is not known", digits)
    if month is not None and 21 <= month <= 41:
        raise InvalidValue(f"{text!r} is a season, which we cannot show yet", digits)
    try:
        datetime.date(year, month or 1, day or 1) if month != 0 and day != 0 else _no_such(text)
    except ValueError:
        _no_such(text)
    qualifier: Qualifier = match["qualifier"]  # type: ignore[assignment]  # the grammar has these
    return Moment(year, month, day, unknown_digits, qualifier)


def _no_such(text: str) -> None:
    raise InvalidValue(f"{text!r} is not in the calendar")


def _why_not(text: str) -> str:
    if re.match(r"-|Y", text):
        return f"{text!r}: only years from 0001 to 9999 are known"
    if "T" in text:
        return f"{text!r} has a time of day, which we do not know"
    return f"{text!r} is not a date that we know"


def _without_unknown_day(text: str) -> str | None:
    """Return *text* without its unspecified month and day (`1985-04-XX`), if it has any."""
    shorter = re.sub(r"(?:-XX){1,2}", "", text)
    return shorter if shorter != text and _MOMENT.fullmatch(shorter) else None


# -- what was perhaps meant


class Era(NamedTuple):
    """A Japanese era: its first day and the year before its first."""

    name: str
    starts: datetime.date

    def year_of(self, year: int) -> int:
        """Return which year of the era *year* is, 1 for the first."""
        return year - self.starts.year + 1


ERAS = (
    Era("明治", datetime.date(1868, 10, 23)),
    Era("大正", datetime.date(1912, 7, 30)),
    Era("昭和", datetime.date(1926, 12, 25)),
    Era("平成", datetime.date(1989, 1, 8)),
    Era("令和", datetime.date(2019, 5, 1)),
)
# Japan counted months by the moon until then, so the day and month of an earlier date in the
# Gregorian calendar do not belong beside the year of an era.
_GREGORIAN_IN_JAPAN = datetime.date(1873, 1, 1)

_WESTERN = re.compile(r"([0-9]{4})[-./年]([0-9]{1,2})(?:[-./月]([0-9]{1,2})日?)?月?")
_DAY_FIRST = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_JAPANESE = re.compile(
    r"(明治|大正|昭和|平成|令和)(元|[0-9]{1,2})年(?:([0-9]{1,2})月)?(?:([0-9]{1,2})日)?"
)
_SAFE_TO_GUESS = ((r"^(?:c\.|ca\.|circa) *([0-9]{4})$", r"\1~"), (r"^([0-9]{3})0s$", r"\1X"))


def _propose(text: str) -> str | None:
    """Return the EDTF of a date in another common spelling, None if it is in none of them.

    NFKC makes the full-width digits of Japanese input methods ASCII.
    """
    try:
        return str(_parse(_respell(unicodedata.normalize("NFKC", text.strip()))))
    except InvalidValue:
        return None


def _respell(text: str) -> str:
    if match := _WESTERN.fullmatch(text):
        return "-".join(part.zfill(2) for part in match.groups() if part)
    if match := _DAY_FIRST.fullmatch(text):
        return "-".join(part.zfill(2) for part in reversed(match.groups()))
    if match := _JAPANESE.fullmatch(text):
        era = next(era for era in ERAS if era.name == match[1])
        year = era.starts.year + (1 if match[2] == "元" else int(match[2])) - 1
        return "-".join([str(year), *(part.zfill(2) for part in match.groups()[2:] if part)])
    for pattern, replacement in _SAFE_TO_GUESS:
        if re.search(pattern, text):
            return re.sub(pattern, replacement, text)
    return text


# -- for machines


def nav_date(date: Date) -> datetime.datetime | None:
    """Return the start of *date* at midnight UTC; None where it is vaguer than a year.

    Presentation API 3.0, navDate: https://iiif.io/api/presentation/3.0/#navdate
    """
    start = date.start if isinstance(date, Interval) else date
    if not isinstance(start, Moment) or start.unknown_digits:
        return None
    return datetime.datetime.combine(start.first_day, datetime.time(), datetime.UTC)


# -- for readers


def display(date: Date, language: str) -> str:
    """Return *date* as readers of *language*, one of `language.LANGUAGES`, write it."""
    form = _FORMS[language]
    if isinstance(date, Moment):
        return _display_moment(date, form)
    if not isinstance(date.start, Moment):
        assert isinstance(date.end, Moment)  # noqa: S101 - as parsed, one side is a date
        return form.say("until", _display_moment(date.end, form))
    if not isinstance(date.end, Moment):
        return form.say("since", _display_moment(date.start, form))
    return _display_span(date.start, date.end, form)


def display_in(date: Date, languages: Iterable[str]) -> LanguageMap:
    """Return *date* in each of *languages* whose form we know; as EDTF where we know none."""
    spoken = ((tag, speaks(tag)) for tag in languages)
    shown = LanguageMap(tuple((tag, (display(date, own),)) for tag, own in spoken if own))
    return shown or LanguageMap(((NONE, (str(date),)),))


Parts = tuple[str, ...]  # a moment in words, from the year to the day in every language


@dataclass(frozen=True, slots=True)
class _Form:
    """How one language writes dates."""

    language: str
    parts: Callable[[Moment], Parts]
    day_first: bool = False
    dashes: tuple[str, str] = ("–", " – ")
    """Between two parts without a space in them, and with."""

    def join(self, parts: Parts) -> str:
        return "".join(reversed(parts) if self.day_first else parts).strip()

    def say(self, phrase: str, date: str) -> str:
        return texts_in(self.language).dates[phrase].format(date=date)


_QUALIFIED = {"?": "uncertain", "~": "about", "%": "uncertain_about"}


def _display_moment(moment: Moment, form: _Form) -> str:
    text = form.join(form.parts(moment))
    return form.say(_QUALIFIED[moment.qualifier], text) if moment.qualifier else text


def _display_span(start: Moment, end: Moment, form: _Form) -> str:
    """Return both ends; what they share is said once: 10-15 September 1971."""
    first, last = form.parts(start), form.parts(end)
    shared = 0
    if not start.qualifier and not end.qualifier and len(first) == len(last):
        while shared < len(first) - 1 and first[shared] == last[shared]:
            shared += 1
    if not shared:
        return _dashed((_display_moment(start, form), _display_moment(end, form)), form)
    between = _dashed((form.join(first[shared:]), form.join(last[shared:])), form)
    return form.join((*first[:shared], f"{between} " if form.day_first else between))


def _dashed(sides: tuple[str, str], form: _Form) -> str:
    tight, spaced = form.dashes
    return (spaced if any(" " in side for side in sides) else tight).join(sides)


def _english(moment: Moment) -> Parts:
    if moment.unknown_digits:
        return (_english_ordinal(_century(moment)) if _is_century(moment) else f"{moment.year}s",)
    months = texts_in("en").dates["months"].split()
    return _three(moment, f"{moment.year}", lambda m: f"{months[m - 1]} ", lambda d: f"{d} ")


def _english_ordinal(century: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(century % 10 if century // 10 != 1 else 0, "th")
    return f"{century}{ending} century"


def _russian(moment: Moment) -> Parts:
    if moment.unknown_digits:
        return (
            f"{_roman(_century(moment))} в." if _is_century(moment) else f"{moment.year}-е гг.",
        )
    months = texts_in("ru").dates["months_of" if moment.day else "months"].split()
    return _three(moment, f"{moment.year} г.", lambda m: f"{months[m - 1]} ", lambda d: f"{d} ")


def _roman(number: int) -> str:
    numerals = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"))
    text = ""
    for value, numeral in (*numerals, (4, "IV"), (1, "I")):
        text += numeral * (number // value)
        number %= value
    return text


def _japanese(moment: Moment) -> Parts:
    if moment.unknown_digits:
        return (f"{_century(moment)}世紀" if _is_century(moment) else f"{moment.year}年代",)
    eras = "・".join(f"{name}{'元' if n == 1 else n}年" for name, n in japanese_years(moment))
    year = f"{eras}({moment.year})" if eras else f"{moment.year}年"
    return _three(moment, year, lambda m: f"{m}月", lambda d: f"{d}日")


def japanese_years(moment: Moment) -> list[tuple[str, int]]:
    """Return the Japanese eras, from Meiji on, into which *moment* falls, and their years.

    A year in which the era changed has two. Before 1873 only whole years have any.
    """
    if moment.unknown_digits or (moment.month and moment.first_day < _GREGORIAN_IN_JAPAN):
        return []
    first, last = moment.first_day, _last_day(moment)
    ends = [era.starts for era in ERAS[1:]] + [datetime.date.max]
    return [
        (era.name, era.year_of(moment.year))
        for era, end in zip(ERAS, ends, strict=True)
        if era.starts <= last and first < end
    ]


def _last_day(moment: Moment) -> datetime.date:
    if moment.day:
        return moment.first_day
    if moment.month in (None, 12):
        return datetime.date(moment.year, 12, 31)
    return datetime.date(moment.year, (moment.month or 0) + 1, 1) - datetime.timedelta(days=1)


def _mongolian(moment: Moment) -> Parts:
    if moment.unknown_digits:
        if _is_century(moment):
            return (f"{mongolian_ordinal(_century(moment))} зуун",)
        return (f"{moment.year}-{_MONGOLIAN_DECADES[moment.year % 100 // 10]} он",)
    if moment.month is None:
        return (f"{moment.year} он",)
    month = f"{mongolian_ordinal(moment.month)} сар"
    parts = (f"{moment.year} оны ", f"{month}ын " if moment.day else month)
    return (*parts, f"{moment.day}") if moment.day else parts


# The ending of a decade follows the vowels of its name: дөч -> дөчөөд, ер -> ерээд.
_MONGOLIAN_DECADES = ("аад", "аад", "иод", "аад", "өөд", "иад", "аад", "аад", "аад", "ээд")


def mongolian_ordinal(number: int) -> str:
    """Return a number from 1 to 100 as an ordinal, by the vowels of its last word.

    нэг, дөрөв, ес and дөч, ер have front vowels: дүгээр; all others: дугаар.
    """
    front = number % 10 in (1, 4, 9) or number in (40, 90)
    return f"{number} {'дүгээр' if front else 'дугаар'}"


def _three(
    moment: Moment, year: str, month: Callable[[int], str], day: Callable[[int], str]
) -> Parts:
    parts: Parts = (year,)
    if moment.month:
        parts += (month(moment.month),)
    return (*parts, day(moment.day)) if moment.day else parts


def _is_century(moment: Moment) -> bool:
    return moment.unknown_digits == 2


def _century(moment: Moment) -> int:
    return moment.year // 100 + 1


_FORMS = {
    "en": _Form("en", _english, day_first=True),
    "ja": _Form("ja", _japanese, dashes=("〜", "〜")),
    "mn": _Form("mn", _mongolian),
    "ru": _Form("ru", _russian, day_first=True),
}
