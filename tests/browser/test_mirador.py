"""Mirador, our build of it, over our own manifests."""

from __future__ import annotations

import pytest
from exhibited import CHAPTERS, EXHIBITION, LANGUAGES, Shown
from playwright.sync_api import expect
from seen import drawn, is_tile_of, scale_of

pytestmark = pytest.mark.browser

LEAST_COLOURS = 50
TO_FULL_RESOLUTION = 3
"""Mirador doubles the size at each step, and a scan is at most eight times its window."""

NEXT_PAGE = {"en": "Next item", "ja": "次"}
"""The beginning of the button's name; the English one must be nowhere else."""


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_chapter_opens_with_labels_index_and_interface_in_the_readers_language(
    demo, chapter, visit, shot, language
):
    opens(demo, chapter, visit, language)
    page = visit(demo, f"/{language}/viewer?manifest={chapter.address}")
    assert drawn(page).colours > LEAST_COLOURS
    # only those that say something in this language
    ranges = [each["label"][language][0] for each in chapter.ranges() if language in each["label"]]
    assert ranges
    for text in ranges[:3]:
        expect(page.get_by_role("treeitem", name=text).first).to_be_visible()
    english = page.get_by_role("button", name="Next item", exact=True)
    expect(english).to_have_count(1 if language == "en" else 0)
    shot(page, f"mirador-{language}")


@pytest.mark.long
@pytest.mark.parametrize("language", ["ja", "mn"])
@pytest.mark.parametrize("identifier", [name for name in CHAPTERS if name not in ("ch03", "ch05")])
def test_each_chapter_opens(demo, visit, identifier, language):
    opens(demo, Shown(demo, identifier), visit, language)


def opens(demo, chapter, visit, language):
    page = visit(demo, f"/{language}/viewer?manifest={chapter.address}")
    assert drawn(page).colours > LEAST_COLOURS
    expect(page.locator("html")).to_have_attribute("lang", language)
    expect(page.get_by_role("heading", name=chapter.label(language)).first).to_be_visible()


def test_zoomed_and_turned_over_pages_stay_whole(demo, chapter, visit, shot):
    first, second = chapter.images[:2]
    page = visit(demo, f"/en/viewer?manifest={chapter.address}")
    whole = drawn(page)
    closer = page.get_by_role("button", name="Zoom in")
    with page.expect_response(lambda answer: is_tile_of(first, answer) and scale_of(answer) == 1):
        for _ in range(TO_FULL_RESOLUTION):
            closer.click()
    near = drawn(page, unlike=whole)
    assert near.colours > LEAST_COLOURS
    shot(page, "mirador-full-resolution")
    with page.expect_response(lambda answer: is_tile_of(second, answer)):
        page.get_by_role("button", name="Next item").click()
    after = drawn(page, unlike=near)
    assert after.colours > LEAST_COLOURS
    assert after.cover > 0.5, "the second page is not shown whole"


def test_a_record_leads_to_mirador(demo, record, visit):
    page = visit(demo, f"/en/{EXHIBITION}/record/ch05-05")
    page.locator("a[href*='/viewer?']:visible").first.click()
    page.wait_for_url("**/en/viewer?**")
    assert drawn(page).colours > LEAST_COLOURS
    expect(page.get_by_role("heading", name=record.label("en")).first).to_be_visible()


def test_the_language_switch_keeps_the_manifest(demo, chapter, visit):
    page = visit(demo, f"/en/viewer?manifest={chapter.address}")
    assert drawn(page).colours > LEAST_COLOURS
    page.get_by_role("link", name="日本語").click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.get_by_role("heading", name=chapter.label("ja")).first).to_be_visible()
    assert drawn(page).colours > LEAST_COLOURS


def test_the_index_leads_to_its_page(demo, chapter, visit):
    contents = chapter.manifest["structures"][0]["items"]
    section = [entry for entry in contents if entry["type"] == "Range"][-1]
    canvases = [canvas["id"] for canvas in chapter.manifest["items"]]
    image = chapter.images[canvases.index(_first_canvas(section))]
    page = visit(demo, f"/en/viewer?manifest={chapter.address}")
    assert drawn(page).colours > LEAST_COLOURS
    page.get_by_role("treeitem", name=_name(section)).click()  # unfolds it
    record = next(entry for entry in section["items"] if entry["type"] == "Range")
    with page.expect_response(lambda answer: is_tile_of(image, answer)):
        page.get_by_role("treeitem", name=_name(record)).last.click()


def _name(entry):
    return entry["label"]["en"][0]


def _first_canvas(entry):
    first = entry["items"][0]
    return first["id"] if first["type"] == "Canvas" else _first_canvas(first)
