"""Texts that attack, that are too long, that run down the page: shown, and nothing else happens."""

from __future__ import annotations

import pytest
from inspection import barriers, too_wide
from playwright.sync_api import expect
from seen import drawn, view_of
from strange import ATTACK, MONGOLIAN, SIZE, WIDTH_MM

pytestmark = pytest.mark.browser

RECORD = "/{}/strange/record/r1"
PATHS = {
    "home": "/ru/",
    "chapter": "/ru/strange/c1/",
    "record": RECORD.format("ru"),
    "agents": "/ru/strange/agents",
    "about": "/ru/strange/about",
    "compare": "/ru/compare?canvas=r1/1&canvas=r2/1",
    "embed": "/embed/r1?lang=ru",
}
# what the attack would have done, or would have become
_SUCCEEDED = """() => [
  ...(window.attacked ? ['a script ran'] : []),
  ...[...document.querySelectorAll('[onerror], [onload], [onfocus], [autofocus], img[src=x]')]
    .map((element) => element.outerHTML.slice(0, 120)),
  ...[...document.querySelectorAll('a[href]')].map((link) => link.protocol)
    .filter((protocol) => !/^(https?|mailto):$/.test(protocol)),
]"""


@pytest.mark.parametrize("name", PATHS)
def test_a_text_that_attacks_is_a_text(strange, others, visit, shot, name):
    page = visit(strange, PATHS[name], 390)
    assert page.evaluate(_SUCCEEDED) == []
    expect(page.get_by_text(ATTACK[:20]).first).to_be_attached()
    shot(page, f"strange-{name}")
    assert [*too_wide(page), *barriers(page, others)] == []


def test_a_text_that_attacks_is_a_text_in_mirador_too(strange, visit):
    manifest = f"{strange}/presentation/3/c1/manifest"
    page = visit(strange, f"/ru/viewer?manifest={manifest}")
    assert drawn(page).colours > 20
    assert page.evaluate(_SUCCEEDED) == []


def test_a_ruler_stands_where_the_width_is_known_and_grows_with_the_scan(strange, visit, shot):
    page = visit(strange, RECORD.format("en"))
    ruler = page.locator("#zoom [data-part=ruler]")
    for _ in range(3):
        region = view_of(page)
        length, unit = ruler.inner_text().split()
        millimetres = int(length) * {"mm": 1, "cm": 10, "m": 1000}[unit]
        width = ruler.evaluate("(it) => it.getBoundingClientRect().width")
        height = page.locator("#zoom [data-part=stage]").bounding_box()["height"]
        # the region may be cut at the scan's left and right edges, not above and below
        pixels = millimetres * SIZE[0] / WIDTH_MM
        assert width / pixels == pytest.approx(height / region[3], rel=0.02)
        before = page.locator("#zoom").get_attribute("data-view")
        page.locator("#zoom [data-action=in]").click()
        expect(page.locator("#zoom")).not_to_have_attribute("data-view", before)
    shot(page, "ruler")
    other = visit(strange, RECORD.format("en").replace("r1", "r2"))
    view_of(other)
    expect(other.locator("#zoom [data-part=ruler]")).to_be_hidden()


def test_vertical_texts_run_down_and_bring_their_letters(strange, visit, shot):
    fonts = []
    page = visit(
        strange,
        RECORD.format("mn"),
        before=lambda page: page.on("response", lambda answer: fonts.append(answer.url)),
    )
    page.locator(".transcriptions details").first.evaluate("(it) => { it.open = true; }")
    for text, mode in [(MONGOLIAN, "vertical-lr"), ("蒙古国書の写し", "vertical-rl")]:
        written = page.locator(".written").filter(has_text=text)
        written.scroll_into_view_if_needed()
        expect(written).to_have_css("writing-mode", mode)
    page.evaluate("document.fonts.ready")
    assert [url for url in fonts if url.endswith(".woff2")]
    assert page.evaluate("document.fonts.check('16px Mongolian', 'ᠮ')")
    shot(page, "vertical")
