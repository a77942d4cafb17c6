"""What `iiifserver init` makes, and what becomes of it."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from iiifserver.cli import main
from iiifserver.errors import InvalidValue
from iiifserver.language import LanguageMap
from iiifserver.publish.check import read
from iiifserver.publish.columns import known_headings
from iiifserver.publish.reading import read_tables
from iiifserver.publish.starter import help_text, make_starter, starter_sheets

FORMS = ["xlsx", "files"]
MADE = {
    "xlsx": ("exhibition.xlsx", "images/"),
    "files": (
        *("README.md", "agents.csv", "chapters.csv", "exhibition.toml"),
        *("images/", "pages.csv", "records.csv"),
    ),
}


def put_scans(folder: Path, *names: str) -> None:
    for number, name in enumerate(names):
        Image.new("RGB", (40 + number, 30)).save(folder / "images" / "record-1" / name)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("headings", ["en", "ja", "mn"])
def test_starter_can_be_published_as_soon_as_there_are_scans(tmp_path, form, headings):
    folder = tmp_path / "new" / "mine"
    made = make_starter(folder, ["en", "ja", "mn"], form=form, headings=headings)
    assert made == MADE[form]
    put_scans(folder, "b.png", "10.png", "2.png")
    exhibition, mistakes = read(folder, folder / "images")
    assert mistakes == ()
    assert exhibition.title["ja"] == ("はじめての展示",)
    assert list(exhibition.title) == ["en", "ja", "mn"]
    [record] = exhibition.records
    assert [page.file for page in record.pages] == ["2.png", "10.png", "b.png"]
    assert record.holder.identifier == "my-archive"


@pytest.mark.parametrize("form", FORMS)
def test_starter_without_scans_says_what_is_missing(tmp_path, form):
    make_starter(tmp_path / "mine", ["en"], form=form)
    exhibition, mistakes = read(tmp_path / "mine", tmp_path / "mine" / "images")
    assert exhibition is not None
    assert {mistake.severity for mistake in mistakes} == {"warning"}
    assert any("'record-1' has no scan" in str(mistake) for mistake in mistakes)


@pytest.mark.parametrize("form", FORMS)
def test_starter_in_a_language_that_we_do_not_speak_has_names_for_texts(tmp_path, form):
    make_starter(tmp_path / "mine", ["fr"], form=form)
    put_scans(tmp_path / "mine", "1.png")
    exhibition, mistakes = read(tmp_path / "mine", tmp_path / "mine" / "images")
    assert mistakes == ()
    assert exhibition.title == LanguageMap.of({"fr": "my-exhibition"})
    assert next(exhibition.records).title == LanguageMap.of({"fr": "record-1"})


@pytest.mark.parametrize("form", FORMS)
def test_both_forms_hold_the_same(tmp_path, form):
    make_starter(tmp_path / "mine", ["en", "ja"], form=form)
    tables = read_tables(tmp_path / "mine")
    assert tables.mistakes == ()
    expected = {each.name: each for each in starter_sheets(["en", "ja"])}
    for sheet in tables.sheets:
        found = {
            c.value: v.value for row in sheet.rows for c, v in zip(sheet.header, row, strict=True)
        }
        rows = expected[sheet.name].rows
        wanted = zip(expected[sheet.name].header, rows[0] if rows else (), strict=bool(rows))
        assert {k: v for k, v in found.items() if v} == {
            c.value: v.value for c, v in wanted if v.value
        }


@pytest.mark.parametrize("headings", ["en", "ja", "mn"])
def test_every_heading_of_the_starter_is_a_column(headings):
    for sheet in starter_sheets(["en", "mn-Mong"], headings):
        assert None not in known_headings(sheet.name, [cell.value for cell in sheet.header])


@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_overwritten(tmp_path, form):
    for name in "abcdefg":
        (tmp_path / name).write_text("mine")
    with pytest.raises(InvalidValue, match=r"there is a, b, c, d, e and 2 more\. Name a folder"):
        make_starter(tmp_path, ["en"], form=form)
    assert sorted(each.name for each in tmp_path.iterdir()) == list("abcdefg")
    with pytest.raises(InvalidValue, match="is a file"):
        make_starter(tmp_path / "a", ["en"], form=form)


def test_place_that_cannot_be_filled_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidValue, match="cannot be filled"):
        make_starter(tmp_path / "file" / "mine", ["en"], form="files")


def test_empty_folder_is_filled(tmp_path):
    assert make_starter(tmp_path, ["en"], form="xlsx") == MADE["xlsx"]


def test_help_names_commands_that_exist_and_the_languages_that_were_chosen(tmp_path):
    make_starter(tmp_path / "mine", ["ja", "mn"], form="files")
    text = (tmp_path / "mine" / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"iiifserver (\w+)", text))
    assert {"publish", "check", "serve"} <= named <= main.commands.keys()
    assert "iiifserver publish mine" in text
    assert "ja, mn" in help_text(["ja", "mn"], "files")
    assert "title_ja and title_mn" in text
    assert re.findall(r"\{.*?\}", text) == []


def test_command_makes_a_starter(tmp_path):
    options = ["--xlsx", "--language", "JA", "--language", "mn-mong", "--headings", "ja"]
    done = CliRunner().invoke(main, ["init", str(tmp_path / "mine"), *options])
    assert done.exit_code == 0, done.output
    assert "made exhibition.xlsx, images/" in done.output
    tables = read_tables(tmp_path / "mine")
    assert [cell.value for cell in tables.sheets[0].rows[0]][1] == "ja; mn-Mong"
    assert "題名_mn-Mong" in [cell.value for cell in tables.sheets[0].header]


@pytest.mark.parametrize("arguments", [["--language", "jp"], ["--language", ""]])
def test_command_refuses_what_is_no_language(tmp_path, arguments):
    done = CliRunner().invoke(main, ["init", str(tmp_path / "mine"), *arguments])
    assert done.exit_code == 2
    assert done.stderr.startswith("iiifserver: ")
    assert not (tmp_path / "mine").exists()
