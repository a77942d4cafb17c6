"""The demo's pictures: complete, within their bounds, and saying that they are synthetic."""

import importlib
import json
import tomllib
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

IMAGES = Path(__file__).resolve().parent.parent / "images"
PAGES = tomllib.loads((IMAGES / "pages.toml").read_text(encoding="utf-8"))
CAPTIONS = json.loads((IMAGES / "captions.json").read_text(encoding="utf-8"))
SCANS = sorted(IMAGES.glob("*/*.jpg"))

each_scan = pytest.mark.parametrize(
    "scan", SCANS, ids=lambda scan: f"{scan.parent.name}/{scan.name}"
)
MEGAPIXEL = 1_000_000


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch):
    """Return a function that imports one module of the drawing program."""
    monkeypatch.syspath_prepend(str(IMAGES))
    return importlib.import_module


@pytest.fixture
def draw(module) -> ModuleType:
    """Return the drawing program, where its fonts are installed."""
    fonts = module("fonts")
    try:
        for name in fonts.FONTS:
            fonts.font_path(name)
    except fonts.FontMissing as missing:
        pytest.skip(str(missing))
    return module("draw")


@each_scan
def test_scan_is_a_plain_baseline_jpeg_as_its_description_says(scan):
    description = PAGES[scan.parent.name][int(scan.stem) - 1]
    with Image.open(scan) as image:
        assert (image.format, image.mode) == ("JPEG", "RGB")
        assert list(image.size) == description["pixels"]
        assert not image.info.get("progressive")
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.5)
        assert not image.getexif()
        assert "icc_profile" not in image.info
    assert scan.stat().st_size <= description["max_kb"] * 1000


def test_every_record_has_a_caption_a_description_and_its_pages_from_one():
    folders = {folder.name for folder in IMAGES.iterdir() if any(folder.glob("*.jpg"))}
    assert folders == PAGES.keys() == CAPTIONS.keys()
    assert len(folders) == 20
    for record, pages in PAGES.items():
        expected = {f"{page}.jpg" for page in range(1, len(pages) + 1)}
        assert {scan.name for scan in (IMAGES / record).iterdir()} == expected


def test_first_pages_are_large_and_further_ones_small():
    for record, pages in PAGES.items():
        first, *others = (page["pixels"][0] * page["pixels"][1] / MEGAPIXEL for page in pages)
        assert first >= 12, record
        assert all(3 <= other <= 6 for other in others), record


def test_all_scans_together_stay_under_thirty_megabytes():
    assert len(SCANS) >= 40
    assert sum(scan.stat().st_size for scan in SCANS) < 30_000_000


def test_sizes_hurt_and_differ():
    firsts = {tuple(pages[0]["pixels"]) for pages in PAGES.values()}
    assert len(firsts) == len(PAGES)
    assert all(width % 512 and height % 512 for width, height in firsts)
    assert any(width > height for width, height in firsts)
    assert any(width < height for width, height in firsts)


@pytest.mark.parametrize("record", CAPTIONS)
def test_caption_says_synthetic_in_three_languages_and_only_what_is_known(module, record):
    caption = module("caption")
    facts = {"record": record, **CAPTIONS[record]}
    for language, word in (("en", "Synthetic"), ("ja", "合成画像"), ("mn", "Зохиомол")):
        synthetic, about = caption.sentences(language, facts, 2, 3)
        assert word in synthetic
        assert record in about
        assert "2 of 3" in about or "2/3" in about
        assert "None" not in about
        for kind in ("title", "holder"):
            known = facts[kind].get(language)
            assert known is None or known in about


def test_caption_leaves_out_a_title_that_is_missing_in_its_language(module):
    facts = {"record": "ch05-11", "title": {"ja": "原本"}, "holder": {}}
    sentences = module("caption").sentences
    assert sentences("en", facts, 1, 2)[1] == "It stands in for record ch05-11. Page 1 of 2."
    assert sentences("ja", facts, 1, 2)[1] == "対応する資料：ch05-11「原本」。 1/2頁。"


def test_same_page_is_drawn_with_the_same_pixels(draw):
    first, second = (draw.draw_page("ch04-03", 3, 0.06) for _ in range(2))
    assert first.write_to_memory() == second.write_to_memory()
    assert [first.width, first.height] == [round(side * 0.06) for side in (2593, 1861)]


def test_two_pages_of_a_record_differ_in_their_paper(draw):
    pixels = [draw.draw_page("ch05-02", page, 0.05).crop(20, 20, 40, 40) for page in (1, 2)]
    assert pixels[0].write_to_memory() != pixels[1].write_to_memory()


@pytest.mark.parametrize(
    ("font", "letters", "has"),
    [
        ("caption", "өүӨҮ", True),
        ("caption", "日", False),
        ("typewriter", "дТ", True),
        ("typewriter", "өү", False),
        ("gothic", "日本請求", True),
        ("mongolian", "ᠮᠣᠩᠭᠣᠯ", True),
    ],
)
@pytest.mark.usefixtures("draw")
def test_box_for_a_missing_letter_is_not_taken_for_the_letter(module, font, letters, has):
    assert [module("fonts").has_glyph(font, letter) for letter in letters] == [has] * len(letters)


def test_missing_font_names_its_debian_package(module, monkeypatch, tmp_path):
    fonts = module("fonts")
    monkeypatch.setattr(fonts, "FOLDERS", (tmp_path,))
    with pytest.raises(fonts.FontMissing, match=r"GNUTypewriter\.ttf .* fonts-gnutypewriter"):
        fonts.font_path.__wrapped__("typewriter")


@pytest.mark.usefixtures("draw")
def test_no_line_of_a_caption_begins_with_what_belongs_to_the_line_before(module):
    caption = module("caption")
    for record, known in CAPTIONS.items():
        _, about = caption.sentences("ja", {"record": record, **known}, 3, 3)
        for room in range(300, 1500, 150):
            lines = caption.wrap(about, "gothic", 24, room)
            assert not [line for line in lines if line[0] in "、。」）：頁"], (record, room)
