"""What the server says of itself: lines of JSON, each with the name of the request it is about.

    {"time": "2026-11-22T17:48:03.127Z", "level": "WARNING", "message": "...",
     "id": "9f3a01c2-000002a"}

`trace` is added where an error was not expected. The name travels with the request: from the web
worker's thread to the broker and to the render process, which all call it the same.
"""

from __future__ import annotations

import datetime
import json
import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The name of the request that this thread answers, or that a job is done for."""


class Line(logging.Formatter):
    """Formats a record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        name = getattr(record, "id", "") or request_id.get()
        said = {
            "time": moment(at),
            "level": record.levelname,
            "message": record.getMessage(),
            **({"id": name} if name else {}),
            **({"trace": self.formatException(record.exc_info)} if record.exc_info else {}),
        }
        return json.dumps(said, ensure_ascii=False)


def moment(at: datetime.datetime) -> str:
    """Return a time as all lines of the log tell it: UTC, to the millisecond."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def log_to_server() -> None:
    """Write what is of interest to the operator where the server writes: what is ours, no more."""
    lines = logging.StreamHandler()
    lines.setFormatter(Line())
    logging.basicConfig(handlers=[lines])
    logging.getLogger("iiifserver").setLevel(logging.INFO)
