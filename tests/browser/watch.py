"""What went wrong in a page: nothing may."""

from __future__ import annotations

from playwright.sync_api import ConsoleMessage, Page

OURS_ONLY = ("data:", "blob:")


class Watch:
    """The faults of a page of ours: any request elsewhere, any failure, any word of complaint."""

    def __init__(self, page: Page, base_url: str, *, refused: tuple[int, ...] = ()) -> None:
        self.faults: list[str] = []
        self._base_url = base_url
        self._refused = refused
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", lambda request: self._request(request.url))
        page.on("requestfailed", lambda request: self._failed(request.url, request.failure))
        page.on("response", lambda response: self._response(response.status, response.url))

    def _console(self, message: ConsoleMessage) -> None:
        # the software renderer's remark on its own speed, which no page causes
        if message.type not in ("error", "warning") or "GL Driver Message" in message.text:
            return
        # Chromium's note of an answer that was asked for on purpose
        if any(f"status of {status}" in message.text for status in self._refused):
            return
        self.faults.append(f"console: {message.text}")

    def _request(self, url: str) -> None:
        if not url.startswith((self._base_url, *OURS_ONLY)):
            self.faults.append(f"another host: {url}")

    def _failed(self, url: str, failure: str | None) -> None:
        # a viewer drops tiles that went out of sight before they came
        if failure != "net::ERR_ABORTED":
            self.faults.append(f"failed: {url}: {failure}")

    def _response(self, status: int, url: str) -> None:
        if status >= 400 and status not in self._refused:
            self.faults.append(f"{status}: {url}")


class WatchElsewhere(Watch):
    """The faults of a page of somebody else that concern us: their own are theirs.

    A viewer may look for its fonts wherever it likes, and warn of its own habits. What it asks of
    us has to come, and no exception may escape from it.
    """

    def _console(self, message: ConsoleMessage) -> None:
        place = f"{message.text} {message.location.get('url', '')}"
        if message.type == "error" and self._base_url in place:
            self.faults.append(f"console: {message.text}")

    def _request(self, url: str) -> None:
        """Ask whatever it likes."""

    def _failed(self, url: str, failure: str | None) -> None:
        if url.startswith(self._base_url):
            super()._failed(url, failure)

    def _response(self, status: int, url: str) -> None:
        if url.startswith(self._base_url):
            super()._response(status, url)
