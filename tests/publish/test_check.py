"""A curator's folder, read whole; every mistake found at its cell."""

from pathlib import Path

import pytest
from seeded import ALONE, CELLS, examine_here, sow

from iiifserver.dates import parse_date
from iiifserver.language import LanguageMap
from iiifserver.publish.check import load, read, review

SHEETS = {
    "exhibition.toml": """
exhibition = "demo"
languages = ["en", "ja", "mn"]
title_ja = "展示"
title_en = "Demo"
summary_mn = "Үзэсгэлэн"
""",
    "agents.csv": """
agent,name_en,name_ja,part_of
naj,National Archives,国立公文書館,
naj-annex,Annex,,naj
""",
    "chapters.csv": """
chapter,title_en,period
ch1,One,195X
ch2,Two,
""",
    "sections.csv": """
section,chapter,title_en
ch1-a,ch1,Trade
ch2-a,ch2,Games
""",
    "records.csv": """
record,chapter,section,title_ja,title_en,holder,reference,date,places_en,viewing_direction,unreviewed
r1,ch1,ch1-a,国書,Letter,naj,184-0216,1972-02-24,Tokyo; Nara,right-to-left,title_en
r2,ch1,,,Map,naj-annex,"Fund-59, File-1",1971/1972,,,
r3,ch2,ch2-a,表,Table,,"Fund-59, File-1",,,,
""",
    "pages.csv": """
record,page,file,label_en,label
r1,cover,b.jpg,Cover,
r1,1r,a.jpg,,f. 1r
""",
    "sources.csv": """
item,column,source
r1,title_ja,https://example.org/r1
naj,name_en,the foreword
""",
}
SCANS = ("r1/a.jpg", "r1/b.jpg", "r2/10.jpg", "r2/2.jpg", "r2/.hidden", "r3/x.tif", "_made/y.txt")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SHEETS.items():
        (tmp_path / name).write_text(text.lstrip(), encoding="utf-8")
    for name in SCANS:
        scan = tmp_path / "images" / name
        scan.parent.mkdir(parents=True, exist_ok=True)
        scan.write_bytes(b"")
    return tmp_path


def edit(folder: Path, name: str, old: str, new: str) -> None:
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")


def test_sheets_become_an_exhibition(folder):
    exhibition = load(folder, folder / "images")
    first, second, third = exhibition.records
    assert exhibition.title.entries == (("en", ("Demo",)), ("ja", ("展示",)))
    assert [chapter.identifier for chapter in exhibition.chapters] == ["ch1", "ch2"]
    assert exhibition.chapters[0].period == parse_date("195X")
    assert first.title == LanguageMap.of({"ja": "国書"})
    assert first.unreviewed == (("title", LanguageMap.of({"en": "Letter"})),)
    assert first.places["en"] == ("Tokyo", "Nara")
    assert first.sources[0].source == "https://example.org/r1"
    assert second.holder.part_of == "naj"
    assert second.reference == third.reference == "Fund-59, File-1"
    assert third.date is None
    assert not read(folder, folder / "images").mistakes


def test_listed_pages_keep_their_order_and_others_are_in_natural_order(folder):
    first, second, _ = load(folder, folder / "images").records
    assert [(page.identifier, page.file) for page in first.pages] == [
        ("cover", "b.jpg"),
        ("1r", "a.jpg"),
    ]
    assert [page.image for page in first.pages] == ["r1-cover", "r1-1r"]
    assert [dict(page.label) for page in first.pages] == [{"en": ("Cover",)}, {"none": ("f. 1r",)}]
    assert [page.file for page in second.pages] == ["2.jpg", "10.jpg"]
    assert [page.image for page in second.pages] == ["r2-1", "r2-2"]


@pytest.mark.parametrize(
    "seed", [*CELLS, *ALONE], ids=lambda s: f"{s.sheet}-{s.column}-{s.value[:25]}"
)
def test_mistake_is_found_at_its_cell_and_nothing_else_is(tmp_path, seed):
    [(place, _)] = sow(tmp_path, [seed])
    mistakes = read(tmp_path, tmp_path / "images").mistakes
    mistake = next(m for m in mistakes if f"{m.sheet}!{m.cell}" == place)
    assert len(mistakes) == 1 + seed.also
    assert seed.reason in mistake.reason
    assert (mistake.proposal, mistake.severity) == (seed.proposal, seed.severity)


def test_all_mistakes_are_told_at_once(tmp_path):
    sown = sow(tmp_path, CELLS)
    exhibition, mistakes = read(tmp_path, tmp_path / "images")
    found = {(f"{m.sheet}!{m.cell}", m.severity): m for m in mistakes}
    missed = [place for place, seed in sown if (place, seed.severity) not in found]
    assert missed == []
    assert exhibition is None
    assert len(CELLS) > 100


