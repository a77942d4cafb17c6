"""Sheets as rows of cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iiifserver.errors import InvalidExhibition
from iiifserver.publish import tables
from iiifserver.publish.tables import column_letters, read_csv, read_toml


@pytest.mark.parametrize(
    ("index", "letters"),
    [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ"), (702, "AAA")],
)
def test_column_has_the_name_that_spreadsheets_give_it(index, letters):
    assert column_letters(index) == letters


def test_row_keeps_its_number_below_lines_that_break_and_rows_that_are_blank(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('a,b\n"one\ntwo",2\n,\n\u2028x,4\n', encoding="utf-8")
    [sheet] = read_csv(path, "A").sheets
    assert [[tuple(cell) for cell in row] for row in sheet.rows] == [
        [("A2", "one\ntwo"), ("B2", "2")],
        [("A4", "x"), ("B4", "4")],
    ]


def test_settings_are_a_sheet_of_one_row(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('day = 2022-02-24\nlanguages = ["en", "ja"]\n', encoding="utf-8")
    [sheet] = read_toml(path, "Exhibition").sheets
    assert [cell.value for cell in sheet.header] == ["day", "languages"]
    assert [tuple(cell) for cell in sheet.rows[0]] == [
        ("day", "2022-02-24"),
        ("languages", "en; ja"),
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"\n,,\n", "it is empty"),
        (b'a,"b\n', "its row 1 cannot be taken apart"),
        (b"\xff\xfe\x00", "begins as UTF-16 but is not"),
        (b"a\xe9b\n", "it is not UTF-8 (byte 0xe9 at 1); save it as 'CSV UTF-8'"),
        (b"a\0b\n", "NUL character at 1"),
        (b"a\n" + b"x" * 140_000, "field larger than field limit"),
        (b"," * 1000, "more than 1000 columns"),
    ],
)
def test_unreadable_file_is_named(tmp_path, content, reason):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidExhibition, match=r"^A: a\.csv: ") as caught:
        read_csv(path, "A")
    assert reason in str(caught.value)


@pytest.mark.parametrize("limit", ["MAX_FILE_BYTES", "MAX_ROWS"])
def test_file_is_bounded(tmp_path, monkeypatch, limit):
    path = tmp_path / "a.csv"
    path.write_text("a\nb\nc\n", encoding="utf-8")
    monkeypatch.setattr(tables, limit, 2)
    with pytest.raises(InvalidExhibition, match=r"larger than 2 bytes|more than 2 rows"):
        read_csv(path, "A")


def values(path):
    [sheet] = read_csv(path, "A").sheets
    return [[cell.value for cell in row] for row in (sheet.header, *sheet.rows)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_spreadsheets_write_csv_in_many_ways(tmp_path, encoding, end, separator):
    lines = ["a|b|c", 'x|"1, 2; 3\t4"|', '|"one{end}two"|国書']
    text = end.join(line.replace("|", separator).replace("{end}", end) for line in lines)
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    assert values(path) == [["a", "b", "c"], ["x", "1, 2; 3\t4", ""], ["", "one\ntwo", "国書"]]


def test_encoding_that_was_found_is_said(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("a\n国書のかな\n".encode("cp932"))
    [note] = read_csv(path, "A").mistakes
    assert note.severity == "note"
    assert note.reason.startswith("a.csv is not UTF-8: read as CP932")


def test_row_reaches_as_far_as_the_header(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,c\nx\n", encoding="utf-8")
    [sheet] = read_csv(path, "A").sheets
    assert [cell.reference for cell in sheet.rows[0]] == ["A2", "B2", "C2"]


def test_value_beyond_the_header_is_kept_for_those_who_check(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a,b,,\nx,y,z,\n", encoding="utf-8")
    assert values(path) == [["a", "b", ""], ["x", "y", "z"]]


def test_column_of_its_author_is_not_read(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("_mine,a,_mine too,b\n1,x,2,y\n3,,,\n", encoding="utf-8")
    [sheet] = read_csv(path, "A").sheets
    assert [cell.value for cell in sheet.header] == ["a", "b"]
    assert [[tuple(cell) for cell in row] for row in sheet.rows] == [[("B2", "x"), ("D2", "y")]]


def test_text_that_no_spreadsheet_holds_is_a_mistake_at_its_cell(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("a\n" + "x" * 32_768 + "\n" + "y" * 32_767, encoding="utf-8")
    [mistake] = read_csv(path, "A").mistakes
    assert (mistake.cell, mistake.severity) == ("A2", "error")
    assert "32768 letters" in mistake.reason


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("a = true", "true"),
        ("a = 12", "12"),
        ("a = ' x '", "x"),
        ("a = []", ""),
        ('a = ["x", 1972-02-24]', "x; 1972-02-24"),
    ],
)
def test_setting_is_a_text(tmp_path, line, value):
    path = tmp_path / "a.toml"
    path.write_text(line, encoding="utf-8")
    [sheet] = read_toml(path, "Exhibition").sheets
    assert [tuple(cell) for cell in sheet.rows[0]] == [("a", value)]


@pytest.mark.parametrize("text", ["[a]\nb = 1", "a =", "a = [{ b = 1 }]", "a = " + "[" * 3000])
def test_toml_that_sets_no_text_is_refused(tmp_path, text):
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidExhibition, match=r"^Exhibition: a\.toml: "):
        read_toml(path, "Exhibition")


@given(st.binary(max_size=200) | st.text('ab,;\t"\r\n_', max_size=60).map(str.encode))
def test_any_bytes_are_a_sheet_or_a_mistake(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(content)
    for read in (read_csv, read_toml):
        try:
            [sheet] = read(path, "Exhibition").sheets
        except InvalidExhibition as error:
            told = [str(mistake) for mistake in error.mistakes]
            assert told[0].startswith("Exhibition: any.csv: ")
        else:
            assert all(len(row) >= len(sheet.header) for row in sheet.rows)
