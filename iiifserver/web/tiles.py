"""The door for tiles, in front of Flask: answers what stands ready, and has pictures made.

Flask takes ten times as long to find a view as a stored tile takes to be read. What is answered
here is what the views would have answered: `answers.py` makes both. What is malformed, other
methods than GET, and all other addresses are Flask's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from flask import Response

from iiifserver.errors import NotFound, RequestError
from iiifserver.image.request import ImageRequest, Version
from iiifserver.metrics import Counters, bytes_cell, request_cell
from iiifserver.sources import Place
from iiifserver.urls import INFO, Segments, Urls, split_image_path

from . import problems
from .addresses import WSGI, stripped
from .answers import OPEN, Answer, Answers, Making, Prepared, written
from .log import NAME, AccessLog, Names
from .watch import DOOR, HEADER, KIND, Watch

REFUSED = "iiifserver.refused"
"""Key of a WSGI environment: the error with which a request is answered that cannot be read."""

_API = "/iiif/"
_MOST_PREPARED = 4_096  # pictures that stood ready when they were asked for, about 1.5 kB each
_MOST_REMEMBERED = 16_384  # paths, about 70 bytes each
_VERSIONS: dict[str, Version] = {"3/": 3, "2/": 2}
_INFO = f"/{INFO}"
# a tile as viewers of version 3 ask for it: the identifier, the numbers of region and size
_TILE = re.compile(
    rf"{_API}3/(.+)/([0-9]+),([0-9]+),([0-9]+),([0-9]+)/([0-9]+),([0-9]+)/0/default\.jpg"
)
_CELLS = {
    (status, kind == "picture"): request_cell(kind, "tiles", status)
    for status in (200, 304)
    for kind in ("picture", "info")
}
_BYTES = bytes_cell("tiles")
_STATUS = {status: f"{status} {HTTPStatus(status).phrase}" for status in (200, 304)}


class _Asked(NamedTuple):
    """What is asked of an image: a picture, or its info.json."""

    version: Version
    identifier: str
    segments: Segments | None


class Door:
    """The application: *app*, behind the door. Both log what they answer."""

    def __init__(
        self,
        app: WSGI,
        answers: Answers,
        urls: Callable[[Mapping[str, Any]], Urls],
        base_url: str,
        log: AccessLog | None,
        counters: Counters,
    ) -> None:
        self._answers = answers
        self._urls = urls
        self._prefix = urlsplit(base_url).path
        self._log = log
        self._counters = counters
        self._cells = counters.cells
        self._names = log.names if log else Names()
        self._prepared: dict[str, Prepared] = {}
        self._remembered: set[int] = set()
        self._flask = app
        self.app: WSGI = Watch(self._made_or_other, log, counters)
        """All that is not answered at once."""

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer a request, as WSGI says."""
        answer = self.at_once(environ)
        if answer is None or isinstance(answer, Making):
            return self.app(environ, start_response)
        try:
            body = [answer.ready.read()] if answer.ready else answer.body
        except OSError:  # its file was cut short, or its disk is gone
            return self.app(environ, start_response)
        start_response(_STATUS[answer.status], answer.headers)
        return body

    def at_once(self, environ: Mapping[str, Any]) -> Answer | Making | None:
        """Return what is ready to be sent, or what makes it; None where *app* sees to it."""
        started_s = self._log.now() if self._log else 0.0
        if environ["REQUEST_METHOD"] != "GET":
            return None
        urls = self._urls(environ)
        prepared = self._prepared.get(environ["PATH_INFO"])
        if prepared is not None and self._answers.holds(prepared, urls):
            is_picture, answer = True, self._answers.at_once(environ, prepared)
        else:
            is_picture, answer = self._looked_up(environ, urls)
        if isinstance(answer, Answer):
            length = answer.size_bytes
            self._cells[_CELLS[answer.status, is_picture]] += 1
            self._cells[_BYTES] += length
            if self._log:
                self._log.record(environ, answer.status, length, started_s, "tiles")
        return answer

    def let_go(self) -> None:
        """Let go of what nobody asks for any more; called now and then."""
        self._answers.let_go()

    def name(self, environ: Mapping[str, Any]) -> str:
        """Return what a request is called in the log."""
        return self._names.of(environ)

    def made(
        self, environ: Mapping[str, Any], making: Making, made: Place | bytes, taken_s: float
    ) -> Answer:
        """Return the answer when a picture was made, in *taken_s*; *environ* has its name.

        Raises:
            OSError: as `Answers.made` does.
        """
        answer = self._answers.made(environ, making, made)
        named = (HEADER, environ[NAME])
        answer = answer._replace(lines=answer.lines + written((named,)))
        length = answer.size_bytes
        self._counters.request("picture", "made", answer.status, length, taken_s)
        if self._log:
            self._log.record(environ, answer.status, length, self._log.now() - taken_s, "made")
        return answer

    def _looked_up(
        self, environ: Mapping[str, Any], urls: Urls
    ) -> tuple[bool, Answer | Making | None]:
        """Return whether a picture was asked, and the answer; what is prepared for it is kept."""
        path = self._path(environ)
        try:
            tile = _TILE.fullmatch(path)
            prepared = tile and self._answers.tile(tile[1], tile.groups()[1:], urls)
            if not prepared:
                asked = _asked(path)
                if asked is None:
                    return False, None
                version, identifier, segments = asked
                if segments is None:
                    answers = self._answers.information_at_once
                    return False, answers(environ, version, identifier, urls)
                picture = ImageRequest.parse(version, *segments)
                prepared = self._answers.prepared(version, identifier, picture, urls)
        except RequestError:
            return False, None  # it is raised again where errors become documents
        if prepared is None:
            return True, None
        prepared.again = self._was_asked(environ["PATH_INFO"])
        answer = self._answers.at_once(environ, prepared)
        if answer is not None and prepared.again:
            if len(self._prepared) >= _MOST_PREPARED:
                self._prepared = {}  # little is lost: a tile is soon prepared again
            self._prepared[environ["PATH_INFO"]] = prepared
        return True, answer

    def _was_asked(self, path: str) -> bool:
        """Return whether *path* was asked lately, and remember it: most are asked once."""
        number = hash(path)
        if number in self._remembered:
            return True
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered = set()
        self._remembered.add(number)
        return False

    def _path(self, environ: Mapping[str, Any]) -> str:
        """Return the path that is asked for, decoded, below that of `base_url`."""
        path: str = environ["PATH_INFO"]
        if self._prefix:
            path = stripped(path, self._prefix)
        if not path.isascii():
            path = path.encode("latin-1").decode(errors="replace")  # WSGI's way to pass on bytes
        return path

    def _made_or_other(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        if why := environ.get(REFUSED):
            return _problem(why)(environ, start_response)
        asked = _asked(self._path(environ)) if environ["REQUEST_METHOD"] == "GET" else None
        if asked is None:
            return self._flask(environ, start_response)
        version, identifier, segments = asked
        urls = self._urls(environ)
        try:
            picture = segments and ImageRequest.parse(version, *segments)
        except RequestError:
            return self._flask(environ, start_response)  # an image has a name of several words
        environ[KIND] = "picture" if picture else "info"
        try:
            if picture is None:
                answer = self._answers.information(environ, version, identifier, urls)
            else:
                answer = self._answers.picture(environ, version, identifier, picture, urls)
        except NotFound:
            return self._flask(environ, start_response)  # it may be another address
        except Exception as error:  # as Flask does: whatever it is, it becomes a document
            environ[DOOR] = "made"
            return _problem(error)(environ, start_response)
        environ[DOOR] = "made"
        start_response(_STATUS[answer.status], answer.headers)
        return answer.body


def _asked(path: str) -> _Asked | None:
    """Return what is asked of an image, None if something else is asked."""
    version = _VERSIONS.get(path[6:8]) if path.startswith(_API) else None
    if version is None:
        return None
    path = path[8:]
    if path.endswith(_INFO):
        return _Asked(version, path.removesuffix(_INFO), None)
    parts = split_image_path(path)
    return _Asked(version, *parts) if parts else None


def _problem(error: Exception) -> Response:
    response = problems.answer_to(error)
    response.headers.update(OPEN)
    return response
