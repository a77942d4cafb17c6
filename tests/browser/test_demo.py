"""The demo as a visitor meets it: pages, then Mirador over our own tiles."""

from __future__ import annotations

import json
import re
import urllib.request

import pytest
from playwright.sync_api import expect
from seen import drawn, is_tile_of, load_images, scale_of

pytestmark = pytest.mark.browser

TO_FULL_RESOLUTION = 3
"""Mirador doubles the size at each step, and a scan is at most eight times its window."""

LEAST_COLOURS = 100
"""In a small copy of a drawn scan; a blank canvas has one."""


@pytest.fixture(scope="module")
def chapter(demo):
    """The Manifest of the chapter that is walked through, and its services page by page."""
    with urllib.request.urlopen(f"{demo}/presentation/3/ch05/manifest") as answer:
        manifest = json.load(answer)
    services = [
        canvas["items"][0]["items"][0]["body"]["service"][0]["id"] for canvas in manifest["items"]
    ]
    return manifest, services


def test_a_visitor_walks_from_the_first_page_to_every_pixel_of_a_scan(demo, chapter, visit, shot):
    manifest, services = chapter
    page = visit(demo, "/", locale="en-GB")
    expect(page).to_have_url(f"{demo}/en/")
    load_images(page)
    shot(page, "home")
    with page.expect_response(lambda response: is_tile_of(services[0], response)):
        page.get_by_role("link", name=manifest["label"]["en"][0]).click()
    assert len(set(drawn(page))) > LEAST_COLOURS
    shot(page, "mirador-first-page")

    closer = page.get_by_role("button", name="Zoom in")
    with page.expect_response(
        lambda response: is_tile_of(services[0], response) and scale_of(response) == 1
    ):
        for _ in range(TO_FULL_RESOLUTION):
            closer.click()
    assert len(set(drawn(page))) > LEAST_COLOURS
    shot(page, "mirador-full-resolution")

    with page.expect_response(lambda response: is_tile_of(services[1], response)):
        page.get_by_role("button", name="Next item").click()
    pixels = drawn(page)
    assert len(set(pixels)) > LEAST_COLOURS
    assert len(pixels) > 64 * 64 / 2, "the second page is not shown whole"
    shot(page, "mirador-second-page")


@pytest.mark.parametrize("language", ["en", "ja", "mn"])
def test_mirador_shows_labels_and_the_index_in_the_readers_language(
    demo, chapter, visit, shot, language
):
    manifest, _ = chapter
    page = visit(demo, f"/{language}/viewer?manifest={manifest['id']}")
    assert len(set(drawn(page))) > LEAST_COLOURS
    label = manifest["label"].get(language) or next(iter(manifest["label"].values()))
    expect(page.get_by_role("heading", name=label[0])).to_be_visible()
    # only those that say something in this language
    ranges = [each["label"][language][0] for each in _ranges(manifest) if language in each["label"]]
    for text in ranges[:3]:
        expect(page.get_by_role("treeitem", name=text).first).to_be_visible()
    shot(page, f"mirador-{language}")


def _ranges(parent):
    for each in parent.get("structures", parent.get("items", [])):
        if each["type"] == "Range":
            yield each
            yield from _ranges(each)


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("language", ["en", "ja", "mn"])
def test_the_first_page_is_whole_in_every_language_and_width(demo, visit, shot, language, width):
    page = visit(demo, f"/{language}/", width)
    chapters = page.locator(".card")
    expect(chapters).to_have_count(6)
    load_images(page)
    wide = page.evaluate("document.documentElement.scrollWidth - document.body.clientWidth")
    assert wide <= 0
    shot(page, f"home-{language}-{width}")


def test_the_language_switch_keeps_the_scan_in_sight(demo, chapter, visit):
    manifest, services = chapter
    page = visit(demo, f"/en/viewer?manifest={manifest['id']}")
    assert len(set(drawn(page))) > LEAST_COLOURS
    with page.expect_response(lambda response: is_tile_of(services[0], response)):
        page.get_by_role("link", name="日本語").click()
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.get_by_role("heading", name=manifest["label"]["ja"][0])).to_be_visible()


def test_without_scripts_all_chapters_are_there(demo, visit):
    page = visit(demo, "/en/", java_script_enabled=False)
    expect(page.locator(".card h2")).to_have_count(6)
    expect(page.get_by_text("All pictures are synthetic").first).to_be_visible()


def test_by_keyboard_alone_a_chapter_is_reached_and_seen_to_be(demo, visit):
    page = visit(demo, "/en/")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.locator(":focus")
    expect(focused).to_have_attribute("href", re.compile("viewer"))
    expect(focused).to_have_css("outline-style", "solid")
    page.keyboard.press("Enter")
    assert len(set(drawn(page))) > LEAST_COLOURS


def test_the_demo_in_the_dark(demo, chapter, visit, shot):
    manifest, _ = chapter
    page = visit(demo, "/en/", color_scheme="dark")
    red, green, blue = _rgb(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert red + green + blue < 150
    load_images(page)
    shot(page, "home-dark")
    page = visit(demo, f"/en/viewer?manifest={manifest['id']}", color_scheme="dark")
    assert len(set(drawn(page))) > LEAST_COLOURS
    shot(page, "mirador-dark")


def _rgb(css):
    return [int(number) for number in re.findall(r"[0-9]+", css)][:3]
