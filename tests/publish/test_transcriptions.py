"""Transcriptions of pages: from sheets to documents, and through every form of sheets."""

import csv

import orjson
import pytest
from small_exhibition import Small

from iiifserver.edition import current
from iiifserver.errors import InvalidExhibition
from iiifserver.publish.check import load, read
from iiifserver.publish.conversion import convert

HEADER = [
    *("record", "page", "file", "leaf", "label", "transcription_ja", "transcription_mn-Mong"),
    *("transcription_en", "writing", "unreviewed"),
]
VERTICAL = "試験の一行目\n試験の二行目"
MONGOLIAN = "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ"
FIRST = ["a2", "1", "1.png", "", "", VERTICAL, MONGOLIAN, "A test.", "vertical", "transcription_en"]
SECOND = ["a2", "2", "2.png", *[""] * 7]


@pytest.fixture
def small(tmp_path):
    made = Small(tmp_path)
    text = (made.sheets / "exhibition.toml").read_text("utf-8")
    text = text.replace('["en", "ja"]', '["en", "ja", "mn-Mong"]')
    (made.sheets / "exhibition.toml").write_text(text, "utf-8")
    listed(made, FIRST, SECOND)
    return made


def listed(small, *rows, header=HEADER):
    with (small.sheets / "pages.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def page(small):
    [record] = [r for r in load(small.sheets, small.scans).records if r.identifier == "a2"]
    return record.pages[0]


def document(small, name):
    return orjson.loads(current(small.data).document("a2", name).codings["identity"].read())


def mistakes(small):
    _, found = read(small.sheets, small.scans)
    return [m for m in found if m.sheet == "Pages"]


def test_a_page_has_its_text_in_the_order_of_languages_with_its_lines(small):
    assert list(page(small).transcription.items()) == [
        ("ja", (VERTICAL,)),
        ("mn-Mong", (MONGOLIAN,)),
    ]
    assert page(small).writing == "vertical"
    assert [(name, list(texts)) for name, texts in page(small).unreviewed] == [
        ("transcription", ["en"])
    ]


def test_headings_may_be_japanese(small):
    header = ["資料", "頁", "ファイル", "翻刻_ja", "書字方向"]
    listed(small, ["a2", "1", "1.png", VERTICAL, "vertical"], header=header)
    assert dict(page(small).transcription) == {"ja": (VERTICAL,)}
    assert page(small).writing == "vertical"


def test_a_row_that_the_program_keeps_may_carry_one(small):
    (small.sheets / "pages.csv").unlink()
    small.publish()
    with (small.sheets / "pages.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    texts = [VERTICAL if (row[0], row[1]) == ("a2", "1") else "" for row in rows]
    rows = [[*row, text] for row, text in zip(rows, texts, strict=True)]
    listed(small, *rows, header=[*header, "transcription_ja"])
    small.publish()
    assert dict(page(small).transcription) == {"ja": (VERTICAL,)}
    assert [each["page"] for each in document(small, "page")["transcriptions"]] == ["1"]


def test_another_form_of_sheets_has_the_same_transcriptions(small, tmp_path):
    exhibition = load(small.sheets, small.scans)
    book, files = tmp_path / "book.xlsx", tmp_path / "files"
    convert(small.sheets, book)
    assert load(book, small.scans) == exhibition
    convert(book, files)
    assert load(files, small.scans) == exhibition


def test_an_unknown_way_of_writing_is_refused_with_a_proposal(small):
    listed(small, [*FIRST[:8], "Vertcal", ""], SECOND)
    [mistake] = mistakes(small)
    assert (mistake.cell, mistake.severity, mistake.proposal) == ("I2", "error", "vertical")


def test_a_way_of_writing_without_a_text_is_told(small):
    listed(small, FIRST, [*SECOND[:8], "vertical", ""])
    [mistake] = mistakes(small)
    assert (mistake.cell, mistake.severity) == ("I3", "warning")


def test_a_text_at_a_file_of_several_pages_must_say_which(small):
    from PIL import Image

    scan = small.scans / "a2" / "1.tif"
    Image.new("L", (60, 80)).save(scan, save_all=True, append_images=[Image.new("L", (60, 80))])
    listed(small, ["a2", "", "1.tif", *FIRST[3:]], SECOND)
    with pytest.raises(InvalidExhibition) as caught:
        small.publish()
    reasons = [m.reason for m in caught.value.mistakes if m.severity == "error"]
    assert reasons == ["this row is 2 pages: say in the column 'leaf' which one it transcribes"]


def test_what_was_written_is_in_the_manifest_and_in_the_data(small):
    small.publish()
    [first, second] = document(small, "3/manifest")["items"]
    texts = [page["items"][0]["body"]["value"] for page in first["annotations"]]
    assert texts == [VERTICAL, MONGOLIAN]
    assert "annotations" not in second
    [told, other] = document(small, "record.json")["pages"]
    assert told["transcription"] == {"ja": [VERTICAL], "mn-Mong": [MONGOLIAN]}
    assert told["writing"] == "vertical"
    assert other.keys().isdisjoint({"transcription", "writing", "unreviewed"})


def test_a_text_that_nobody_reviewed_is_published_only_when_asked_for_and_marked(small):
    small.publish()
    [shown] = document(small, "page")["transcriptions"]
    assert list(shown["texts"]) == ["ja", "mn-Mong"]
    small.publish(show_unreviewed=True)
    [shown] = document(small, "page")["transcriptions"]
    assert shown["texts"]["en-x-unreviewed"] == ["A test."]
    assert shown["modes"] == {
        "en": "horizontal-tb",
        "ja": "vertical-rl",
        "mn-Mong": "vertical-lr",
    }
    pages = document(small, "3/manifest")["items"][0]["annotations"]
    [english] = [p["items"][0]["body"] for p in pages if p["items"][0]["body"]["language"] == "en"]
    assert english["value"] == "A test. (translation not reviewed)"
    assert document(small, "record.json")["pages"][0]["unreviewed"] == {"transcription": ["en"]}


def test_a_changed_transcription_is_a_change_of_its_record(small):
    small.publish()
    listed(small, [*FIRST[:5], "別の試験", *FIRST[6:]], SECOND)
    said = small.publish()
    assert "edition 2 published" in said
    assert document(small, "page")["transcriptions"][0]["texts"]["ja"] == ["別の試験"]
