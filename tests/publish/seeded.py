"""A healthy exhibition, and the mistakes that a curator may sow in it: each in a row of its own."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from PIL import Image

from iiifserver.image.examine import Examination
from iiifserver.publish.folders import Found
from iiifserver.publish.tables import column_letters


class Seed(NamedTuple):
    """A value that is wrong in its column, and what is to be said of it.

    An empty `column` means the header itself: the value is the name of one more column.
    """

    sheet: str
    column: str
    value: str
    reason: str
    proposal: str | None = None
    severity: str = "error"
    beside: dict[str, str] = {}
    """Other values of the row."""
    at: str = ""
    """The column that is blamed, where it is another one."""
    also: int = 0
    """Further mistakes that follow from it: a scan that is then not listed."""


SETTINGS = {
    "exhibition": "demo",
    "languages": "en; ja; mn",
    "title_en": "Demo",
    "title_ja": "展示",
    "title_mn": "Үзэсгэлэн",
}
RECORD = {"chapter": "ch1", "title_en": "Letter"}
HEALTHY: dict[str, list[dict[str, str]]] = {
    "Agents": [
        {"agent": "naj", "name_en": "National Archives", "name_ja": "国立公文書館"},
        {"agent": "naj-annex", "name_en": "Annex", "part_of": "naj"},
    ],
    "Chapters": [
        {"chapter": "ch1", "title_en": "One", "period": "195X"},
        {"chapter": "ch2", "title_en": "Two"},
    ],
    "Sections": [
        {"section": "ch1-a", "chapter": "ch1", "title_en": "Trade"},
        {"section": "ch2-a", "chapter": "ch2", "title_en": "Games"},
    ],
    "Records": [
        {"record": "r1", "section": "ch1-a", "title_ja": "国書", "date": "1972-02-24", **RECORD},
        {"record": "r2", "holder": "naj", **RECORD},
    ],
    "Pages": [
        {"record": "r1", "page": "cover", "file": "b.jpg"},
        {"record": "r1", "page": "1r", "file": "a.jpg"},
    ],
    "Sources": [{"item": "r1", "column": "title_ja", "source": "https://example.org/r1"}],
}
NEW_ROW: dict[str, dict[str, str]] = {
    "Agents": {"agent": "a{}", "name_en": "Archives"},
    "Chapters": {"chapter": "c{}", "title_en": "Chapter"},
    "Sections": {"section": "s{}", "chapter": "ch1", "title_en": "Section"},
    "Records": {"record": "n{}", **RECORD},
    "Pages": {"record": "p{}", "page": "1", "file": "1.jpg"},
    "Sources": {"item": "r1", "column": "title_en", "source": "a book"},
}
_D = {"record": "r1", "file": "d.jpg"}
_7 = {"record": "r1", "page": "7"}
_KEPT = {"record": "r2", "checksum": "1" * 64}
BY = "http://creativecommons.org/licenses/by/4.0/"

CELLS = [
    # -- identifiers
    Seed("Records", "record", "r1", "already at Records!A2"),
    Seed("Records", "record", "demo", "already at Exhibition!exhibition"),
    Seed("Records", "record", "ch2", "already at Chapters!A3"),
    Seed("Records", "record", "R1", "differs only in capitals", None, "warning", also=1),
    Seed("Records", "record", "r 3", "letters a-z, digits", "r-3"),
    Seed("Records", "record", "a/b", "a slash would end it", "a-b"),
    Seed("Records", "record", "collection", "address of that name", "item-collection"),
    Seed("Records", "record", "contents", "address of that name", "item-contents"),
    Seed("Records", "record", "2", "address of that name", "item-2"),
    Seed("Records", "record", "сh9", "CYRILLIC SMALL LETTER ES", "ch9"),
    Seed("Records", "record", "記録", "letters a-z, digits"),
    Seed("Records", "record", "-x", "letters a-z, digits", "x"),
    Seed("Records", "record", "x" * 101, "101 letters are too many"),
    Seed("Records", "record", "", "record is missing"),
    Seed("Agents", "agent", "naj", "already at Agents!A2"),
    Seed("Sections", "section", "s 1", "letters a-z, digits", "s-1"),
    # -- references
    Seed("Records", "chapter", "ch", "not in the sheet Chapters", "ch2"),
    Seed("Records", "chapter", "сh1", "not in the sheet Chapters", "ch1"),
    Seed("Records", "chapter", "", "chapter is missing"),
    Seed("Records", "section", "ch1-b", "not in the sheet Sections", "ch1-a"),
    Seed("Records", "section", "ch2-a", "is in the chapter 'ch2'"),
    Seed("Records", "holder", "nja", "not in the sheet Agents", "naj"),
    Seed("Records", "related", "r9", "not in the sheet Records", None),
    Seed("Records", "related", "self", "refers to itself", beside={"record": "self"}),
    Seed("Sections", "chapter", "ch9", "not in the sheet Chapters", "ch2"),
    Seed("Agents", "part_of", "nai", "not in the sheet Agents", "naj"),
    Seed("Agents", "part_of", "own", "refers to itself", beside={"agent": "own"}),
    Seed("Sources", "item", "zzz", "in no sheet"),
    Seed("Sources", "column", "titel_en", "unknown column", "title_en"),
    Seed("Sources", "source", "", "source is missing"),
    # -- texts
    Seed("Records", "title_en", "", "title is missing"),
    Seed("Chapters", "title_en", "", "a title or a working title", at="chapter"),
    Seed("Sections", "title_en", "", "title is missing"),
    Seed("Agents", "name_en", "", "name is missing"),
    Seed("Records", "title_en", "Ma\x07p", "control character", "Map"),
    Seed("Records", "reference", "#REF!", "the error of a formula"),
    Seed("Records", "note_en", "x" * 20_001, "20,001 letters are too many"),
    Seed("Records", "title_mn", "Mонгол", "mixes Latin and Cyrillic: 'M'", None, "warning"),
    Seed("Records", "title_en", "Lеtter", "mixes Latin and Cyrillic: 'е'", "Letter", "warning"),
    Seed("Records", "title_en", "Let\u200bter", "ZERO WIDTH SPACE", "Letter", "warning"),
    Seed("Records", "title_ja", "???????", "letters were lost", None, "warning"),
    Seed("Records", "title_ja", "å›½æ›¸", "UTF-8 that was read as cp1252", "国書", "warning"),
    Seed("Records", "title_mn", "国書の返書", "Chinese or Japanese letters", None, "warning"),
    Seed("Records", "title_en", "Захидал", "Cyrillic letters", None, "warning"),
    Seed("Records", "title_en", "word " * 70, "is long; a summary", None, "warning"),
    Seed("Records", "summary_en", "<script>x</script>", "<script> is not allowed"),
    Seed("Records", "summary_en", "<p><b>x</p>", "closes what is not open"),
    Seed("Records", "summary_en", "<p onclick='x'>y</p>", "'onclick' is not allowed"),
    Seed("Records", "unreviewed", "title_mn", "marked as unreviewed", "title_en"),
    Seed("Records", "unreviewed", "titel_en", "marked as unreviewed", "title_en"),
    # -- dates
    Seed("Records", "date", "1972.2.24", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "1972-2-24", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "24.2.1972", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "24/02/1972", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "03/04/1972", "could be either", "1972-04-03 or 1972-03-04"),
    Seed("Records", "date", "昭和47年2月24日", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "S47.2.24", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "1972年2月", "not a date that we know", "1972-02"),
    Seed("Records", "date", "1972 оны 2 дугаар сарын 24", "not a date", "1972-02-24"),
    Seed("Records", "date", "February 24, 1972", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "10–15 September 1971", "not a date", "1971-09-10/1971-09-15"),
    Seed("Records", "date", "1971–1972", "not a date that we know", "1971/1972"),
    Seed("Records", "date", "1971-1972", "not a date that we know", "1971/1972"),
    Seed("Records", "date", "1972/1971", "ends before it starts", "1971/1972"),
    Seed("Records", "date", "26353", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "19720224", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "1972-02-24 00:00:00", "not a date that we know", "1972-02-24"),
    Seed("Records", "date", "1972-02-24T10:00", "time of day", "1972-02-24"),
    Seed("Records", "date", "1972-02-30", "not in the calendar"),
    Seed("Records", "date", "1972-21", "is a season", "1972"),
    Seed("Records", "date", "1985-04-XX", "not a date that we know", "1985-04"),
    Seed("Records", "date", "195x", "not a date that we know", "195X"),
    Seed("Records", "date", "ca. 1950", "not a date that we know", "1950~"),
    Seed("Records", "date", "before 1950", "not a date that we know", "../1950"),
    Seed("Records", "date", "n.d.", "leave the cell empty"),
    Seed("Records", "date", "1" * 40, "too long for a date"),
    Seed("Records", "date", "2999", "lies in the future", None, "warning"),
    Seed("Chapters", "period", "1950s", "not a date that we know", "195X"),
    Seed("Chapters", "period", "2998/2999", "lies in the future", None, "warning"),
    # -- rights, links, words
    Seed("Records", "rights", "CC BY", "neither a Creative Commons licence", BY),
    Seed("Records", "rights", "https://creativecommons.org/licenses/by/4.0/deed.ja", "neither", BY),
    Seed("Records", "rights", "In Copyright", "neither", "http://rightsstatements.org/vocab/InC/1.0/"),
    Seed("Records", "rights", "ours", "neither a Creative Commons licence"),
    Seed("Records", "homepage_en", "www.naj.go.jp", "not a web address", "https://www.naj.go.jp"),
    Seed("Records", "homepage_en", "https:/x.org/a", "not a web address", "https://x.org/a"),
    Seed("Records", "homepage_en", "https://x.org/a b", "not a web", "https://x.org/a%20b"),
    Seed("Records", "homepage_en", "ftp://x.org/a", "http or https, not ftp"),
    Seed("Records", "homepage_en", "javascript:alert(1)", "http or https, not javascript"),
    Seed("Records", "homepage_en", "see the catalogue", "not a web address"),
    Seed("Agents", "homepage", "x.org", "not a web address", "https://x.org"),
    Seed("Records", "viewing_direction", "right to left", "none of", "right-to-left"),
    Seed("Records", "viewing_direction", "rigth-to-left", "none of", "right-to-left"),
    Seed("Records", "behavior", "pagd", "none of", "paged"),
    Seed("Records", "behavior", "paged; continuous", "exclude each other", "paged or continuous"),
    # -- pages
    Seed("Pages", "record", "r9", "not in the sheet Records", None, beside={"page": "9"}),
    Seed("Pages", "page", "1r", "has the page '1r' already", beside=_D),
    Seed("Pages", "page", "1/r", "a slash would end it", "1-r"),
    Seed("Pages", "file", "", "file is missing", also=1),
    Seed("Pages", "file", "1.jpeg", "there is no file '1.jpeg'", "1.jpg", also=1),
    Seed("Pages", "file", "../r2/1.jpg", "not the name of a file in the folder", "1.jpg", also=1),
    Seed("Pages", "file", "1.txt", "not a kind of file", also=1),
    Seed("Pages", "file", "a.jpg", "has the file 'a.jpg' already", beside=_7),
    Seed("Pages", "leaf", "0", "not a number from 1 on"),
    Seed("Pages", "page", "", "needs its page", beside={"checksum": "0" * 64}),
    Seed("Pages", "file", "gone.jpg", "is gone", None, "warning", _KEPT),
    # -- headers
    Seed("Records", "", "tilte_en", "unknown column", "title_en"),
    Seed("Records", "", "title_jp", "ISO 639", "title_ja"),
    Seed("Records", "", "title_de", "does not declare the language"),
    Seed("Records", "", "title_ja", "there twice"),
    Seed("Records", "", "", "a column without a name"),
    Seed("Chapters", "", "summery_en", "unknown column", "summary_en"),
    # -- settings
    Seed("Exhibition", "rights", "CC0", "neither", "http://creativecommons.org/publicdomain/zero/1.0/"),
    Seed("Exhibition", "homepage_en", "x.org", "not a web address", "https://x.org"),
    Seed("Exhibition", "organisers", "naj; najs", "not in the sheet Agents", "naj"),
    Seed("Exhibition", "occasion_date", "1972/02/24", "not a date that we know", "1972-02-24"),
    Seed("Exhibition", "langauges", "en", "unknown column", "languages"),
    Seed("Exhibition", "unreviewed", "title_ru", "marked as unreviewed", "title_mn"),
]  # fmt: skip
ALONE = [
    # what is wrong for the whole exhibition, so that other mistakes would change or hide it
    Seed("Exhibition", "exhibition", "d e m o", "letters a-z, digits", "d-e-m-o"),
    Seed("Exhibition", "title_en", "Выставка", "Cyrillic letters", None, "warning"),
    Seed("Exhibition", "languages", "en; ja; mn; ja", "there twice", "en; ja; mn"),
    Seed("Exhibition", "languages", "en; ja; mn; ru", "no text is in it", None, "warning"),
    Seed("Exhibition", "languages", "en; ja; mn; mn_Mong", "BCP 47", "mn-Mong"),
    Seed("Exhibition", "languages", "en; ja; mn; cn", "ISO 639", "zh"),
]


def sow(folder: Path, seeds: list[Seed]) -> list[tuple[str, Seed]]:
    """Write the healthy exhibition with *seeds*; return the place of each."""
    sheets = {name: [dict(row) for row in rows] for name, rows in HEALTHY.items()}
    settings, extra = dict(SETTINGS), {name: [] for name in HEALTHY}
    sown = []
    for number, seed in enumerate(seeds):
        if seed.sheet == "Exhibition":
            settings[seed.column] = seed.value
            sown.append((f"Exhibition!{seed.column}", seed))
        elif not seed.column:
            extra[seed.sheet].append(seed.value)
            sown.append((len(extra[seed.sheet]), seed))
        else:
            row = {name: value.format(number) for name, value in NEW_ROW[seed.sheet].items()}
            row |= seed.beside | {seed.column: seed.value}
            if seed.sheet == "Pages" and row["record"] == f"p{number}":
                sheets["Records"].append({"record": f"p{number}", **RECORD})
            sheets[seed.sheet].append(row)
            sown.append((row, seed))
    columns = {
        name: list(dict.fromkeys(c for row in rows for c in row)) for name, rows in sheets.items()
    }
    for name, rows in sheets.items():
        lines = [columns[name] + extra[name]]
        lines += [
            [row.get(c, "") for c in columns[name]] + ["x"] * len(extra[name]) for row in rows
        ]
        target = io.StringIO()
        csv.writer(target).writerows(lines)
        (folder / f"{name.lower()}.csv").write_text(target.getvalue(), encoding="utf-8")
    text = "".join(f'{name} = """{value}"""\n' for name, value in settings.items() if value)
    (folder / "exhibition.toml").write_text(text, encoding="utf-8")
    _scans(folder / "images", sheets)
    return [(_place(where, seed, sheets, columns), seed) for where, seed in sown]


def _place(where, seed, sheets, columns):
    if isinstance(where, str):
        return where
    if isinstance(where, int):
        return f"{seed.sheet}!{column_letters(len(columns[seed.sheet]) + where - 1)}1"
    column = seed.at or seed.column
    if seed.reason.endswith("title is missing"):
        column = next(name for name in columns[seed.sheet] if name.startswith("title_"))
    if seed.reason.endswith("name is missing"):
        column = next(name for name in columns[seed.sheet] if name.startswith("name_"))
    row = next(n for n, row in enumerate(sheets[seed.sheet], start=2) if row is where)
    return f"{seed.sheet}!{column_letters(columns[seed.sheet].index(column))}{row}"


def _scans(images: Path, sheets) -> None:
    """Give every record that can have one a scan of its own."""
    drawn = 0
    for record in dict.fromkeys(row["record"] for row in sheets["Records"]):
        if re.fullmatch("[A-Za-z0-9][A-Za-z0-9-]{1,50}", record) and record not in (
            "collection",
            "contents",
        ):
            for name in {"r1": ["a.jpg", "b.jpg"]}.get(record, ["1.jpg"]):
                drawn += 1
                draw(images / record / name, drawn)
    for row in sheets["Pages"]:
        if row["file"] == "d.jpg":
            draw(images / "r1" / "d.jpg", 9_999)


def draw(path: Path, number: int, size: tuple[int, int] = (40, 30), **options: object) -> None:
    """Write a picture that no other *number* has."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (number % 16 * 16, number // 16 % 16 * 16, number // 256 * 16)
    Image.new("RGB", size, colour).save(path, **options)


def examine_here(found: Found) -> Found:
    """Examine scans in this process."""
    return Found(
        {
            folder: tuple(
                replace(file, facts=Examination(file.shown, file.original).facts())
                for file in files
            )
            for folder, files in found.scans.items()
        },
        found.mistakes,
    )
