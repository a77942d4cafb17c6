"""A real server, a real browser, and a record of everything that went wrong in it.

BROWSER_SCREENSHOTS=folder keeps pictures of what was seen.
"""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

from iiifserver.web.assets import Assets

ROOT = Path(__file__).parents[2]
READY = "iiifserver: "
READY_TIMEOUT_S = 300
"""A first start cuts every pyramid of the demo."""
STOP_TIMEOUT_S = 20
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Watch:
    """What went wrong in a page: nothing may."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.faults: list[str] = []
        self._base_url = base_url
        page.on("console", lambda message: self._console(message.type, message.text))
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self._request(request.url))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        page.on("response", lambda response: self._response(response.status, response.url))

    def _console(self, kind: str, text: str) -> None:
        # the software renderer's remark on its own speed, which no page causes
        if kind in ("error", "warning") and "GL Driver Message" not in text:
            self.faults.append(f"console: {text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self._base_url, "data:", "blob:")):
            self.faults.append(f"another host: {url}")

    def _failed(self, url: str, failure: str | None) -> None:
        # a viewer drops tiles that went out of sight before they came
        if failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {url}: {failure}")

    def _response(self, status: int, url: str) -> None:
        if status >= 400:
            self.faults.append(f"{status}: {url}")


@contextlib.contextmanager
def running(*arguments: str | Path) -> Iterator[str]:
    """Start the server, wait until it says where it listens, and stop it afterwards."""
    command = [sys.executable, "-m", "iiifserver.cli", *map(str, arguments), "--port", "0"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IIIFSERVER_")}
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        lines: queue.Queue[str] = queue.Queue()
        reading = threading.Thread(target=_read, args=(server, lines))
        reading.start()
        try:
            yield _address(lines)
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(STOP_TIMEOUT_S)
            server.kill()
            reading.join()


def _read(server: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert server.stdout is not None
    for line in server.stdout:
        lines.put(line)
    lines.put("")


def _address(lines: queue.Queue[str]) -> str:
    while line := lines.get(timeout=READY_TIMEOUT_S):
        if line.startswith(READY):
            return line.removeprefix(READY).strip().rstrip("/")
    pytest.fail("the server ended before it was ready")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("no Chromium: apt-get install chromium")
    if "viewers/mirador.js" not in Assets():
        pytest.skip("no viewers: python hatch_build.py")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def demo(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the demo exhibition."""
    with running("demo", "--data", tmp_path_factory.mktemp("demo")) as address:
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


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Page]]:
    """A function that opens an address in a window of its own.

    When the test ends nothing may have gone wrong in any of them.
    """
    with contextlib.ExitStack() as opened:
        watches: list[Watch] = []

        def open_page(base_url: str, path: str, width: int = 1280, **options: object) -> Page:
            size = {"width": width, "height": 900 if width > 600 else 800}
            context = opened.enter_context(browser.new_context(viewport=size, **options))
            page = context.new_page()
            watches.append(Watch(page, base_url))
            page.goto(base_url + path)
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
