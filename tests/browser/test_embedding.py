"""Our viewer in a page of another site, and nothing else of ours."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from exhibited import EXHIBITION, fetch
from playwright.sync_api import expect
from seen import SIDE

pytestmark = pytest.mark.browser

RECORD = f"/en/{EXHIBITION}/record/ch05-05"


def embed(visit, demo, elsewhere, address):
    """Open a page of somebody else that shows *address* in a frame."""
    path = f"/embed.html?page={quote(address, safe='')}"
    return visit(demo, path, within=elsewhere)


def test_a_record_lives_in_a_page_of_another_site(demo, elsewhere, visit, shot):
    page = embed(visit, demo, elsewhere, f"{demo}/embed/ch05-05?lang=mn")
    frame = page.frame_locator("iframe")
    expect(frame.locator("html")).to_have_attribute("lang", "mn")
    expect(frame.locator("#zoom[data-ready=true][data-view]")).to_be_visible()
    before = frame.locator("#zoom").get_attribute("data-view")
    frame.locator("#zoom [data-action=in]").first.click()
    expect(frame.locator("#zoom")).not_to_have_attribute("data-view", before)
    back = frame.locator("a[href*='/record/ch05-05']").first
    expect(back).to_have_attribute("target", re.compile("_blank|_top|_parent"))
    shot(page, "embedded")


def test_the_code_that_the_record_page_offers_works(demo, elsewhere, visit):
    page = visit(demo, RECORD)
    code = next(
        text
        for text in page.locator("textarea, input, code, pre").evaluate_all(
            "(all) => all.map((each) => each.value ?? each.textContent)"
        )
        if "<iframe" in text
    )
    address = re.search(r'src="([^"]+)"', code)[1].replace("&amp;", "&")
    framed = embed(visit, demo, elsewhere, address).frame_locator("iframe")
    expect(framed.locator("#zoom[data-ready=true]")).to_be_visible()


def test_oembed_gives_the_frame_that_a_blog_would_show(demo, elsewhere, visit):
    page = visit(demo, RECORD)
    link = page.locator("link[type='application/json+oembed']")
    answer = json.loads(fetch(link.get_attribute("href")))
    assert answer["type"] == "rich"
    address = re.search(r'src="([^"]+)"', answer["html"])[1].replace("&amp;", "&")
    framed = embed(visit, demo, elsewhere, address).frame_locator("iframe")
    expect(framed.locator("#zoom[data-ready=true]")).to_be_visible()


@pytest.mark.parametrize("path", ["/en/", RECORD, f"/en/{EXHIBITION}/ch05/"])
def test_no_other_page_of_ours_may_be_framed(demo, elsewhere, browser, path):
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{elsewhere}/embed.html?page={quote(demo + path, safe='')}")
    page.wait_for_load_state("networkidle")
    assert any("frame-ancestors" in text or "X-Frame-Options" in text for text in said)
    assert page.frames[1].locator("main").count() == 0
    page.close()


def test_pictures_may_be_used_in_canvases_of_other_sites(demo, elsewhere, visit):
    page = visit(
        demo, f"/openseadragon.html?info={demo}/iiif/3/ch05-05-1/info.json", within=elsewhere
    )
    alpha = page.evaluate(
        """async ([address, side]) => {
          const picture = new Image();
          picture.crossOrigin = 'anonymous';
          picture.src = address;
          await picture.decode();
          const context = new OffscreenCanvas(side, side).getContext('2d');
          context.drawImage(picture, 0, 0, side, side);
          return context.getImageData(0, 0, 1, 1).data[3];
        }""",
        [f"{demo}/iiif/3/ch05-05-1/full/!200,200/0/default.jpg", SIDE],
    )
    assert alpha == 255
