"""A folder of images as its owner meets it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect
from seen import drawn, load_images, scale_of

pytestmark = pytest.mark.browser


def disc_in(pixels):
    """Tell whether *pixels* are the test picture's white disc on its coloured ground."""
    white = sum(min(pixel) > 240 for pixel in pixels)
    ground = sum(sum(pixel) < 500 for pixel in pixels)
    return white > len(pixels) / 5 and ground > len(pixels) / 5


def test_a_picture_is_found_in_its_folder_and_zoomed(scans, visit, shot):
    page = visit(scans, "/en/")
    shot(page, "folder")
    page.get_by_role("link", name="letters").click()
    expect(page.locator(".picture")).to_have_count(2)
    assert load_images(page) == []
    shot(page, "folder-letters")
    page.get_by_role("link", name="é 1#?.png", exact=True).click()
    assert disc_in(drawn(page).pixels)
    shot(page, "zoom")
    with page.expect_response(lambda response: scale_of(response) == 1):
        page.get_by_role("button", name="Full resolution").click()
    page.get_by_role("button", name="Turn right").click()
    page.get_by_role("button", name="Whole image").click()
    assert disc_in(drawn(page).pixels)


@pytest.mark.parametrize("name", ["front.png", "letters"])
def test_a_folder_opens_in_mirador(scans, visit, shot, name):
    page = visit(scans, "/en/" if name == "front.png" else f"/en/?folder={name}")
    page.get_by_role("link", name="Open in Mirador").click()
    assert disc_in(drawn(page).pixels)
    shot(page, f"mirador-folder-{name.partition('.')[0]}")
