"""A real server, a real browser, and a record of everything that went wrong in it.

BROWSER_SCREENSHOTS=folder keeps pictures of what was seen; BROWSER_DEMO=address looks at a demo
that runs already.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from exhibited import Shown
from inspection import COUNT_SHIFTS
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, expect, sync_playwright
from serving import in_pieces, running, shared, somebody_else
from strange import publish_in
from watch import Watch, WatchElsewhere

from iiifserver.web.assets import Assets

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-3d-apis",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 30_000
"""Of whatever is waited for: only what never comes is to fail, on a busy machine too."""
OTHERS = Path(__file__).parent / "npm" / "node_modules"
"""Programs of others: the accessibility checker and viewers."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium: apt-get install chromium")
    if "viewers/mirador.js" not in Assets():
        pytest.skip("no viewers: python hatch_build.py")
    expect.set_options(timeout=TIMEOUT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def others() -> Path:
    """The folder of what other people's packages brought."""
    if not (OTHERS / ".package-lock.json").is_file():
        pytest.skip("no viewers of others: npm ci, in tests/browser/npm")
    return OTHERS


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this run share."""
    own = tmp_path_factory.getbasetemp()
    return own if worker_id == "master" else own.parent


@pytest.fixture(scope="session")
def demo(browser: Browser, common: Path) -> Iterator[str]:
    """The address of the demo exhibition."""
    if given := os.environ.get("BROWSER_DEMO"):
        yield given.rstrip("/")
        return
    with shared(common, "demo", "--data", common / "demo") as address:
        yield address


@pytest.fixture(scope="session")
def chapter(demo: str) -> Shown:
    """The chapter of 1972, through which the tests walk."""
    return Shown(demo, "ch05")


@pytest.fixture(scope="session")
def record(demo: str) -> Shown:
    """A record of two pages, of which the exhibition shows two copies, one in each archive."""
    return Shown(demo, "ch05-05")


@pytest.fixture(scope="session")
def elsewhere(others: Path) -> Iterator[str]:
    """The address of somebody else's site."""
    with somebody_else() as address:
        yield address


@pytest.fixture(scope="session")
def slowly(demo: str) -> Iterator[str]:
    """The address of the demo exhibition behind a connection that brings pages in pieces."""
    with in_pieces(demo) as address:
        yield address


@pytest.fixture(scope="session")
def scans(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a folder of three pictures with names that hurt."""
    folder = tmp_path_factory.mktemp("scans")
    for name, colour in [
        ("front.png", "#a03030"),
        ("letters/é 1#?.png", "#30a030"),
        ("letters/100%.jpg", "#3030a0"),
    ]:
        (folder / name).parent.mkdir(exist_ok=True)
        picture = Image.new("RGB", (2600, 1600), colour)
        ImageDraw.Draw(picture).ellipse((700, 200, 1900, 1400), fill="white")
        picture.save(folder / name)
    with running("serve", folder, "--data", tmp_path_factory.mktemp("data")) as address:
        yield address


@pytest.fixture(scope="session")
def strange(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an exhibition whose texts are attacks."""
    data = publish_in(tmp_path_factory.mktemp("strange"))
    with running("serve", "--data", data) as address:
        yield address


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A function that opens an address in a window of its own.

    When the test ends nothing may have gone wrong in any of them, but for answers with a status
    that was expected: `refused=(404,)`. With `within`, the page is somebody else's and only what
    it asks of *base_url* counts. What must see everything is told of the page *before*.
    """
    with contextlib.ExitStack() as opened:
        watches: list[Watch] = []

        def open_page(
            base_url: str,
            path: str,
            width: int = 1280,
            *,
            within: str = "",
            refused: tuple[int, ...] = (),
            before: Callable[[Page], object] = bool,
            **options: object,
        ) -> Page:
            size = {"width": width, "height": 900 if width > 600 else 800}
            context = opened.enter_context(browser.new_context(viewport=size, **options))
            context.set_default_timeout(TIMEOUT_MS)
            context.add_init_script(COUNT_SHIFTS)
            page = context.new_page()
            kind = WatchElsewhere if within else Watch
            watches.append(kind(page, base_url, refused=refused))
            before(page)
            page.goto((within or base_url) + path)
            return page

        yield open_page
    assert [fault for watch in watches for fault in watch.faults] == []


@pytest.fixture
def shot() -> Callable[[Page, str], None]:
    """A function that keeps a picture of a page, if pictures are wanted."""
    folder = os.environ.get("BROWSER_SCREENSHOTS")

    def keep(page: Page, name: str) -> None:
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=Path(folder, f"{name}.png"))

    return keep
