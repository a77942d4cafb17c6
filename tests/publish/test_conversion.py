"""One form of sheets written as the other: the exhibition and its edition stay the same."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image
from workbook_sources import make_workbook, sheet_xml, text_row

from iiifserver.cli import main
from iiifserver.config import Config
from iiifserver.errors import InvalidExhibition, InvalidValue
from iiifserver.publish.check import load
from iiifserver.publish.conversion import convert
from iiifserver.publish.publication import publish
from iiifserver.publish.reading import read_tables
from iiifserver.publish.starter import make_starter

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "manifests" / "japan-mongolia"


def test_demonstration_is_the_same_exhibition_from_a_workbook_and_back(tmp_path):
    exhibition = load(DEMO, ROOT / "images")
    book, files = tmp_path / "book.xlsx", tmp_path / "files"
    assert convert(DEMO, book) == ()
    assert load(book, ROOT / "images") == exhibition
    assert convert(book, files) == ()
    assert load(files, ROOT / "images") == exhibition


def published(folder, images, data):
    """Return what is published of *folder*, by the names of its files."""
    publish(folder, images, Config(data=data))
    parts = (data / "editions", data / "objects")
    return {
        str(path.relative_to(data)): path.read_bytes()
        for part in parts
        for path in part.rglob("*")
        if path.is_file()
    }


def test_equal_sheets_give_equal_editions_byte_for_byte(tmp_path):
    mine, files = tmp_path / "mine", tmp_path / "files"
    make_starter(mine, ["en", "ja", "mn"], form="xlsx", headings="ja")
    for number, name in enumerate(["b.png", "a 1.png", "国.png"]):
        Image.new("RGB", (40 + number, 30)).save(mine / "images" / "record-1" / name)
    first = published(mine, mine / "images", tmp_path / "data-1")
    convert(mine, files)
    assert (files / "pages.csv").read_text("utf-8-sig").count("record-1,") == 3
    assert published(files, mine / "images", tmp_path / "data-2") == first
    assert any(b"manifest" in body for body in first.values())


def test_pages_that_are_kept_beside_a_workbook_come_along(tmp_path):
    rows = text_row(1, "record", "file", "label_en") + text_row(2, "r1", "b.jpg", "Back")
    sheets = {"Exhibition": "setting", "Chapters": "chapter", "Records": "record"}
    empty = {name: sheet_xml(text_row(1, heading, "value")) for name, heading in sheets.items()}
    make_workbook(tmp_path / "a.xlsx", {**empty, "Pages": sheet_xml(rows)})
    (tmp_path / "pages.csv").write_text(
        "record,page,file,checksum,gone\nr1,1,a.jpg,aa,yes\nr1,2,b.jpg,bb,\n", encoding="utf-8"
    )
    convert(tmp_path, tmp_path / "files")
    assert (tmp_path / "files" / "pages.csv").read_text("utf-8-sig") == (
        "record,file,label_en,page,checksum,gone\nr1,b.jpg,Back,2,bb,\nr1,a.jpg,,1,aa,yes\n"
    )


def test_what_was_noticed_is_told(tmp_path):
    date = '<c r="B2" s="1"><v>26353</v></c>'
    row = f'<row r="2"><c r="A2" t="str"><v>r1</v></c>{date}</row>'
    records = sheet_xml(text_row(1, "record", "date") + row)
    others = {n: sheet_xml(text_row(1, n.lower())) for n in ("Exhibition", "Chapters")}
    book = make_workbook(tmp_path / "a.xlsx", {**others, "Records": records})
    [note] = convert(book, tmp_path / "files")
    assert (note.cell, note.severity) == ("B2", "note")
    done = CliRunner().invoke(main, ["convert", str(book), str(tmp_path / "again")])
    assert "note: Records!B2: the cell is a date" in done.output
    assert read_tables(tmp_path / "again").sheets[-1].rows[0][1].value == "1972-02-24"


def test_nothing_is_overwritten(tmp_path):
    for name in ("files", "a.xlsx"):
        (tmp_path / name).mkdir()
        with pytest.raises(InvalidValue, match="is there already"):
            convert(DEMO, tmp_path / name)


def test_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    for name in ("nowhere/a.xlsx", "file/files"):
        with pytest.raises(InvalidValue, match="cannot be written"):
            convert(DEMO, tmp_path / name)


def test_sheets_that_cannot_be_read_are_not_converted(tmp_path):
    (tmp_path / "records.csv").write_text("record\n", encoding="utf-8")
    with pytest.raises(InvalidExhibition, match=r"exhibition\.toml"):
        convert(tmp_path, tmp_path / "a.xlsx")
    assert not (tmp_path / "a.xlsx").exists()
