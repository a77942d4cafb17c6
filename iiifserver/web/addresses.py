"""Under which address a reader reached the server: `base_url`, or what a request may say of it.

With `base_url` set, nothing that a client sends changes an address. Without it, in folder mode,
`Host` counts if it is an allowed host, and `X-Forwarded-*` if they come from a trusted proxy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlsplit

from iiifserver.config import Config
from iiifserver.urls import Urls, is_address

_PREFIX = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]{1,64}){0,8}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")

_IN_QUERY = "".join(map(chr, range(0x21, 0x7F)))
_PLAIN_QUERY = re.compile(r"[!-~]*")

_KEPT = 256

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Addresses:
    """The addresses as the reader of each request must see them, in folder mode."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._fixed = Urls(config.base_url) if config.base_url else None
        self._seen = lru_cache(_KEPT)(self._urls)

    def __call__(self, environ: Mapping[str, Any]) -> Urls:
        """Return the addresses for the request that *environ* describes."""
        if self._fixed:
            return self._fixed
        said = ("", "", "")
        if environ.get("REMOTE_ADDR") in self._config.trusted_proxies:
            said = (
                _first(environ.get("HTTP_X_FORWARDED_PROTO")),
                _first(environ.get("HTTP_X_FORWARDED_HOST")),
                _first(environ.get("HTTP_X_FORWARDED_PREFIX")).rstrip("/"),
            )
        scheme, host, prefix = said
        return self._seen(
            scheme or environ["wsgi.url_scheme"],
            host or environ.get("HTTP_HOST", ""),
            prefix or environ.get("SCRIPT_NAME", ""),
            environ.get("SERVER_NAME", "127.0.0.1"),
            environ.get("SERVER_PORT", "80"),
        )

    def _urls(self, scheme: str, host: str, prefix: str, name: str, port: str) -> Urls:
        match = _HOST.fullmatch(host)
        if not match or match[1].strip("[]").lower() not in self._config.allowed_hosts:
            name = name.partition("%")[0]  # which network card it is reached by is only ours to say
            host = f"[{name}]:{port}" if ":" in name else f"{name}:{port}"
        scheme = scheme if scheme in ("http", "https") else "http"
        return Urls(f"{scheme}://{host}{prefix if _PREFIX.fullmatch(prefix) else ''}")


def _first(header: str | None) -> str:
    return (header or "").split(",")[0].strip()


def without_prefix(app: WSGI, config: Config) -> WSGI:
    """Return *app* reachable below the path of `base_url` too.

    Some proxies strip their prefix before they pass a request on and some do not: both work.
    """
    prefix = urlsplit(config.base_url).path
    if not prefix:
        return app

    def below(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = stripped(environ.get("PATH_INFO", ""), prefix)
        return app(environ, start_response)

    return below


def with_plain_query(app: WSGI) -> WSGI:
    """Return *app* with queries of visible ASCII, other bytes being percent-encoded.

    RFC 3986 has no others. Some clients send them all the same; Werkzeug cannot read those that
    are not UTF-8, and an address that we lead to may not hold the end of a line.
    """

    def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        query = environ.get("QUERY_STRING", "")
        if not _PLAIN_QUERY.fullmatch(query):
            environ["QUERY_STRING"] = quote(query.encode("latin-1"), safe=_IN_QUERY)
        return app(environ, start_response)

    return plain


def stripped(path: str, prefix: str) -> str:
    """Return *path* without *prefix*, where it stands before an address of ours."""
    bare = path[len(prefix) :]
    return bare if path.startswith(f"{prefix}/") and is_address(bare) else path