def test_healthy_exhibition_has_no_mistakes(tmp_path):
    sow(tmp_path, [])
    exhibition, mistakes, _ = review(tmp_path, tmp_path / "images", examine_here)
    assert [str(mistake) for mistake in mistakes] == []
    assert [len(record.pages) for record in exhibition.records] == [2, 1]


@pytest.mark.parametrize(
    ("name", "old", "new", "place", "reason"),
    [
        ("chapters.csv", "chapter,", "chapters,", "Chapters", "no column 'chapter'"),
        ("records.csv", '"Fund-59', '"Fund"-59', "Records", "records.csv:"),
        ("records.csv", ",,,,\n", ",,,,,stray\n", "Records!L4", "without a column above"),
        ("exhibition.toml", "exhibition =", "show =", "Exhibition", "no column 'exhibition'"),
        ("exhibition.toml", '"Demo"', '"Demo', "Exhibition", "exhibition.toml:"),
        ("agents.csv", "公文書館,", "公文書館,naj-annex", "Agents!D2", "goes in a circle"),
    ],
)
def test_sheet_that_does_not_hold_together_is_told(folder, name, old, new, place, reason):
    edit(folder, name, old, new)
    exhibition, mistakes = read(folder, folder / "images")
    assert any(str(m).startswith(f"{place}:") and reason in m.reason for m in mistakes), mistakes
    assert exhibition is None


def test_one_slip_is_one_mistake(folder):
    edit(folder, "records.csv", "1972-02-24", "1972.2.24")
    assert len(read(folder, folder / "images").mistakes) == 1


def test_mistake_says_where_what_and_what_would_do(folder):
    edit(folder, "records.csv", "1972-02-24", "1972.2.24")
    [mistake] = read(folder, folder / "images").mistakes
    assert str(mistake) == (
        "Records!H2: '1972.2.24' is not a date that we know; did you mean 1972-02-24?"
    )


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda f: (f / "images/r4").mkdir(), "no record for this folder"),
        (lambda f: (f / "images/r1/c.jpg").touch(), "this one is not"),
        (lambda f: (f / "images/r3/x.tif").unlink(), "has no scan"),
    ],
)
def test_what_can_be_shown_all_the_same_is_a_warning(folder, spoil, reason):
    spoil(folder)
    exhibition, [mistake] = read(folder, folder / "images")
    assert reason in mistake.reason
    assert mistake.severity == "warning"
    assert exhibition is not None


def test_two_pages_never_share_an_image(folder):
    edit(folder, "records.csv", "r2,ch1", "r1-1,ch1")
    edit(folder, "pages.csv", "r1,1r", "r1,1-1")
    (folder / "images/r2").rename(folder / "images/r1-1")
    [mistake, *_] = read(folder, folder / "images").mistakes
    assert "'r1-1-1'" in mistake.reason


@pytest.mark.parametrize("name", ["exhibition.toml", "chapters.csv", "records.csv"])
def test_sheet_that_must_be_there_is_missed(folder, name):
    (folder / name).unlink()
    assert any(name in m.reason for m in read(folder, folder / "images").mistakes)


def test_other_sheets_may_be_left_out(folder):
    for name in ("pages.csv", "sources.csv"):
        (folder / name).unlink()
    assert [len(r.pages) for r in load(folder, folder / "images").records] == [2, 2, 1]


@pytest.mark.parametrize("change", [b"\xef\xbb\xbf%s", b"%s\r\n,,,,,,,,,,\r\n"])
def test_byte_order_mark_and_blank_rows_change_nothing(folder, change):
    before = load(folder, folder / "images")
    sheet = folder / "records.csv"
    sheet.write_bytes(change.replace(b"%s", sheet.read_bytes()))
    assert load(folder, folder / "images") == before


def test_carriage_returns_change_nothing(folder):
    before = load(folder, folder / "images")
    for sheet in folder.glob("*.csv"):
        sheet.write_bytes(sheet.read_bytes().replace(b"\n", b"\r\n"))
    assert load(folder, folder / "images") == before


def test_composed_and_decomposed_letters_are_the_same_text(folder):
    edit(folder, "records.csv", "国書", "か\u3099")
    assert next(load(folder, folder / "images").records).title["ja"] == ("が",)


def test_file_that_is_no_text_is_told(folder):
    (folder / "records.csv").write_bytes("記録".encode("cp932"))
    [mistake, *_] = read(folder, folder / "images").mistakes
    assert "not UTF-8" in mistake.reason


def test_a_mark_names_its_column_as_a_header_may(folder):
    edit(folder, "records.csv", "right-to-left,title_en", "right-to-left,題名_EN")
    first = next(iter(load(folder, folder / "images").records))
    assert first.unreviewed == (("title", LanguageMap.of({"en": "Letter"})),)
