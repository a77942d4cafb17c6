"""Pages side by side."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from exhibited import EXHIBITION
from playwright.sync_api import expect
from seen import drawn

pytestmark = pytest.mark.browser

PANES = "#compare [data-part=pane]"
BOTH = "/en/compare?canvas=ch05-05/1&canvas=ch05-06/1"


# Every pane has told the same twice: none is about to tell of where it moved.
_SETTLED = """(panes) => {
  const told = [...document.querySelectorAll(panes)].map((pane) => pane.dataset.view).join(';');
  const before = window.toldBefore;
  window.toldBefore = told;
  return told === before;
}"""


def views(page):
    """Return the region shown in each pane once all are drawn."""
    ready = page.locator(f"{PANES}[data-ready=true][data-view*=',']")
    expect(ready).to_have_count(page.locator(PANES).count())
    page.wait_for_function(_SETTLED, arg=PANES, polling=500)
    found = [pane.get_attribute("data-view") for pane in page.locator(PANES).all()]
    return [[float(number) for number in view.split(",")] for view in found]


def area(view):
    """Return how many pixels of the scan are seen."""
    return view[2] * view[3]


def zoom_into(page, number):
    """Turn the wheel over a pane, and wait until it has moved and stands still."""
    box = page.locator(PANES).nth(number).bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 3)
    before = page.locator(PANES).nth(number).get_attribute("data-view")
    for _ in range(4):
        page.mouse.wheel(0, -240)
    expect(page.locator(PANES).nth(number)).not_to_have_attribute("data-view", before)
    drawn(page)


def test_the_chapter_leads_to_the_two_records_of_one_event(demo, visit, shot):
    page = visit(demo, f"/en/{EXHIBITION}/ch05/")
    page.locator("main a[href*='/compare?']").first.click()
    expect(page.locator(PANES)).to_have_count(2)
    assert {"ch05-05", "ch05-06"} == {
        name for name in ("ch05-05", "ch05-06", "ch05-07") if name in page.url
    }
    views(page)
    shot(page, "compared")


def test_pages_move_together_until_they_are_told_not_to(demo, visit):
    page = visit(demo, BOTH)
    left, right = views(page)
    zoom_into(page, 0)
    expect(page.locator(PANES).nth(1)).not_to_have_attribute("data-view", _text(right))
    nearer = views(page)
    assert area(nearer[0]) < area(left)
    assert area(nearer[1]) < area(right)

    page.locator("#compare [data-action=together]").uncheck()
    still = page.locator(PANES).nth(1).get_attribute("data-view")
    zoom_into(page, 0)
    assert area(views(page)[0]) < area(nearer[0])
    assert page.locator(PANES).nth(1).get_attribute("data-view") == still


def test_a_comparison_has_an_address_that_can_be_shared(demo, visit):
    page = visit(demo, "/mn/compare?canvas=ch05-05/2&canvas=ch05-06/1&canvas=ch05-07/1")
    expect(page.locator(PANES)).to_have_count(3)
    assert len(views(page)) == 3


def test_several_targets_of_a_content_state_stand_side_by_side(demo, visit):
    canvas = f"{demo}/presentation/ch05-05/canvas/2#xywh=600,800,900,600"
    other = f"{demo}/presentation/3/ch05-06/manifest"
    state = quote(json.dumps({"type": "Annotation", "target": [canvas, other]}), safe="")
    page = visit(demo, f"/en/compare?iiif-content={state}")
    near, whole = views(page)
    assert min(near[2] / 900, near[3] / 600) == pytest.approx(1, rel=0.05)
    assert whole[:2] == [0, 0]
    assert "iiif-content" not in page.url
    assert page.url.startswith(f"{demo}/en/compare?canvas=ch05-05/2&canvas=ch05-06/1&xywh=")
    assert views(visit(demo, page.url.removeprefix(demo)))[0] == pytest.approx(near, abs=4)


def _text(view):
    return ",".join(f"{number:g}" for number in view)
