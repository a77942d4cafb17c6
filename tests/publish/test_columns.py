"""What the cells of a header may say."""

import pytest

from iiifserver.errors import InvalidValue
from iiifserver.publish.columns import SHEETS, known_headings, read_heading
from iiifserver.publish.words import LANGUAGES, spellings, words_in

EVERY_COLUMN = [
    pytest.param(sheet, column, id=f"{sheet}.{column.name}")
    for sheet, columns in SHEETS.items()
    for column in columns
]


def heading(name, sheet="Records", languages=("en", "ja", "mn", "mn-Mong", "ja-Latn-alalc97")):
    return read_heading(name, SHEETS[sheet], languages).name


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("title_en", "title_en"),
        ("Title_EN", "title_en"),
        ("  title en ", "title_en"),
        ("Record Title_ja", "record_title_ja"),
        ("title_MN-mong", "title_mn-Mong"),
        ("title_ja-latn-ALALC97", "title_ja-Latn-alalc97"),
        ("Viewing direction", "viewing_direction"),
        ("behaviour", "behavior"),
        ("資料", "record"),
        ("題名_ja", "title_ja"),
        ("題名_en", "title_en"),
        ("資料名 ja", "record_title_ja"),
        ("баримт", "record"),
        ("Гарчиг_mn", "title_mn"),
        ("Архивын дугаар", "reference"),
        ("баримтын нэр_mn", "record_title_mn"),
    ],
)
def test_heading_is_read_in_three_languages_and_any_case(written, meant):
    assert heading(written) == meant


@pytest.mark.parametrize(
    ("written", "proposal"),
    [
        ("tilte_en", "title_en"),
        ("title_jp", "title_ja"),
        ("title_mn_Mong", "title_mn-Mong"),
        ("title", "title_en"),
        ("資料目", "資料"),
        ("баримтт", "баримт"),
        ("", None),
        ("完全に別のもの", None),
    ],
)
def test_unknown_heading_is_told_with_what_was_perhaps_meant(written, proposal):
    with pytest.raises(InvalidValue) as caught:
        heading(written)
    assert caught.value.proposal == proposal


def test_label_of_a_page_is_in_a_language_or_in_none():
    assert heading("label", "Pages") == "label"
    assert heading("label_ja", "Pages") == "label_ja"
    assert heading("ラベル", "Pages") == "label"


def test_heading_that_is_no_column_is_nothing():
    found = known_headings("Chapters", ["chapter", "nothing", "題名_mn"])
    assert [each and each.name for each in found] == ["chapter", None, "title_mn"]


@pytest.mark.parametrize(("sheet", "column"), EVERY_COLUMN)
def test_every_spelling_of_a_column_means_that_column(sheet, column):
    for spelling in spellings(column.name):
        written = f"{spelling}_en" if column.by_language else spelling
        found = read_heading(written, SHEETS[sheet], None).column
        assert found == column, written


@pytest.mark.parametrize("language", LANGUAGES)
def test_words_are_for_columns_that_exist(language):
    names = {column.name for columns in SHEETS.values() for column in columns}
    assert words_in(language).headings.keys() <= names | {"setting", "value"}
    assert words_in(language).sheets.keys() <= SHEETS.keys()
    for sheet, columns in words_in(language).columns.items():
        assert columns.keys() <= {column.name for column in SHEETS.get(sheet, ())} or sheet == "any"


@pytest.mark.parametrize("language", ["ja", "mn"])
def test_translated_headings_are_complete_but_for_what_the_program_writes(language):
    names = {column.name for columns in SHEETS.values() for column in columns}
    assert names - words_in(language).headings.keys() <= {"checksum", "gone", "leaf"}
    assert not words_in(language).reviewed


@pytest.mark.parametrize(("sheet", "column"), EVERY_COLUMN)
def test_example_of_a_column_can_be_read(sheet, column):
    about = words_in("en").about(sheet, column.name)
    assert about.meaning.endswith((".", ".)"))
    for part in about.example.split(";") if column.several else [about.example]:
        assert column.read(part.strip())


@pytest.mark.parametrize(("sheet", "column"), EVERY_COLUMN)
def test_what_is_offered_for_a_column_can_be_read(sheet, column):
    assert [column.read(each) for each in column.choices] == list(column.choices)
