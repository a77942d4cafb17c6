"""A folder of images as its owner meets it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

# the white disc of the test pictures in the middle, and around it a ground that is not white
DISC = """() => [...document.querySelectorAll('.openseadragon-canvas canvas')].some((canvas) => {
  const copy = new OffscreenCanvas(64, 64).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0, 64, 64);
  const brightness = (x, y) => {
    const [red, green, blue, alpha] = copy.getImageData(x, y, 1, 1).data;
    return alpha === 255 ? red + green + blue : 0;
  };
  const row = [...Array(64).keys()].map((x) => brightness(x, 32));
  return row[32] > 720 && row.some((each) => each > 0 && each < 500);
})"""


def test_a_picture_is_found_in_its_folder_and_zoomed(scans, visit, shot):
    page = visit(scans, "/en/")
    shot(page, "folder")
    page.get_by_role("link", name="letters").click()
    expect(page.locator(".picture")).to_have_count(2)
    page.wait_for_function(
        "() => [...document.images].every((image) => image.complete && image.naturalWidth === 200)"
    )
    shot(page, "folder-letters")
    page.get_by_role("link", name="é 1#?.png", exact=True).click()
    page.wait_for_function(DISC)
    shot(page, "zoom")
    with page.expect_response(lambda response: "/0/default." in response.url and response.ok):
        page.get_by_role("button", name="Full resolution").click()
    page.get_by_role("button", name="Turn by 90 degrees").click()
    page.get_by_role("button", name="Whole image").click()
    page.wait_for_function(DISC)


@pytest.mark.parametrize("name", ["front.png", "letters"])
def test_a_folder_opens_in_mirador(scans, visit, shot, name):
    page = visit(scans, "/en/" if name == "front.png" else f"/en/?folder={name}")
    page.get_by_role("link", name="Open in Mirador").click()
    page.wait_for_function(DISC)
    shot(page, f"mirador-folder-{name.partition('.')[0]}")
