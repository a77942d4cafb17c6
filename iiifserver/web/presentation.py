"""The Presentation API over HTTP: documents are looked up, never built here.

Presentation API 3.0: https://iiif.io/api/presentation/3.0/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from iiifserver.errors import NotFound

JSON_LD_3 = 'application/ld+json;profile="http://iiif.io/api/presentation/3/context.json"'
_MAX_AGE_S = 60


class Found(NamedTuple):
    """A document: its bytes, and the digest that tells it from another."""

    body: bytes
    media_type: str
    digest: str


def blueprint(document: Callable[[str], Found | None]) -> Blueprint:
    """Return the views of what *document* finds by its path below base_url."""
    views = Blueprint("presentation", __name__)

    @views.get("/presentation/<path:path>")
    def presentation(path: str) -> BaseResponse:
        """Serve the document at *path*; lead to 3.0 from an address without a version."""
        found = document(f"presentation/{path}")
        if found is None and document(f"presentation/3/{path}"):
            return redirect(f"{request.script_root}/presentation/3/{path}", 303)
        if found is None:
            raise NotFound(f"no document is called {path[:200]!r}", parameter="path")
        response = Response(found.body, content_type=found.media_type)
        response.set_etag(found.digest)
        response.headers["Cache-Control"] = f"public, max-age={_MAX_AGE_S}"
        return response.make_conditional(request)

    return views
