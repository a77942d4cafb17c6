"""The door for tiles, in front of Flask: answers what stands ready, and passes on all the rest.

Flask takes ten times as long to find a view as a stored tile takes to be read. What is answered
here is what the views would have answered: `answers.py` makes both. Errors, HEAD, and pictures
that have to be made are Flask's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from iiifserver.errors import RequestError
from iiifserver.image.request import ImageRequest, Version
from iiifserver.urls import INFO, Urls, split_image_path

from .addresses import WSGI
from .answers import OPEN, Answer, Answers

_API = "/iiif/"
_INFO = f"/{INFO}"
_VERSIONS: dict[str, Version] = {"3/": 3, "2/": 2}
_STATUS = {status: f"{status} {HTTPStatus(status).phrase}" for status in (200, 304)}


def through_tiles(app: WSGI, answers: Answers, urls: Callable[[dict[str, Any]], Urls]) -> WSGI:
    """Return *app* behind the door."""

    def door(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        answer = _answer(environ, answers, urls)
        if answer is None:
            return app(environ, start_response)
        environ["iiifserver.door"] = "tiles"
        start_response(_STATUS[answer.status], [*answer.headers, *OPEN])
        return answer.body

    return door


def _answer(
    environ: dict[str, Any], answers: Answers, urls: Callable[[dict[str, Any]], Urls]
) -> Answer | None:
    """Return what is ready to be sent, None where Flask has to see to it."""
    path = environ["PATH_INFO"]
    if environ["REQUEST_METHOD"] != "GET" or not path.startswith(_API):
        return None
    version, path = _VERSIONS.get(path[6:8]), path[8:]
    if version is None:
        return None
    if not path.isascii():
        path = path.encode("latin-1").decode(errors="replace")  # WSGI's way to pass on bytes
    try:
        if path.endswith(_INFO):
            identifier = path.removesuffix(_INFO)
            return answers.information(environ, version, identifier, urls(environ))
        if parts := split_image_path(path):
            asked = ImageRequest.parse(version, *parts.segments)
            return answers.ready(environ, version, parts.identifier, asked, urls(environ))
    except RequestError:
        pass  # it is raised again where errors become documents
    return None
