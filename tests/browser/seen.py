"""What can be seen of a viewer from outside: its tiles among the answers, and what it has drawn."""

from __future__ import annotations

import contextlib
import re

from playwright.sync_api import Page, Response
from playwright.sync_api import TimeoutError as NothingCame

Pixels = list[tuple[int, int, int]]

_TILE = re.compile(r"/iiif/[23]/([^/]+)/[0-9]+,[0-9]+,([0-9]+),[0-9]+/([0-9]+),[0-9]*/0/")
_POLLING_MS = 250
SIDE = 64
READY = "#zoom[data-ready=true][data-view]"

# Something is drawn that does not move, and it is not what was there before. Copies are read,
# because reading a canvas that is on the screen makes browsers complain.
_STILL = """([side, unlike]) => {
  const canvas = document.querySelector('.openseadragon-canvas canvas');
  if (!canvas || !canvas.width) return false;
  const copy = new OffscreenCanvas(side, side).getContext('2d', { willReadFrequently: true });
  copy.drawImage(canvas, 0, 0, side, side);
  const now = copy.getImageData(0, 0, side, side).data.join();
  const before = window.drawnBefore;
  window.drawnBefore = now;
  return now === before && now !== unlike && /[1-9]/.test(now) && now;
}"""
_MISSING = """() => [...document.images]
  .filter((image) => image.checkVisibility() && !(image.complete && image.naturalWidth > 0))
  .map((image) => image.outerHTML.slice(0, 120))"""
_THROUGH = """async () => {
  for (const image of document.images) {
    if (image.checkVisibility()) image.scrollIntoView({ behavior: 'instant', block: 'center' });
    await new Promise(requestAnimationFrame);
  }
}"""
_PICTURES_MS = 30_000


def scale_of(response: Response) -> float | None:
    """Return how many pixels of the scan make one of this tile; None if it is no tile."""
    found = _TILE.search(response.url)
    if not found or response.status != 200:
        return None
    return round(int(found[2]) / int(found[3]), 3)


def is_tile_of(image: str, response: Response) -> bool:
    """Tell whether *response* is a tile of the image with this identifier."""
    found = _TILE.search(response.url)
    return bool(found) and found[1] == image and response.status == 200


class Drawn:
    """What a viewer has drawn, 64 by 64 pixels."""

    def __init__(self, values: str) -> None:
        self.values = values
        numbers = [int(value) for value in values.split(",")]
        fours = zip(numbers[::4], numbers[1::4], numbers[2::4], numbers[3::4], strict=True)
        self.pixels: Pixels = [(red, green, blue) for red, green, blue, alpha in fours if alpha]
        """Without those where nothing is drawn."""

    @property
    def colours(self) -> int:
        """How many there are: a blank canvas has at most one."""
        return len(set(self.pixels))

    @property
    def cover(self) -> float:
        """The part of the canvas on which something is drawn."""
        return len(self.pixels) / SIDE**2


def drawn(page: Page, unlike: Drawn | None = None) -> Drawn:
    """Wait until the viewer has drawn something other than *unlike*, and stands still."""
    wanted = [SIDE, unlike.values if unlike else ""]
    values = page.wait_for_function(_STILL, arg=wanted, polling=_POLLING_MS)
    return Drawn(values.json_value())


def view_of(page):
    """Return the region of the scan that the viewer shows, in its pixels, once it stands still."""
    page.wait_for_selector(READY)
    drawn(page)
    view = page.locator("#zoom").get_attribute("data-view")
    return tuple(round(float(number)) for number in view.split(","))


def load_images(page: Page) -> list[str]:
    """Scroll through the page; return the pictures in it that do not come."""
    page.evaluate(_THROUGH)
    with contextlib.suppress(NothingCame):
        page.wait_for_function(f"() => ({_MISSING})().length === 0", timeout=_PICTURES_MS)
    missing = page.evaluate(_MISSING)
    page.evaluate("window.scrollTo(0, 0)")
    return [f"never came: {image}" for image in missing]
