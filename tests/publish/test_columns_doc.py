"""docs/columns.md says what each column means; UPDATE_DOCS=1 makes it anew."""

import os
from pathlib import Path

from iiifserver.publish.columns import SHEETS, Column
from iiifserver.publish.reading import FILES
from iiifserver.publish.words import LANGUAGES, words_in

PAGE = Path(__file__).parents[2] / "docs" / "columns.md"
HEAD = """# Sheets and columns

An exhibition is one workbook (`.xlsx`) with the tabs below, or a folder of files of the names
below. `iiifserver init` makes either, with a small example; `iiifserver convert` writes one as
the other. In the tab Exhibition the settings stand one below the other, under `setting` and
`value`.

A column that is marked *per language* is written once a language, with a BCP 47 tag after an
underscore: `title_en`, `title_ja`, `title_mn`, `title_mn-Mong`, `title_ja-Latn-alalc97`. Each tag
must be one of the `languages` of the exhibition. *Several* means that semicolons separate values
in a cell. Of a column that is *required* per language, one language is enough. Headings may be
written in English, Japanese or Mongolian, in capitals or not. The Japanese and Mongolian ones are
not reviewed by a speaker yet.

A column, a tab or a file whose name begins with an underscore is your own: it is never read.
Anything else that is not known is a mistake, with its place and what was perhaps meant.

CSV files are in UTF-8 (UTF-16, CP932 and Windows-1251 are recognised, and that is said), with
commas, semicolons or tabs. In workbooks, formulas are read as their values and dates as they are
shown, and that is said; cells that `init` makes are texts, so that a spreadsheet changes nothing
that is typed. Codes (identifiers, dates, tags) typed in full
width are read in usual width, and that is said.
"""


def describe(column: Column) -> str:
    marks = {
        "required": column.required,
        "per language": column.by_language,
        "several": column.several,
        f"from {column.refers_to}": column.refers_to,
    }
    return ", ".join(name for name, holds in marks.items() if holds)


def page() -> str:
    words = words_in("en")
    parts = [HEAD]
    for sheet, columns in SHEETS.items():
        parts.append(f"## {sheet}\n\n{words.sheets[sheet]} Without a workbook: `{FILES[sheet]}`.\n")
        rows = ["| column | | meaning | example | also |", "|---|---|---|---|---|"]
        for column in columns:
            about = words.about(sheet, column.name)
            also = [o for tag in LANGUAGES for o in words_in(tag).headings.get(column.name, ())[:1]]
            texts = (about.meaning.replace("<", "&lt;"), f"`{about.example}`", ", ".join(also))
            rows.append(f"| `{column.name}` | {describe(column)} | {' | '.join(texts)} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def test_manual_says_what_every_column_means():
    if os.environ.get("UPDATE_DOCS"):
        PAGE.write_text(page(), encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == page()
