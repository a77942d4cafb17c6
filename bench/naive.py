"""What one would write first: a WSGI application that opens the scan for each request.

SCANS=folder granian --interface wsgi naive:application
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pyvips

SCANS = Path(os.environ.get("SCANS", "."))


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer /iiif/3/{identifier}/{x,y,w,h}/{w,h}/0/default.jpg, and nothing else."""
    parts = environ["PATH_INFO"].split("/")
    if len(parts) != 8:
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b""]
    _, _, _, identifier, region, size, _, _ = parts
    image = pyvips.Image.new_from_file(str(SCANS / f"{identifier}.jpg"))
    image = image.crop(*map(int, region.split(",")))
    width, height = map(int, size.split(","))
    image = image.thumbnail_image(width, height=height, size="force")
    body = image.jpegsave_buffer(Q=85)
    start_response("200 OK", [("Content-Type", "image/jpeg"), ("Content-Length", str(len(body)))])
    return [body]
