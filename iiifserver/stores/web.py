"""Web servers as stores that are only read: byte ranges of files, on hosts that are allowed.

No password, cookie or token is ever sent, also not where a redirect leads. Ways on are looked at
like the first address, and go only to allowed hosts; nothing leads from https to http.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from email.message import Message
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import quote, urljoin, urlsplit

from iiifserver.errors import Away, BrokenSource, NotFound, Replaced, RequestError
from iiifserver.homes import is_allowed_host

from .addresses import Resolve, checked_addresses
from .pieces import Flights, Key, Piece

_CONNECT_S, _READ_S, _WHOLE_S = 3.0, 8.0, 20.0
_TRIES = 3
_PAUSE_S = 0.2
_REDIRECTS = 3
_IDLE_S = 15.0
_MOST_IDLE = 8
_MOST_WHOLE_BYTES = 4 << 20  # of a server that knows no ranges
_STEP_BYTES = 256 << 10
_AGAIN = frozenset({408, 425, 429, 500, 502, 503, 504})
_LEADS_ON = frozenset({301, 302, 303, 307, 308})
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18})")


class _Ended(Exception):
    """What came ended early, or not in time: it may be asked for again."""


class _Way(NamedTuple):
    """Where to connect: to *address*, for a host."""

    secure: bool
    host: str
    port: int
    address: str


class Web:
    """The files below *url* on a web server."""

    folder: Path | None = None

    def __init__(
        self,
        url: str,
        hosts: Sequence[str],
        resolve: Resolve | None = None,
        clock: Callable[[], float] = time.monotonic,
        trusted: Path | None = None,
    ) -> None:
        """Trust certificates as the system does, or of those in the file *trusted*."""
        self.name = url
        self._hosts = tuple(hosts)
        self._resolve = resolve
        self._clock = clock
        self._flights = Flights(url)
        self._idle: list[tuple[float, _Way, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()
        self._tls = ssl.create_default_context(cafile=trusted)

    def read(self, key: str, offset: int, length: int, identity: str = "") -> Piece:
        """Return bytes of a file by one GET."""
        return self._flights.read(
            (key, offset, length, identity), lambda: self._read(key, offset, length, identity)
        )

    def create(self, key: str, body: bytes) -> None:
        """Raise BrokenSource: web servers are only read."""
        self._only_read()

    def put_file(self, key: str, path: Path) -> None:
        """Raise BrokenSource: web servers are only read."""
        self._only_read()

    def list(self, prefix: str, after: str = "") -> Iterator[Key]:
        """Raise BrokenSource: web servers do not tell what they have."""
        self._only_read()

    def delete(self, keys: Iterable[str]) -> None:
        """Raise BrokenSource: web servers are only read."""
        self._only_read()

    def reachable(self) -> None:
        """Return if the host can be connected to."""
        parts = urlsplit(self.name)
        with contextlib.closing(self._connection(self._way(parts.geturl()))) as connection:
            self._connected(connection, self._clock() + _WHOLE_S)

    def close(self) -> None:
        """Let go of connections that are kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, _, connection in idle:
            connection.close()

    def _only_read(self) -> NoReturn:
        raise BrokenSource(f"{self.name} is a web server, which is only read by byte ranges")

    def _read(self, key: str, offset: int, length: int, identity: str) -> Piece:
        until = self._clock() + _WHOLE_S
        why = "it takes too long"
        for turn in range(_TRIES):
            if turn:
                pause_s = _PAUSE_S * 2**turn * random.uniform(0.5, 1)  # noqa: S311 - only jitter
                if self._clock() + pause_s > until:
                    break
                time.sleep(pause_s)
            try:
                return self._asked(key, offset, length, identity, until)
            except _Ended as error:
                why = str(error)
        raise Away(f"{self.name} does not send {key}: {why}")

    def _asked(self, key: str, offset: int, length: int, identity: str, until: float) -> Piece:
        url = f"{self.name}/{quote(key)}"
        asked = {"Range": f"bytes={offset}-{offset + length - 1}", "Accept-Encoding": "identity"}
        if identity.startswith('"'):
            asked["If-Match"] = identity
        for _ in range(_REDIRECTS + 1):
            way = self._way(url)
            with self._response(way, url, asked, until) as response:
                if response.status not in _LEADS_ON:
                    return self._piece(key, response, offset, length, identity, until)
                url = self._onward(key, url, response.headers.get("Location", ""))
        raise BrokenSource(f"{self.name}: {key} leads on more than {_REDIRECTS} times")

    def _onward(self, key: str, url: str, location: str) -> str:
        try:
            onward = urljoin(url, location)
            scheme = urlsplit(onward).scheme
        except ValueError:
            raise BrokenSource(f"{self.name}: {key} leads to {location[:200]!r}") from None
        if url.startswith("https:") and scheme != "https":
            raise BrokenSource(f"{self.name}: {key} leads from https to {location[:200]!r}")
        return onward

    # -- answers

    def _piece(
        self,
        key: str,
        response: http.client.HTTPResponse,
        offset: int,
        length: int,
        identity: str,
        until: float,
    ) -> Piece:
        status, headers = response.status, response.headers
        if status in (404, 410):
            raise NotFound(f"{self.name} has no {key}")
        if status in (412, 416):
            raise Replaced(f"{self.name}: {key} was replaced, or is shorter than it was")
        if status in _AGAIN:
            raise _Ended(f"it answers {status}")
        if status not in (200, 206):
            raise BrokenSource(f"{self.name} refuses {key}: it answers {status}")
        if headers.get("Content-Encoding", "identity") != "identity":
            raise BrokenSource(f"{self.name}: {key} comes packed, not as it is")
        if status == 206:
            size_bytes, count = self._range(key, headers, offset, length)
            body = _body(response, count, until, self._clock)
        else:
            whole = self._whole(key, response, until)
            body, size_bytes = whole[offset : offset + length], len(whole)
        found = _identity(headers, size_bytes)
        if identity and found != identity:
            raise Replaced(f"{self.name}: {key} was replaced")
        return Piece(body, size_bytes, found)

    def _range(self, key: str, headers: Message, offset: int, length: int) -> tuple[int, int]:
        """Return how large the whole is, and how many bytes come."""
        said = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
        first, last, size_bytes = (int(said[number]) for number in (1, 2, 3)) if said else (0, 0, 0)
        count = min(length, size_bytes - offset)
        wrong = first != offset or last - first + 1 != count or count < 1
        if wrong or headers.get("Content-Length", str(count)) != str(count):
            raise BrokenSource(f"{self.name}: of {key} come other bytes than were asked for")
        return size_bytes, count

    def _whole(self, key: str, response: http.client.HTTPResponse, until: float) -> bytes:
        """Return a small file of a server that knows no ranges."""
        told = response.headers.get("Content-Length", "")
        size_bytes = int(told) if told.isascii() and told.isdigit() and len(told) < 19 else -1
        if not 0 <= size_bytes <= _MOST_WHOLE_BYTES:
            why = "sends no byte ranges, and it is too large to be read whole each time"
            raise BrokenSource(f"{self.name}: of {key} it {why}")
        return _body(response, size_bytes, until, self._clock)

    # -- connections

    def _way(self, url: str) -> _Way:
        """Return where to connect for *url*, after looking at all addresses of its host.

        Raises:
            BrokenSource: the host is not allowed, or it is at an address that is not.
        """
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            raise BrokenSource(f"{self.name}: leads to no address: {url[:200]!r}") from None
        secure = parts.scheme == "https"
        if parts.scheme not in ("http", "https") or parts.username or parts.password or not host:
            raise BrokenSource(f"{self.name}: leads to {url[:200]!r}, which is not followed")
        if not is_allowed_host(host, self._hosts):
            raise BrokenSource(f"{host} is not among http_hosts")
        port = port or (443 if secure else 80)
        addresses = checked_addresses(host, port, self._hosts, self._resolve)
        return _Way(secure, host, port, addresses[0])

    @contextlib.contextmanager
    def _response(
        self, way: _Way, url: str, asked: dict[str, str], until: float
    ) -> Iterator[http.client.HTTPResponse]:
        """Yield what the server says; its connection is kept if all of the body was read."""
        connection, fresh = self._kept(way)
        parts = urlsplit(url)
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            self._connected(connection, until)
            try:
                connection.request("GET", target, headers=asked)
                response = connection.getresponse()
            except (http.client.HTTPException, OSError):
                if fresh:
                    raise
                connection.close()  # the server had closed it meanwhile
                connection = self._connection(way)
                self._connected(connection, until)
                connection.request("GET", target, headers=asked)
                response = connection.getresponse()
            with contextlib.closing(response):
                yield response
                read_whole = response.isclosed()
            if read_whole and not response.will_close:
                self._keep(way, connection)
            else:
                connection.close()
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            slow = isinstance(error, TimeoutError)
            raise _Ended("it takes too long" if slow else "the answer ended early") from error
        except (RequestError, _Ended):
            connection.close()
            raise

    def _connection(self, way: _Way) -> http.client.HTTPConnection:
        return _Pinned(way, self._tls if way.secure else None)

    def _connected(self, connection: http.client.HTTPConnection, until: float) -> None:
        try:
            if connection.sock is None:
                connection.connect()
        except ssl.SSLError as error:
            raise BrokenSource(
                f"{self.name}: its certificate is refused: {error.reason}"
            ) from error
        except OSError as error:
            raise _Ended("no connection") from error
        connection.sock.settimeout(max(min(_READ_S, until - self._clock()), 0.05))

    def _kept(self, way: _Way) -> tuple[http.client.HTTPConnection, bool]:
        """Return a connection to the same address that is idle, or a new one, and which it is."""
        with self._lock:
            now = self._clock()
            gone = [each for each in self._idle if each[0] < now - _IDLE_S]
            self._idle = [each for each in self._idle if each[0] >= now - _IDLE_S]
            found = next((each for each in reversed(self._idle) if each[1] == way), None)
            if found:
                self._idle.remove(found)
        for each in gone:
            each[2].close()
        return (found[2], False) if found else (self._connection(way), True)

    def _keep(self, way: _Way, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < _MOST_IDLE:
                self._idle.append((self._clock(), way, connection))
                return
        connection.close()


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, whatever the host's name means by now."""

    def __init__(self, way: _Way, tls: ssl.SSLContext | None) -> None:
        super().__init__(way.host, way.port, timeout=_CONNECT_S)
        if tls:
            self.default_port = 443
        self._way = way
        self._tls = tls

    def connect(self) -> None:
        """Connect, and for https make sure that it is the host."""
        self.sock = socket.create_connection((self._way.address, self._way.port), _CONNECT_S)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls:
            self.sock.settimeout(_READ_S)
            try:
                self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._way.host)
            except OSError:
                self.close()
                raise


def _body(
    response: http.client.HTTPResponse, count: int, until: float, clock: Callable[[], float]
) -> bytes:
    """Return exactly *count* bytes; what takes longer than *until*, however it drips, has ended."""
    parts, left = [], count
    while left:
        if clock() > until:
            raise _Ended("it takes too long")
        part = response.read1(min(left, _STEP_BYTES))
        if not part:
            raise _Ended("the answer ended early")
        parts.append(part)
        left -= len(part)
    response.read1(1)  # so that it knows that it is at its end
    return b"".join(parts)


def _identity(headers: Message, size_bytes: int) -> str:
    """Return the strong ETag, else what else tells a file from another: never only its size."""
    etag = headers.get("ETag", "")
    if re.fullmatch('"[\x21\x23-\x7e]{1,200}"', etag):
        return etag
    changed = headers.get("Last-Modified", "")[:100]
    return f"{size_bytes:x} {etag[:200]} {changed}"
