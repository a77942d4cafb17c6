"""Under which address a reader reached the server: `base_url`, or what a request may say of it.

With `base_url` set, nothing that a client sends changes an address. Without it, in folder mode,
`Host` counts if it is an allowed host, and `X-Forwarded-*` if they come from a trusted proxy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from flask import Request

from iiifserver.config import Config
from iiifserver.urls import Urls, is_address

_PREFIX = re.compile(r"(?:/(?!\.\.?(?:/|$))[A-Za-z0-9._~-]{1,64}){0,8}")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(:[0-9]{1,5})?")

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def urls_for(request: Request, config: Config) -> Urls:
    """Return the addresses as this reader must see them."""
    if config.base_url:
        return Urls(config.base_url)
    headers, environ = request.headers, request.environ
    scheme, host = request.scheme, headers.get("Host", "")
    prefix = environ.get("SCRIPT_NAME", "")
    if request.remote_addr in config.trusted_proxies:
        scheme = _first(headers.get("X-Forwarded-Proto")) or scheme
        host = _first(headers.get("X-Forwarded-Host")) or host
        prefix = _first(headers.get("X-Forwarded-Prefix")).rstrip("/") or prefix
    match = _HOST.fullmatch(host)
    if not match or match[1].strip("[]").lower() not in config.allowed_hosts:
        host = f"{environ.get('SERVER_NAME', '127.0.0.1')}:{environ.get('SERVER_PORT', '80')}"
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

    def stripped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path: str = environ.get("PATH_INFO", "")
        if path.startswith(f"{prefix}/") and is_address(path[len(prefix) :]):
            environ["PATH_INFO"] = path[len(prefix) :]
        return app(environ, start_response)

    return stripped
