"""A client that asks everything of the Image API through both doors, and wants equal answers."""

from __future__ import annotations

from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse


class BothDoors(FlaskClient):
    """Asks Flask, asks the door for tiles, and asks that again now that the image is known."""

    behind: FlaskClient
    """A client of the same server without the door for tiles."""

    def open(self, *args: Any, **keywords: Any) -> TestResponse:
        path = args[0] if args and isinstance(args[0], str) else ""
        if not path.startswith("/iiif/") or keywords.get("method", "GET") not in ("GET", "HEAD"):
            return super().open(*args, **keywords)
        # made by the first that is asked, kept for the others
        answers = [self.behind.open(*args, **keywords)]
        answers += [super(BothDoors, self).open(*args, **keywords) for _ in range(2)]
        assert said_by(answers[0]) == said_by(answers[1]) == said_by(answers[2])
        return answers[2]


def said_by(response: TestResponse) -> tuple[int, list[tuple[str, str]], bytes]:
    """Return all that a client sees of an answer, without what a decoder said of a broken file.

    Nor what the request is called: each has a name of its own.
    """
    headers, body = response.headers.copy(), response.data
    headers.pop("X-Request-ID", None)
    if response.mimetype == "application/problem+json" and body:
        said = response.get_json()
        body = str(sorted((key, said[key]) for key in said if key != "request")).encode()
        del headers["Content-Length"]
    if response.status_code == 500:
        headers.pop("Content-Length", None)
        body = b""
    return response.status_code, sorted(headers.items()), body
