"""Photographs every page of the demo, to be looked at: in each language, width and light.

    .venv/bin/python tests/browser/photographs.py FOLDER [ADDRESS]

ADDRESS is that of a running demo; without it one is started. Not a test: whether a page is
beautiful, nobody but a reader can tell.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from conftest import ARGUMENTS
from exhibited import LANGUAGES
from places import KINDS, WIDTHS, Kind
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import TimeoutError as NothingCame
from seen import drawn, load_images
from serving import running

WALL = 2560
PATIENCE_MS = 10_000


def photograph(
    browser: Browser, demo: str, kind: Kind, language: str, target: Path, width: int, **light: str
) -> None:
    """Keep a picture of the whole page, as long as it is."""
    size = {"width": width, "height": 800 if width < 600 else 900}
    page = browser.new_page(viewport=size, **light)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(demo + kind.path.format(language=language, demo=demo))
    with contextlib.suppress(NothingCame):  # what does not come is seen on the picture
        if kind.draws:
            drawn(page)
        load_images(page)
    page.screenshot(path=target, full_page=True)
    page.close()


def main(folder: Path, demo: str, only: tuple[str, ...] = ()) -> None:
    """Photograph all pages of *demo* into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for name, kind in KINDS.items():
            if only and name not in only:
                continue
            for language in LANGUAGES:
                for width in WIDTHS:
                    target = folder / f"{name}-{language}-{width}.jpg"
                    photograph(browser, demo, kind, language, target, width)
            target = folder / f"{name}-dark.jpg"
            photograph(browser, demo, kind, "ja", target, 1280, color_scheme="dark")
            photograph(browser, demo, kind, "en", folder / f"{name}-wall.jpg", WALL)
        browser.close()


if __name__ == "__main__":
    with contextlib.ExitStack() as opened:
        if len(sys.argv) > 2:
            address = sys.argv[2].rstrip("/")
        else:
            data = opened.enter_context(tempfile.TemporaryDirectory())
            address = opened.enter_context(running("demo", "--data", data))
        main(Path(sys.argv[1]), address, tuple(sys.argv[3:]))
