"""Sheets written as a workbook or as files, and read again: nothing has changed."""

import datetime
import zipfile
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from iiifserver.errors import InvalidExhibition
from iiifserver.publish.columns import SHEETS, read_heading
from iiifserver.publish.export import write_files
from iiifserver.publish.reading import read_tables
from iiifserver.publish.starter import starter_sheets
from iiifserver.publish.tables import Cell, Sheet, column_letters
from iiifserver.publish.workbook import write_workbook

LANGUAGES = ["en", "ja", "mn", "mn-Mong", "ja-Latn-alalc97", "ru"]


def sheet(name, header, *rows):
    table = [header, *rows]
    cells = [
        tuple(Cell(f"{column_letters(x)}{y}", text) for x, text in enumerate(row))
        for y, row in enumerate(table, start=1)
    ]
    return Sheet(name, cells[0], tuple(cells[1:]))


def texts(sheets):
    return {
        each.name: [[cell.value for cell in row] for row in (each.header, *each.rows)]
        for each in sheets
    }


def headings(name):
    """Return every column of a sheet that holds text, in every language."""
    return [
        f"{column.name}_{tag}" if tag else column.name
        for column in SHEETS[name]
        for tag in (LANGUAGES if column.by_language else [None])
    ]


# what a text column may hold: everything but control characters and halves of letters
_ANY = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\n\t;,'\"=+-@0123456789_x\u00a0\u3000"),
    max_size=12,
)
_LIKE_OTHERS = st.sampled_from(
    ["=1+1", "+81", "-5", "@SUM(A1)", "0012", "1972-10", "1E5", "TRUE", "#REF!", "'x", "_x000D_"]
)
_TEXT = (_ANY | _LIKE_OTHERS).map(str.strip)
_FILLED = _TEXT.filter(lambda text: text and not text.startswith("_"))


@st.composite
def exhibitions(draw):
    """Return the needed sheets, with any texts in any languages."""
    sheets = []
    for name in ("Exhibition", "Chapters", "Records"):
        own = [f"{c.name}_en" if c.by_language else c.name for c in SHEETS[name] if c.required]
        tags = draw(st.lists(st.sampled_from(headings(name)), unique=True, max_size=4))
        header = [*own, *(tag for tag in tags if tag not in own)]
        plain = [not _is_code(name, heading) for heading in header]
        count = 1 if name == "Exhibition" else draw(st.integers(0, 3))
        rows = [
            [
                draw(_FILLED if x == 0 else _TEXT)
                if plain[x]
                else draw(st.from_regex(r"r[a-z0-9]{1,5}", fullmatch=True))
                for x in range(len(header))
            ]
            for _ in range(count)
        ]
        sheets.append(sheet(name, header, *rows))
    return sheets


def _is_code(name, heading):
    column = read_heading(heading, SHEETS[name], None).column
    return column.is_code or column.several


def without_empty_settings(found):
    """TOML names only the settings that have a value."""
    names, values = found["Exhibition"]
    kept = [(n, v) for n, v in zip(names, values, strict=True) if v]
    return {**found, "Exhibition": [list(each) for each in zip(*kept, strict=True)] or [[], []]}


@settings(max_examples=30, deadline=None)
@given(exhibitions())
@example([sheet("Exhibition", ["exhibition", "note_en"], ["demo", "=1+1"])])
@example([sheet("Exhibition", ["exhibition", "note_en"], ["demo", "_x0041_ _x005F_x0041_ x005F_"])])
@example([sheet("Exhibition", ["exhibition", "note_en"], ["demo", "a\n\n b\tc 'd\" \\e"])])
@example([sheet("Exhibition", ["exhibition", "note_en"], ["demo", "a\x7fb\x85c\u2028d"])])
def test_what_is_exported_is_imported_as_it_was(tmp_path_factory, sheets):
    folder = tmp_path_factory.mktemp("sheets")
    write_workbook(sheets, folder / "a.xlsx", ["# Help"])
    write_files(sheets, folder / "files")
    there = {each.name for each in sheets}
    from_book, from_files = (read_tables(folder / name) for name in ("a.xlsx", "files"))
    assert texts(from_book.sheets) == texts(sheets)
    assert without_empty_settings(texts(from_files.sheets)) == without_empty_settings(texts(sheets))
    for tables in (from_book, from_files):
        assert {m.severity for m in tables.mistakes if m.sheet in there} <= {"note"}


@pytest.mark.parametrize("text", ["a\0b", "a\x07b", "\ud800", "\uffff", "x" * 32_768])
@pytest.mark.parametrize("write", [write_files, lambda s, p: write_workbook(s, p / "a.xlsx", [])])
def test_text_that_cannot_be_read_again_is_refused_before_anything_is_written(
    tmp_path, write, text
):
    with pytest.raises(InvalidExhibition) as caught:
        write([sheet("Records", ["record", "note_en"], ["r1", text])], tmp_path)
    assert [mistake.cell for mistake in caught.value.mistakes] == ["B2"]
    assert list(tmp_path.iterdir()) == []


def test_setting_that_is_there_twice_is_refused(tmp_path):
    with pytest.raises(InvalidExhibition, match="there twice"):
        write_files([sheet("Exhibition", ["note_en", "note_en"], ["a", "b"])], tmp_path)


