"""What operators ask: whether the server lives, whether it can answer, and what it has done."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, request

from iiifserver import metrics
from iiifserver.config import Config, networks
from iiifserver.edition import Edition
from iiifserver.errors import RequestError
from iiifserver.image.job import Renderer, State
from iiifserver.metrics import Counters

from . import problems
from .exposition import CONTENT_TYPE, exposition
from .ready import Readiness

_FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP")
_RETRY_AFTER_S = 2


def blueprint(
    config: Config,
    renderer: Renderer,
    counters: Counters,
    edition: Callable[[], Edition] | None,
) -> Blueprint:
    """Return the views; *edition* tells what is published, None where a folder is served."""
    views = Blueprint("operating", __name__)
    readiness = Readiness(config, renderer, edition)
    allowed = networks(config.metrics_from)

    @views.get("/health")
    def health() -> Response:
        """Answer while this process lives."""
        return _text("alive\n")

    @views.get("/ready")
    def ready() -> Response:
        """Answer 200 if requests can be answered now, else 503 and what is missing."""
        missing = readiness.missing()
        if not missing:
            return _text("ready\n")
        response = problems.problem(503, "; ".join(missing))
        response.headers["Retry-After"] = str(_RETRY_AFTER_S)
        return response

    @views.get("/metrics")
    def numbers() -> Response:
        """Tell what all processes of this server have done, in Prometheus's text format."""
        client = client_of(request.environ, config.trusted_proxies)
        if not any(client is not None and client in network for network in allowed):
            return problems.problem(403, "the setting metrics_from does not name your network")
        folder = Path(os.environ.get(metrics.FOLDER, ""))
        shared = folder.name != ""
        return _text(
            exposition(
                metrics.total(folder) if shared else counters.total(),
                _state(renderer),
                edition().number if edition else None,
                metrics.started_at(folder) if shared else None,
            ),
            CONTENT_TYPE,
        )

    return views


def client_of(environ: Mapping[str, Any], trusted: tuple[str, ...]) -> Any:
    """Return the address of who asks, None where that cannot be known.

    What came through a proxy that is not trusted may come from anywhere.
    """
    peer = environ.get("REMOTE_ADDR", "")
    if any(name in environ for name in _FORWARDED):
        if peer not in trusted:
            return None
        peer = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
    try:
        found = ip_address(peer.partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _state(renderer: Renderer) -> State | None:
    """Return what render processes do, None where their broker does not say so now."""
    try:
        return renderer.state()
    except RequestError:
        return None


def _text(text: str, content_type: str = "text/plain; charset=utf-8") -> Response:
    response = Response(text, content_type=content_type)
    response.headers["Cache-Control"] = "no-store"
    return response
