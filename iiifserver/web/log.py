"""One line of JSON for each request, on standard error: written in batches, by a thread.

    {"time": "2026-11-22T17:48:03.127Z", "id": "9f3a01c2-000002a", "client": "192.0.2.0",
     "method": "GET", "path": "/iiif/3/a/full/max/0/default.jpg", "status": 200,
     "bytes": 4711, "ms": 0.08, "door": "tiles"}

`door` says who answered: `tiles` what stands ready, `made` a picture or info.json that took some
work, `flask` all else. Clients are told apart by their network only, and what stands after a `?`
is left out. Waiting lines are bounded: where nobody reads them they are dropped, and counted; at
the end all that wait are written, to whoever takes them within two seconds.
"""

from __future__ import annotations

import datetime
import ipaddress
import itertools
import re
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from iiifserver.logs import Outlet, moment

NAME = "iiifserver.name"
"""Key of a WSGI environment: what a request is called, where it was called something before."""

_MOST_WAITING = 20_000
_BATCH = 1_000
_EVERY_S = 0.2
_END_S = 2.0  # for who reads the lines slowly
_IDENTIFIER = re.compile(r"[A-Za-z0-9._-]{1,64}")

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _Line(NamedTuple):
    at_s: float
    name: str
    client: str
    method: str
    path: str
    status: int
    length: int
    taken_s: float
    door: str


class Names:
    """Gives each request a name: its own, if a proxy gave it one that can be read."""

    def __init__(self) -> None:
        start = secrets.token_hex(4)  # told apart from those of other processes and machines
        # of one length, as documents are that hold it
        self._next = map(f"{start}-{{:07x}}".format, itertools.count(1)).__next__

    def of(self, environ: Mapping[str, Any]) -> str:
        """Return the name of the request of *environ*."""
        name: str = environ.get(NAME) or environ.get("HTTP_X_REQUEST_ID", "")
        return name if name and _IDENTIFIER.fullmatch(name) else self._next()


class AccessLog:
    """Lines about requests, given to *write* in batches; *trusted* proxies name their clients."""

    def __init__(
        self,
        trusted: Collection[str] = (),
        write: Callable[[bytes], None] | None = None,
        most_waiting: int = _MOST_WAITING,
    ) -> None:
        self.now = time.perf_counter
        self.names = Names()
        self._trusted = trusted
        self._outlet = Outlet()
        self._write = write or self._to_server
        self._most_waiting = most_waiting
        self._waiting: deque[_Line] = deque()
        self._dropped = 0
        self._ended = False
        self._until_s: float | None = None  # who does not read is waited for, at the end
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None

    def record(
        self, environ: Mapping[str, Any], status: int, length: int, started_s: float, door: str
    ) -> None:
        """Take note of an answer of *length* bytes to a request that began at *started_s*."""
        if len(self._waiting) >= self._most_waiting:
            self._dropped += 1
            return
        self._waiting.append(
            _Line(
                time.time(),
                self.names.of(environ),
                self._client(environ),
                environ["REQUEST_METHOD"],
                environ["PATH_INFO"],
                status,
                length,
                self.now() - started_s,
                door,
            )
        )
        if self._ended:
            self.flush()
        elif self._writer is None:
            self._start()

    def flush(self) -> None:
        """Write all lines that wait now."""
        with self._lock:
            while self._waiting:
                count = min(len(self._waiting), _BATCH)
                lines = [_bytes(self._waiting.popleft()) for _ in range(count)]
                self._write(b"".join(lines))
            if self._dropped:
                dropped, self._dropped = self._dropped, 0
                self._write(orjson.dumps({"dropped": dropped}) + b"\n")

    def _start(self) -> None:
        with self._lock:
            if self._writer is None:
                # it must outlive the threads that answer, whatever started it
                self._writer = threading.Thread(target=self._run, name="access log", daemon=False)
                self._writer.start()

    def _run(self) -> None:
        main = threading.main_thread()
        while main.is_alive():
            main.join(_EVERY_S)
            self.flush()
        self._ended = True  # threads that still answer write for themselves
        self.flush()

    def _to_server(self, lines: bytes) -> None:
        self._outlet.put(lines, self._waits)

    def _waits(self) -> bool:
        """Return whether who does not read is waited for: by this thread, and not for ever."""
        if threading.main_thread().is_alive():
            return True
        if self._until_s is None:
            self._until_s = time.monotonic() + _END_S
        return time.monotonic() < self._until_s

    def _client(self, environ: Mapping[str, Any]) -> str:
        address = environ.get("REMOTE_ADDR", "")
        if address in self._trusted:
            address = environ.get("HTTP_X_FORWARDED_FOR", address).rpartition(",")[2].strip()
        return _network(address[:64])


def _bytes(line: _Line) -> bytes:
    at = datetime.datetime.fromtimestamp(line.at_s, datetime.UTC)
    return (
        orjson.dumps(
            {
                "time": moment(at),
                "id": line.name,
                "client": line.client,
                "method": line.method,
                "path": line.path.encode("latin-1", "replace").decode(errors="replace"),
                "status": line.status,
                "bytes": line.length,
                "ms": round(line.taken_s * 1000, 3),
                "door": line.door,
            }
        )
        + b"\n"
    )


@lru_cache(1_024)
def _network(address: str) -> str:
    """Return the network of *address*: /24 of IPv4, /48 of IPv6; empty for what is none."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    network = ipaddress.ip_network((found, 24 if found.version == 4 else 48), strict=False)
    return str(network.network_address)
