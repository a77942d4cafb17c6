"""The door for tiles, in front of Flask: answers what stands ready, and passes on all the rest.

Flask takes ten times as long to find a view as a stored tile takes to be read. What is answered
here is what the views would have answered: `answers.py` makes both. Errors, other methods than
GET, and whatever has to be made, looked at or waited for are Flask's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from iiifserver.errors import RequestError
from iiifserver.image.request import ImageRequest, Version
from iiifserver.urls import INFO, Urls, split_image_path

from .addresses import WSGI, stripped
from .answers import Answer, Answers
from .log import AccessLog

_API = "/iiif/"
_VERSIONS: dict[str, Version] = {"3/": 3, "2/": 2}
_INFO = f"/{INFO}"
_STATUS = {status: f"{status} {HTTPStatus(status).phrase}" for status in (200, 304)}


class Door:
    """The application: *app*, behind the door. Both log what they answer."""

    def __init__(
        self,
        app: WSGI,
        answers: Answers,
        urls: Callable[[Mapping[str, Any]], Urls],
        base_url: str,
        log: AccessLog | None,
    ) -> None:
        self._answers = answers
        self._urls = urls
        self._prefix = urlsplit(base_url).path
        self._log = log
        self.app = log.around(app) if log else app
        """All that is answered behind the door."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI says."""
        answer = self.at_once(environ)
        if answer is None:
            return self.app(environ, start_response)
        start_response(_STATUS[answer.status], answer.headers)
        return answer.body

    def at_once(self, environ: Mapping[str, Any]) -> Answer | None:
        """Return what is ready to be sent, its body in one piece; None where *app* sees to it."""
        path: str = environ["PATH_INFO"]
        if environ["REQUEST_METHOD"] != "GET":
            return None
        if self._prefix:
            path = stripped(path, self._prefix)
        version = _VERSIONS.get(path[6:8]) if path.startswith(_API) else None
        if version is None:
            return None
        started_s = self._log.now() if self._log else 0.0
        if not path.isascii():
            path = path.encode("latin-1").decode(errors="replace")  # WSGI's way to pass on bytes
        try:
            answer = self._answer(environ, version, path[8:])
        except RequestError:
            return None  # it is raised again where errors become documents
        if self._log and answer is not None:
            length = sum(map(len, answer.body))
            self._log.record(environ, answer.status, length, started_s, "tiles")
        return answer

    def _answer(self, environ: Mapping[str, Any], version: Version, path: str) -> Answer | None:
        urls, answers = self._urls(environ), self._answers
        if path.endswith(_INFO):
            return answers.information_at_once(environ, version, path.removesuffix(_INFO), urls)
        if parts := split_image_path(path):
            asked = ImageRequest.parse(version, *parts.segments)
            return answers.at_once(environ, version, parts.identifier, asked, urls)
        return None
