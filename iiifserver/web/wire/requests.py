"""The requests of one connection, read by llhttp (httptools), as WSGI has them.

https://www.rfc-editor.org/rfc/rfc9112, https://peps.python.org/pep-3333/
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import httptools

from iiifserver.errors import BadRequest, BodyTooLarge, HeadTooLong, RequestError

HTTP_10, HTTP_11 = "HTTP/1.0", "HTTP/1.1"

_HEAD_BYTES = 32 << 10  # of a request, its line and headers
_MOST_HEADERS = 100
_BODY_BYTES = 64 << 10  # nothing of ours takes one
_TOO_LONG = f"the head of a request has at most {_HEAD_BYTES} bytes and {_MOST_HEADERS} headers"
_SHORT = 512  # a name longer than this is not kept
_PLAIN = {"CONTENT_LENGTH", "CONTENT_TYPE"}  # WSGI calls all others HTTP_...
_FRAMING = "https://www.rfc-editor.org/rfc/rfc9112#section-6.1"
_ONE_HOST = "https://www.rfc-editor.org/rfc/rfc9112#section-3.2"
_log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """A request; *last* where none follows it on its connection, *refused* if it is none."""

    environ: dict[str, Any]
    last: bool
    refused: RequestError | None = None

    @property
    def is_head(self) -> bool:
        """Whether the answer has no body."""
        return bool(self.environ["REQUEST_METHOD"] == "HEAD")


class Requests:
    """Reads requests, and gives each to *take* when it is complete, those that are none too.

    *about* is what all requests of the connection have in common; *expected* is called when a
    client waits to be told that it may send a body. After a request that is none nothing is read.
    """

    def __init__(
        self,
        about: Mapping[str, Any],
        take: Callable[[Asked], None],
        expected: Callable[[], None],
    ) -> None:
        self.between = True
        """Whether no request has begun, or all of it was read."""
        self.deaf = False
        """Set to read nothing more."""
        self._about = dict(about)
        self._take = take
        self._expected = expected
        self._parser: Any = httptools.HttpRequestParser(self)
        self._came = self._unread = 0  # bytes: at one time, and since a request was complete
        self.on_message_begin()
        self.between = True

    def feed(self, data: bytes) -> None:
        """Read what a client sends."""
        while data and not self.deaf:
            self._came = len(data)
            self._unread += self._came
            try:
                self._parser.feed_data(data)
                data = b""
            except httptools.HttpParserUpgrade as upgrade:
                # nothing is spoken here but HTTP/1.1: what follows is read as that
                data = data[upgrade.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError as error:
                if isinstance(error, httptools.HttpParserCallbackError):
                    _log.exception("unexpected error while a request was read")
                self._refuse(BadRequest(f"this is not HTTP/1.1: {error}"))
        if self._unread > _HEAD_BYTES + _BODY_BYTES:
            self._refuse(HeadTooLong(_TOO_LONG))

    # what the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        self.between = False
        self._environ = self._about.copy()
        self._target = self._body = b""
        self._in_head = True

    def on_url(self, part: bytes) -> None:
        """What it asks for; perhaps only the beginning."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, whole; one that comes after the body is not looked at."""
        key = _key(name) if len(name) < _SHORT else _key.__wrapped__(name)
        if key and self._in_head:
            text, environ = value.decode("latin-1"), self._environ
            environ[key] = f"{environ[key]},{text}" if key in environ else text

    def on_headers_complete(self) -> None:
        """A body follows, if there is one."""
        self._in_head = False
        if "HTTP_EXPECT" in self._environ and not self.deaf:
            self._expect()

    def _expect(self) -> None:
        """Let a client send its body, if it knows what it is told by that."""
        expects = self._environ["HTTP_EXPECT"].lower() == "100-continue"
        if expects and self._parser.get_http_version() != "1.0":
            self._expected()

    def on_body(self, part: bytes) -> None:
        """A piece of the body."""
        if len(self._body) + len(part) <= _BODY_BYTES:
            self._body += part
        else:
            self._refuse(BodyTooLarge(f"the body of a request is longer than {_BODY_BYTES} bytes"))

    def on_message_complete(self) -> None:
        """The request is complete."""
        if self.deaf:
            return
        self.between = True
        parser, environ, target = self._parser, self._environ, self._target
        method = parser.get_method()
        environ["REQUEST_METHOD"] = "GET" if method == b"GET" else method.decode("latin-1")
        protocol = HTTP_11 if parser.get_http_version() == "1.1" else self._other_protocol()
        environ["SERVER_PROTOCOL"] = protocol
        if self._body:
            environ["wsgi.input"] = BytesIO(self._body)
        try:
            if (
                self._unread > _HEAD_BYTES
                or self._came > _HEAD_BYTES
                or len(environ) > _MOST_HEADERS
            ):
                self._check_length()
            if protocol is not HTTP_11 or "," in environ.get("HTTP_HOST", ","):
                self._check_protocol()
            if "HTTP_UPGRADE" in environ and parser.should_upgrade():
                self._check_upgrade()
            if not target.startswith(b"/"):
                target, environ["HTTP_HOST"] = _absolute(target)
        except RequestError as error:
            self._refuse(error)
            return
        path, _, query = target.partition(b"?")
        # as WSGI has it: decoded to bytes, each of which becomes a character
        path = unquote_to_bytes(path) if b"%" in path else path
        environ["PATH_INFO"], environ["QUERY_STRING"] = (
            path.decode("latin-1"),
            query.decode("latin-1"),
        )
        self._unread = 0
        self._take(Asked(environ, not parser.should_keep_alive()))

    def _other_protocol(self) -> str:
        return HTTP_10 if self._parser.get_http_version() == "1.0" else ""

    def _check_length(self) -> None:
        """Look closely: what was read at one time may be many requests."""
        environ = self._environ
        head = sum(len(key) + len(value) for key, value in environ.items() if key.isupper())
        if head + len(self._target) > _HEAD_BYTES or len(environ) > _MOST_HEADERS:
            raise HeadTooLong(_TOO_LONG)

    def _check_protocol(self) -> None:
        protocol, host = self._environ["SERVER_PROTOCOL"], self._environ.get("HTTP_HOST")
        if not protocol:
            raise BadRequest("HTTP/1.1 is spoken here, and HTTP/1.0")
        if (host is None and protocol != HTTP_10) or "," in (host or ""):
            raise BadRequest("a request names one Host", spec=_ONE_HOST)
        if protocol == HTTP_10 and "HTTP_TRANSFER_ENCODING" in self._environ:
            # who passed it on may have taken its body for another request
            raise BadRequest("HTTP/1.0 has no Transfer-Encoding", spec=_FRAMING)

    def _check_upgrade(self) -> None:
        """See that there is no body: the parser takes it for what follows an upgrade.

        Read as HTTP/1.1 it would be requests that nobody has made.
        """
        environ = self._environ
        if environ.get("CONTENT_LENGTH", "0") != "0" or "HTTP_TRANSFER_ENCODING" in environ:
            raise BadRequest("a request with a body cannot ask for another protocol")

    def _refuse(self, why: RequestError) -> None:
        if self.deaf:
            return
        self.deaf = True
        environ = self._environ
        environ.setdefault("REQUEST_METHOD", "GET")
        environ.update(PATH_INFO="/", QUERY_STRING="")
        self._take(Asked(environ, True, why))


@lru_cache(1_024)
def _key(name: bytes) -> str:
    """Return what WSGI calls a header; nothing for one that could be taken for another."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in _PLAIN else f"HTTP_{key}"


def _absolute(target: bytes) -> tuple[bytes, str]:
    """Return the path and query of an address, as proxies are asked, and the host that it names.

    Whatever `Host` says: https://www.rfc-editor.org/rfc/rfc9112#section-3.2.2
    """
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError:
        url = None
    if url is None or not url.schema or not url.host:
        raise BadRequest("the target of a request is a path")
    host = url.host.decode("latin-1")
    host = f"[{host}]" if ":" in host else host
    path = (url.path or b"/") + (b"?" + url.query if url.query else b"")
    return path, f"{host}:{url.port}" if url.port else host
