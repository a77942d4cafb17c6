"""Errors as RFC 9457 problem documents; the only place that makes a response from one.

https://www.rfc-editor.org/rfc/rfc9457
"""

from __future__ import annotations

import logging
from http import HTTPStatus

import orjson
from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from iiifserver.errors import Busy, RequestError
from iiifserver.logs import request_id

MEDIA_TYPE = "application/problem+json"
_log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Make every error of *app* a problem document."""
    app.register_error_handler(RequestError, _request_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def problem(
    status: int, detail: str, *, parameter: str | None = None, spec: str | None = None
) -> Response:
    """Return the problem document of one error.

    `parameter`, `specification` and `request` are extension members: the culprit, the section that
    refuses it, and what the log calls the request.
    """
    name = request_id.get()
    document = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **({"parameter": parameter} if parameter else {}),
        **({"specification": spec} if spec else {}),
        **({"request": name} if name else {}),
    }
    response = Response(orjson.dumps(document), status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    return response


def answer_to(error: Exception) -> Response:
    """Return the problem document of *error*, whatever it is."""
    return _request_error(error) if isinstance(error, RequestError) else _unexpected(error)


def _request_error(error: RequestError) -> Response:
    if error.status >= 500:
        _log.warning("%s: %s", error.title, error)
    response = problem(error.status, str(error), parameter=error.parameter, spec=error.spec)
    if isinstance(error, Busy):
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _http_error(error: HTTPException) -> Response:
    response = problem(error.code or 500, error.description or "")
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            response.headers[name] = value
    return response


def _unexpected(error: Exception) -> Response:
    _log.exception("unexpected error", exc_info=error)
    return problem(500, "an unexpected error, which the server's log explains")
