"""Photographs the demo: every page to be looked at, or the few pictures of the manual.

    .venv/bin/python tests/browser/photographs.py all FOLDER [ADDRESS]
    .venv/bin/python tests/browser/photographs.py manual docs/pictures [ADDRESS]

ADDRESS is that of a running demo; without it one is started. Not a test: whether a page is
beautiful, nobody but a reader can tell.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from conftest import ARGUMENTS
from exhibited import EXHIBITION, LANGUAGES
from places import KINDS, WIDTHS
from playwright.sync_api import Browser, sync_playwright
from playwright.sync_api import TimeoutError as NothingCame
from seen import drawn, load_images
from serving import running

PATIENCE_MS = 10_000
QUALITY_PERCENT = 82
WALL = 2560
DARK = {"color_scheme": "dark"}


class Picture(NamedTuple):
    """What is photographed."""

    path: str
    width: int = 1280
    height: int = 800
    draws: bool = False
    """Whether a viewer stands in it."""
    light: Mapping[str, str] = {}


MANUAL = {
    "exhibition": Picture("/en/", height=1000),
    "chapter": Picture(f"/ja/{EXHIBITION}/ch05/", height=1000),
    "record": Picture(f"/en/{EXHIBITION}/record/ch05-05?xywh=900,350,1500,900", draws=True),
    "compare": Picture("/en/compare?canvas=ch05-05/1&canvas=ch05-06/1", draws=True),
    "mirador": Picture(
        "/mn/viewer?manifest={demo}/presentation/3/ch05/manifest", height=860, draws=True
    ),
    "dark": Picture("/ja/", height=1000, light=DARK),
    "phone": Picture(f"/ja/{EXHIBITION}/record/ch05-03", 390, 844, draws=True),
}


def everything() -> Iterator[tuple[str, Picture]]:
    """Return every page in each language and width, in the dark, and on a wall, with names."""
    for name, kind in KINDS.items():
        for language in LANGUAGES:
            path = kind.path.replace("{language}", language)
            for width in WIDTHS:
                yield f"{name}-{language}-{width}", Picture(path, width, draws=kind.draws)
        path = kind.path.replace("{language}", "ja")
        yield f"{name}-dark", Picture(path, draws=kind.draws, light=DARK)
        yield f"{name}-wall", Picture(path, WALL, draws=kind.draws)


def photograph(browser: Browser, demo: str, picture: Picture, target: Path, *, whole: bool) -> None:
    """Keep a picture of a page, of the *whole* of it as long as it is."""
    size = {"width": picture.width, "height": picture.height}
    page = browser.new_page(viewport=size, **picture.light)
    page.set_default_timeout(PATIENCE_MS)
    page.goto(demo + picture.path.format(demo=demo))
    with contextlib.suppress(NothingCame):  # what does not come is seen on the picture
        if picture.draws:
            drawn(page)
        if whole:
            load_images(page)
        page.wait_for_load_state("networkidle")
    page.screenshot(path=target, full_page=whole, type="jpeg", quality=QUALITY_PERCENT)
    page.close()


def main(what: str, folder: Path, demo: str) -> None:
    """Photograph *what* is wanted of *demo* into *folder*."""
    wanted = MANUAL.items() if what == "manual" else everything()
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        for name, picture in wanted:
            photograph(browser, demo, picture, folder / f"{name}.jpg", whole=what == "all")
        browser.close()


if __name__ == "__main__":
    with contextlib.ExitStack() as opened:
        if len(sys.argv) > 3:
            address = sys.argv[3].rstrip("/")
        else:
            data = opened.enter_context(tempfile.TemporaryDirectory())
            address = opened.enter_context(running("demo", "--data", data))
        main(sys.argv[1], Path(sys.argv[2]), address)
