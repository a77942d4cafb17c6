"""Sheets as rows of cells."""

import pytest

from iiifserver.errors import InvalidExhibition
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


@pytest.mark.parametrize("content", [b"", b'a,"b\n', b"\xff\xfe"])
def test_unreadable_file_is_named(tmp_path, content):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(InvalidExhibition, match=r"^A: a\.csv: "):
        read_csv(path, "A")
