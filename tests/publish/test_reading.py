"""The sheets of an exhibition, found in its folder."""

import pytest
from workbook_sources import make_workbook, sheet_xml, text_row

from iiifserver.publish.reading import read_tables

EXHIBITION = sheet_xml(
    text_row(1, "setting", "value", "_meaning")
    + text_row(2, "exhibition", "demo", "what it is called")
    + text_row(3, "languages", "en; ja")
    + text_row(4, "rights")
)
CHAPTERS = sheet_xml(text_row(1, "chapter") + text_row(2, "ch1"))
RECORDS = sheet_xml(text_row(1, "record", "date") + text_row(2, "r1", "1972-02-24"))
BOOK = {"Exhibition": EXHIBITION, " chapters": CHAPTERS, "RECORDS": RECORDS}
FILES = {
    "exhibition.toml": 'exhibition = "demo"',
    "chapters.csv": "chapter",
    "records.csv": "record",
}


@pytest.fixture
def book(tmp_path):
    return make_workbook(tmp_path / "book.xlsx", BOOK)


@pytest.fixture
def files(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def told(place):
    return [str(mistake) for mistake in read_tables(place).mistakes]


def names(place):
    return [sheet.name for sheet in read_tables(place).sheets]


def test_workbook_is_found_in_its_folder_and_by_its_path(book):
    assert read_tables(book) == read_tables(book.parent)
    assert names(book) == ["Exhibition", "Chapters", "Records"]
    assert told(book) == []


def test_settings_one_below_the_other_are_one_row(book):
    sheet = read_tables(book).sheets[0]
    assert [tuple(cell) for cell in sheet.header] == [
        ("A2", "exhibition"),
        ("A3", "languages"),
        ("A4", "rights"),
    ]
    assert [tuple(cell) for cell in sheet.rows[0]] == [("B2", "demo"), ("B3", "en; ja"), ("B4", "")]


@pytest.mark.parametrize("headings", [("Setting", "VALUE"), ("項目", "値"), ("Тохиргоо", "Утга")])
def test_settings_are_known_in_three_languages(tmp_path, headings):
    xml = sheet_xml(text_row(1, *headings) + text_row(2, "exhibition", "demo"))
    book = make_workbook(tmp_path / "a.xlsx", {**BOOK, "Exhibition": xml})
    assert read_tables(book).sheets[0].header[0].value == "exhibition"


def test_value_beside_a_value_is_told(tmp_path):
    xml = sheet_xml(text_row(1, "setting", "value") + text_row(2, "exhibition", "demo", "x"))
    book = make_workbook(tmp_path / "a.xlsx", {**BOOK, "Exhibition": xml})
    assert told(book) == ["Exhibition!C2: beside a setting stands one value only"]


def test_settings_may_stand_side_by_side_in_one_row_only(tmp_path):
    rows = text_row(1, "exhibition", "languages") + text_row(2, "demo", "en")
    make_workbook(tmp_path / "a.xlsx", {**BOOK, "Exhibition": sheet_xml(rows)})
    assert told(tmp_path) == []
    rows += text_row(3, "", "ja")
    make_workbook(tmp_path / "a.xlsx", {**BOOK, "Exhibition": sheet_xml(rows)})
    assert told(tmp_path) == ["Exhibition!B3: the sheet has one row of values only"]


def test_files_are_found_whatever_their_case(files):
    (files / "records.csv").rename(files / "Records.CSV")
    assert names(files) == ["Exhibition", "Chapters", "Records"]
    assert told(files) == []


@pytest.mark.parametrize("name", FILES)
def test_file_that_must_be_there_is_missed(files, name):
    (files / name).unlink()
    assert any(name in each for each in told(files))
    assert len(names(files)) == 2


@pytest.mark.parametrize("tab", BOOK)
def test_tab_that_must_be_there_is_missed(tmp_path, tab):
    book = make_workbook(tmp_path / "a.xlsx", {k: v for k, v in BOOK.items() if k != tab})
    [mistake] = told(book)
    assert f"a.xlsx has no tab {tab.strip().capitalize()}" in mistake


@pytest.mark.parametrize(
    ("name", "reason", "proposal"),
    [
        ("record.csv", "is no sheet", "records.csv"),
        ("drafts-2.csv", "is no sheet", None),
        ("exhibition.csv", "is no sheet", "exhibition.toml"),
        ("old.xls", "save it as an Excel workbook", None),
        ("sheets.ods", "save it as an Excel workbook", None),
    ],
)
def test_file_that_looks_like_a_sheet_is_never_passed_over(files, name, reason, proposal):
    (files / name).write_bytes(b"")
    [mistake] = read_tables(files).mistakes
    assert (mistake.sheet, mistake.proposal) == (name, proposal)
    assert reason in mistake.reason


@pytest.mark.parametrize("name", ["_notes.csv", "~$book.xlsx", ".~lock.csv", "a.txt", "_old.xlsx"])
def test_file_of_others_is_not_looked_at(files, name):
    (files / name).write_bytes(b"")
    assert told(files) == []


def test_workbook_and_files_together_are_a_mistake_at_each_file(book, files):
    said = told(files)
    assert sorted(each.split(":")[0] for each in said) == sorted(FILES)
    assert all("the sheets are in book.xlsx already" in each for each in said)


def test_two_workbooks_are_a_mistake(book):
    make_workbook(book.with_name("copy.xlsx"), BOOK)
    [mistake] = told(book.parent)
    assert mistake.startswith("copy.xlsx: copy.xlsx: the sheets are in book.xlsx already")


def test_pages_that_are_kept_stand_beside_a_workbook(book):
    book.with_name("pages.csv").write_text("record,page,file\n", encoding="utf-8")
    assert told(book.parent) == []
    assert "Pages" not in names(book.parent)


def test_workbook_that_cannot_be_read_is_a_mistake(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    [mistake] = told(tmp_path)
    assert mistake.startswith("a.xlsx: it cannot be read as a workbook")


def test_folder_that_is_not_there_has_no_sheets(tmp_path):
    assert len(told(tmp_path / "nowhere")) == 3


# -- letters of full width


def wide(text):
    return "".join(chr(ord(letter) + 0xFEE0) for letter in text)


@pytest.mark.parametrize(
    ("header", "value", "read"),
    [
        ("record", wide("ch05-01"), "ch05-01"),
        ("record", "ch05\u221201", "ch05-01"),
        ("related", "r1, r2", "r1; r2"),
        ("date", wide("1972-02-24"), "1972-02-24"),
        ("viewing_direction", wide("right-to-left"), "right-to-left"),
        ("related", f"r1、r2,r3{wide(',')}r4{wide(';')}r5", "r1; r2; r3; r4; r5"),
        ("places_ja", f"東京{wide(';')}京都", "東京;京都"),
    ],
)
def test_code_of_full_width_is_read_and_that_is_said(files, header, value, read):
    (files / "records.csv").write_text(f'{header}\n"{value}"\n', encoding="utf-8")
    sheets, [note] = read_tables(files)
    assert sheets[-1].rows[0][0] == ("A2", read)
    assert (note.cell, note.severity) == ("A2", "note")
    assert repr(read) in note.reason


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("title_ja", f"日ソ基本条約、{wide('1925')}年{wide(';')}写"),
        ("reference", f"平{wide('15')}文科00129100"),
        ("places_ja", "東京、京都"),
        ("related", "r1; r2"),
        ("homepage_ja", f"https://example.org/{wide('1')}"),
        ("nothing", wide("1")),
    ],
)
def test_text_keeps_its_letters(files, header, value):
    (files / "records.csv").write_text(f"{header}\n{value}\n", encoding="utf-8")
    sheets, mistakes = read_tables(files)
    assert sheets[-1].rows[0][0].value == value
    assert mistakes == ()
