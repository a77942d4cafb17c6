"""What can be seen of a viewer from outside: its tiles among the answers, and what it has drawn."""

from __future__ import annotations

import re

from playwright.sync_api import Page, Response

_TILE = re.compile(r"/iiif/3/[^/]+/[0-9]+,[0-9]+,([0-9]+),[0-9]+/([0-9]+),[0-9]*/0/")
_POLLING_MS = 250

# Something is drawn, and the same as a moment ago. Copies are read, because reading a canvas that
# is on the screen makes browsers complain.
_STILL = """() => {
  const drawn = [...document.querySelectorAll('.openseadragon-canvas canvas')].map((canvas) => {
    const copy = new OffscreenCanvas(64, 64).getContext('2d', { willReadFrequently: true });
    copy.drawImage(canvas, 0, 0, 64, 64);
    return copy.getImageData(0, 0, 64, 64).data;
  });
  const before = window.drawnBefore;
  window.drawnBefore = drawn.join();
  return drawn.some((pixels) => pixels.some((value) => value)) && before === window.drawnBefore;
}"""
_PIXELS = """() => {
  const canvas = document.querySelector('.openseadragon-canvas canvas');
  const copy = new OffscreenCanvas(64, 64).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0, 64, 64);
  return [...copy.getImageData(0, 0, 64, 64).data];
}"""
_IMAGES = "() => [...document.images].every((image) => image.complete && image.naturalWidth > 50)"


def scale_of(response: Response) -> float | None:
    """Return how many pixels of the scan make one of this tile; None if it is no tile."""
    found = _TILE.search(response.url)
    if not found or response.status != 200:
        return None
    return round(int(found[1]) / int(found[2]), 3)


def is_tile_of(service: str, response: Response) -> bool:
    """Tell whether *response* is a tile of *service*."""
    return response.url.startswith(f"{service}/") and scale_of(response) is not None


def drawn(page: Page) -> list[tuple[int, int, int]]:
    """Wait until the viewer has drawn and stands still; return what is there, 64 by 64 pixels.

    Pixels where nothing is drawn are left out.
    """
    page.wait_for_function(_STILL, polling=_POLLING_MS)
    values = page.evaluate(_PIXELS)
    pixels = zip(values[::4], values[1::4], values[2::4], values[3::4], strict=True)
    return [(red, green, blue) for red, green, blue, alpha in pixels if alpha == 255]


def load_images(page: Page) -> None:
    """Scroll through the page and wait until every picture in it has come."""
    for image in page.locator("img").all():
        image.scroll_into_view_if_needed()
    page.wait_for_function(_IMAGES)
    page.evaluate("window.scrollTo(0, 0)")
