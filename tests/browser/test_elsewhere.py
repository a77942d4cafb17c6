"""Our manifests and pictures in other people's viewers, on other people's sites."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from seen import drawn, is_tile_of, scale_of

pytestmark = pytest.mark.browser

LEAST_COLOURS = 50
"""In a small copy of a drawn scan; a blank canvas has one."""

TO_FULL_RESOLUTION = 4
"""Steps of a zoom, each at the least half as much again."""


class Viewer(NamedTuple):
    """How a visitor uses a viewer: CSS selectors, as its developers named things."""

    closer: str
    next_page: str
    whole: str = ""
    """Where the next page is shown as near as the last."""


VIEWERS = {
    "openseadragon": Viewer("[title='Zoom in']", "[title='Next page']"),
    "universalviewer": Viewer(".zoomIn.viewportNavButton", ".centerOptions .next"),
    "clover": Viewer("[data-button=zoom-in]", "[data-testid=media-thumbnail][data-canvas='1']"),
    "mirador3": Viewer(
        "[aria-label='Zoom in']", "[aria-label='Next item']", "[aria-label='Reset zoom']"
    ),
}


@pytest.mark.parametrize("name", VIEWERS)
def test_a_viewer_of_others_shows_zooms_and_turns_pages(
    demo, elsewhere, chapter, visit, shot, name
):
    viewer = VIEWERS[name]
    sources = [f"info={demo}/iiif/3/{image}/info.json" for image in chapter.images]
    query = "&".join([f"manifest={chapter.address}", *sources])
    page = visit(demo, f"/{name}.html?{query}", within=elsewhere)
    first = drawn(page)
    assert first.colours > LEAST_COLOURS
    shot(page, f"{name}-first")

    with page.expect_response(
        lambda answer: is_tile_of(chapter.images[0], answer) and scale_of(answer) == 1
    ):
        for _ in range(TO_FULL_RESOLUTION):
            page.locator(viewer.closer).click()
    near = drawn(page, unlike=first)
    assert near.colours > LEAST_COLOURS
    shot(page, f"{name}-full-resolution")

    with page.expect_response(lambda answer: is_tile_of(chapter.images[1], answer)):
        page.locator(viewer.next_page).click()
    if viewer.whole:
        page.locator(viewer.whole).click()
    assert drawn(page, unlike=near).colours > LEAST_COLOURS
    shot(page, f"{name}-second")
