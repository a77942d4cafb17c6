"""Transcriptions as people read them, and at their addresses."""

import csv

import pytest
from in_this_process import InThisProcess
from small_exhibition import Small
from taken_apart import Page

from iiifserver.web import create_app

BASE = "https://archive.example.org/iiif"
VERTICAL = "試験の一行目\n試験の二行目"
MONGOLIAN = "ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ"


@pytest.fixture(params=[False, True], ids=["reviewed", "all"])
def shows_all(request):
    return request.param


@pytest.fixture
def client(tmp_path, shows_all):
    small = Small(tmp_path)
    (small.sheets / "exhibition.toml").write_text(
        'exhibition = "letters"\nlanguages = ["en", "ja", "mn", "mn-Mong"]\ntitle_en = "Letters"\n',
        "utf-8",
    )
    rows = [
        ["record", "page", "file", "transcription_ja", "transcription_mn-Mong"],
        ["a2", "1", "1.png", VERTICAL, MONGOLIAN],
        ["a2", "2", "2.png", "", ""],
    ]
    rows[0] += ["transcription_en", "writing", "unreviewed"]
    rows[1] += ["A <test>.", "vertical", "transcription_en"]
    rows[2] += ["", "", ""]
    with (small.sheets / "pages.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    small.publish(base_url=BASE, show_unreviewed=shows_all)
    return create_app(small.config(base_url=BASE), InThisProcess()).test_client()


def blocks(page):
    """The class, language and role of every transcribed text, in order."""
    return [
        (each["class"].split()[1], each["lang"], "tabindex" in each)
        for each in page.all("div")
        if each.get("class", "").startswith("written ")
    ]


@pytest.mark.parametrize("shows_all", [False], indirect=True)
def test_each_text_is_written_as_it_stands_on_the_page_in_its_language(client):
    page = Page(client.get("/ja/letters/record/a2"))
    assert blocks(page) == [("vertical-rl", "ja", True), ("vertical-lr", "mn-Mong", True)]
    assert ("ja", VERTICAL) in page.runs
    assert ("mn-Mong", MONGOLIAN) in page.runs
    names = [each["aria-label"] for each in page.all("div") if each.get("role") == "region"]
    assert names == ["頁 1, 日本語", "頁 1, モンゴル文字のモンゴル語"]


@pytest.mark.parametrize("shows_all", [False], indirect=True)
def test_a_missing_language_is_said_to_be_missing(client):
    english = Page(client.get("/en/letters/record/a2"))
    assert "Not yet translated; shown in Japanese" in english.text
    assert "A <test>." not in english.text
    assert [lang for _, lang, _ in blocks(english)] == ["ja", "mn-Mong"]


@pytest.mark.parametrize("shows_all", [True], indirect=True)
def test_what_nobody_reviewed_is_shown_first_to_its_reader_and_marked(client):
    english = Page(client.get("/en/letters/record/a2"))
    assert blocks(english)[0] == ("horizontal-tb", "en", False)
    assert ("en", "A <test>.") in english.runs
    assert "Translation not reviewed" in english.text


def test_a_record_without_one_has_no_such_section(client):
    assert "transcri" not in client.get("/en/letters/record/a1").text


@pytest.mark.parametrize("shows_all", [False], indirect=True)
@pytest.mark.parametrize("version", [3, 2])
def test_every_transcription_answers_at_its_address(client, version):
    manifest = client.get(f"/presentation/{version}/a2/manifest").json
    if version == 3:
        pages = [page["id"] for page in manifest["items"][0]["annotations"]]
    else:
        canvas = manifest["sequences"][0]["canvases"][0]
        pages = [page["@id"] for page in canvas["otherContent"]]
    assert len(pages) == 2
    for address in pages:
        found = client.get(address.removeprefix(BASE))
        assert found.status_code == 200
        assert found.json.get("id", found.json.get("@id")) == address