def test_nothing_is_overwritten(tmp_path):
    sheets = [sheet("Records", ["record"], ["r1"])]
    write_files(sheets, tmp_path)
    write_workbook(sheets, tmp_path / "a.xlsx", [])
    with pytest.raises(FileExistsError):
        write_files(sheets, tmp_path)
    with pytest.raises(FileExistsError):
        write_workbook(sheets, tmp_path / "a.xlsx", [])


def test_excel_is_told_that_a_csv_file_is_utf_8(tmp_path):
    write_files([sheet("Records", ["record"], ["r1"])], tmp_path)
    assert (tmp_path / "records.csv").read_bytes() == b"\xef\xbb\xbfrecord\nr1\n"


# -- the workbook, as openpyxl sees it


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    path = tmp_path_factory.mktemp("book") / "a.xlsx"
    write_workbook(starter_sheets(["en", "mn-Mong"]), path, ["# Heading", "A line."])
    return openpyxl.load_workbook(path)


def test_tabs_stand_in_the_order_in_which_they_are_filled(book):
    shown = [tab.title for tab in book.worksheets if tab.sheet_state == "visible"]
    assert shown == ["Exhibition", "Chapters", "Records", "Pages", "Agents", "Help"]


def test_headings_are_locked_and_cells_are_free(book):
    for name in ("Exhibition", "Chapters", "Records", "Pages", "Agents"):
        tab = book[name]
        assert tab.protection.sheet
        assert tab.protection.password is None
        assert tab.freeze_panes == "B2"
        assert all(
            cell.protection.locked and cell.fill.fgColor.rgb != "00000000" for cell in tab[1]
        )
    records = book["Records"]
    assert not records["A2"].protection.locked
    assert not records.column_dimensions["A"].protection.locked
    beyond = records.column_dimensions[column_letters(len(records[1]))]
    assert (beyond.max, beyond.protection.locked) == (16_384, False)


def test_heading_explains_its_column(book):
    comment = book["Records"]["A1"].comment.text
    assert comment.startswith("Required.\nThe identifier of the record")
    assert comment.endswith("Example: letter-1972")
    titles = [cell for cell in book["Records"][1] if cell.value == "title_mn-Mong"]
    assert "In the language mn-Mong." in titles[0].comment.text


def test_cells_are_texts_also_where_nothing_stands_yet(book):
    tab = book["Records"]
    letters = {cell.value: cell.column_letter for cell in tab[1]}
    assert tab[f"{letters['date']}2"].data_type == "s"
    assert tab.column_dimensions[letters["date"]].number_format == "@"


@pytest.mark.parametrize(
    ("tab", "heading", "source"),
    [
        ("Records", "chapter", "Chapters!$A$2:$A$2000"),
        ("Records", "holder", "Agents!$A$2:$A$2000"),
        ("Pages", "record", "Records!$A$2:$A$2000"),
        ("Agents", "part_of", "Agents!$A$2:$A$2000"),
    ],
)
def test_identifiers_of_other_sheets_are_offered(book, tab, heading, source):
    [letters] = [cell.column_letter for cell in book[tab][1] if cell.value == heading]
    offered = {str(each.sqref): each.formula1 for each in book[tab].data_validations.dataValidation}
    assert offered[f"{letters}2:{letters}1048576"] == source


@pytest.mark.parametrize(
    ("heading", "choices"),
    [
        ("viewing_direction", {"left-to-right", "right-to-left", "top-to-bottom", "bottom-to-top"}),
        ("behavior", {"paged", "continuous", "individuals", "unordered"}),
    ],
)
def test_words_are_offered(book, heading, choices):
    [letters] = [cell.column_letter for cell in book["Records"][1] if cell.value == heading]
    rules = book["Records"].data_validations.dataValidation
    [source] = [r.formula1 for r in rules if str(r.sqref) == f"{letters}2:{letters}1048576"]
    tab, _, cells = source.partition("!")
    assert {row[0].value for row in book[tab][cells.replace("$", "")]} == choices


def test_rights_are_offered_in_the_tab_of_the_exhibition_too(book):
    tab = book["Exhibition"]
    [row] = [cell.row for cell in tab["A"] if cell.value == "rights"]
    assert f"B{row}" in {str(each.sqref) for each in tab.data_validations.dataValidation}


def test_help_tells_its_lines(book):
    assert [cell.value for cell in book["Help"]["A"]] == ["Heading", "A line."]


def test_equal_sheets_give_equal_files_at_any_time(tmp_path, monkeypatch):
    sheets = starter_sheets(LANGUAGES)
    write_workbook(sheets, tmp_path / "a.xlsx", ["x"])

    class Later(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime(2031, 5, 6, tzinfo=tz)

    monkeypatch.setattr("openpyxl.writer.excel.datetime.datetime", Later)
    monkeypatch.setattr("zipfile.time.localtime", lambda _=None: (2031, 5, 6, 7, 8, 9, 0, 1, 0))
    write_workbook(sheets, tmp_path / "b.xlsx", ["x"])
    first, second = ((tmp_path / name).read_bytes() for name in ("a.xlsx", "b.xlsx"))
    assert first == second
    with zipfile.ZipFile(BytesIO(first)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert b"2031" not in archive.read("docProps/core.xml")


def test_demonstration_is_the_same_in_a_workbook(tmp_path):
    files = read_tables(Path(__file__).parents[2] / "manifests" / "japan-mongolia")
    write_workbook(files.sheets, tmp_path / "a.xlsx", [])
    book = read_tables(tmp_path / "a.xlsx")
    assert texts(book.sheets) == texts(files.sheets)
    assert book.mistakes == ()
