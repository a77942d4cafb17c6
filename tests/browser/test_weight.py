"""What the first page costs somebody with a slow connection: bytes and journeys, not seconds."""

from __future__ import annotations

from collections import Counter

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MAX_BYTES = 150_000
"""Of the first page, without pictures, as they travel."""

# A connection of 1.6 Mbit/s with 150 ms a journey carries 200 bytes a millisecond. Of one second,
# name, connection, encryption, page and style take five journeys: what is left carries this much.
MAX_BYTES_BEFORE_TEXT = 50_000


class Journal:
    """What travelled to a page, by kind."""

    def __init__(self, page):
        self.sizes: dict[str, Counter[str]] = {}
        self._kinds: dict[str, tuple[str, str]] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.responseReceived", self._received)
        session.on("Network.loadingFinished", self._finished)

    def _received(self, event):
        self._kinds[event["requestId"]] = (event["type"], event["response"]["url"])

    def _finished(self, event):
        kind, url = self._kinds[event["requestId"]]
        self.sizes.setdefault(kind, Counter())[url] += event["encodedDataLength"]

    def bytes_of(self, *kinds):
        """Return how many bytes travelled for *kinds* of things."""
        return sum(sum(self.sizes.get(kind, Counter()).values()) for kind in kinds)


@pytest.fixture
def journal(demo, visit):
    """A function that opens a page and returns it with the journal of its journey."""

    def travel(path, width=390):
        journals = []
        page = visit(demo, path, width, before=lambda page: journals.append(Journal(page)))
        page.wait_for_load_state("networkidle")
        return page, journals[0]

    return travel


@pytest.mark.parametrize("language", ["en", "ja", "mn"])
def test_the_first_page_is_light(journal, language):
    _, found = journal(f"/{language}/")
    everything = found.bytes_of(*found.sizes)
    pictures = found.bytes_of("Image")
    assert pictures > 0
    assert 0 < everything - pictures <= MAX_BYTES


def test_text_stands_after_two_journeys_and_few_bytes(journal):
    page, found = journal("/en/")
    assert 0 < found.bytes_of("Document", "Stylesheet") <= MAX_BYTES_BEFORE_TEXT
    blocking = page.locator("head script[src]:not([defer]):not([async]):not([type=module])")
    expect(blocking).to_have_count(0)
    imported = page.evaluate(
        "() => [...document.styleSheets].flatMap((sheet) => [...sheet.cssRules])"
        ".filter((rule) => rule instanceof CSSImportRule).length"
    )
    assert imported == 0


def test_the_first_page_can_be_used_before_its_pictures_come(demo, chapter, browser):
    context = browser.new_context()
    context.route("**/iiif/**", lambda _: None)  # never answered
    page = context.new_page()
    page.goto(f"{demo}/en/", wait_until="domcontentloaded")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.get_by_role("link", name=chapter.label("en")).first.click()
    page.wait_for_url("**/ch05/", wait_until="domcontentloaded")
    expect(page.get_by_role("heading", level=1)).to_contain_text(chapter.label("en"))
    context.close()


def test_viewers_travel_only_where_they_are_used(journal):
    for path, wanted in [
        ("/en/", False),
        ("/en/japan-mongolia/ch05/", False),
        ("/en/japan-mongolia/about", False),
        ("/en/japan-mongolia/record/ch05-05", True),
    ]:
        _, found = journal(path)
        scripts = found.sizes.get("Script", Counter())
        assert bool(scripts) == wanted, path
        assert not any("mirador" in url for url in scripts), path


def test_a_second_visit_fetches_no_script_or_style_again(demo, visit):
    page = visit(demo, "/en/japan-mongolia/record/ch05-05")
    page.goto(f"{demo}/en/japan-mongolia/record/ch05-06")
    fetched = page.evaluate(
        "() => performance.getEntriesByType('resource').map((it) => [it.name, it.transferSize])"
    )
    static = {name: size for name, size in fetched if name.endswith((".js", ".css"))}
    assert len(static) >= 2
    assert not any(static.values()), static


def test_the_mongolian_font_travels_only_with_mongolian_script(journal):
    _, found = journal("/en/")
    assert found.bytes_of("Font") == 0
