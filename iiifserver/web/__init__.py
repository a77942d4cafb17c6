"""The server as a WSGI application: `create_app` builds it, `application` is what workers call."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request

from iiifserver import config as configuration
from iiifserver import metrics
from iiifserver.config import Config
from iiifserver.edition import Current, Edition
from iiifserver.image import broker
from iiifserver.image.job import Renderer
from iiifserver.image.service import Images
from iiifserver.logs import log_to_server
from iiifserver.metrics import Counters
from iiifserver.near import Near, Pieces
from iiifserver.pdf import Pdfs
from iiifserver.routing import with_prefixes
from iiifserver.sources import Folder
from iiifserver.urls import INFO, Urls

from . import image, operating, pages, presentation, problems
from .addresses import Addresses, with_plain_query, without_prefix
from .answers import OPEN, Answers
from .folder import Shelf
from .log import AccessLog
from .published import Published
from .tiles import Door
from .watch import KIND, Watch

_LONGEST_PREFLIGHT_S = 86_400
_KEPT = 16


def create_app(
    config: Config,
    renderer: Renderer,
    log: AccessLog | None = None,
    counters: Counters | None = None,
    *,
    tile_door: bool = True,
    lossless: str = "",
) -> Flask:
    """Return the application for the folder that *config* names, else for what is published.

    Its `wsgi_app` is the door for tiles; without *tile_door* it answers the same, more slowly.
    *lossless* is what `image.lossless.found` calls the library that turns tiles.

    Raises:
        ConfigurationError: the folder is none, or nothing is published.
    """
    counters = counters or Counters()
    memory = Pieces(config.store_memory_mib << 20)
    edition: Callable[[], Edition] | None = None
    urls_of: Callable[[Mapping[str, Any]], Urls]
    holdings: Shelf | Published

    def urls() -> Urls:
        return urls_of(request.environ)

    if config.folder:
        folder = Folder(Path(config.folder))
        sources = with_prefixes(folder, config, memory)
        images = Images(sources, config, renderer, counters, lossless)
        urls_of = Addresses(config)
        holdings = Shelf(folder, images, renderer, urls)
    else:
        current = Current(config.home, near=Near(config.home, memory))

        below = lru_cache(_KEPT)(Urls)

        def urls_of(_: Mapping[str, Any]) -> Urls:
            # of the documents, which may be moved while the server runs
            return below(current.get().base_url)

        holdings = Published(current, urls)
        images = Images(
            with_prefixes(holdings, config, memory), config, renderer, counters, lossless
        )
        edition = current.get

    app = Flask(__name__, static_folder=None)
    # an identifier may hold what others would tidy up
    app.url_map.merge_slashes = False
    app.url_map.strict_slashes = False
    problems.register(app)
    answers = Answers(images, config.max_age_s, counters)
    app.register_blueprint(image.blueprint(images, answers, urls))
    app.register_blueprint(
        presentation.blueprint(holdings, Pdfs(images, config.data / "pdf"), urls)
    )
    app.register_blueprint(pages.blueprint(holdings.site()))
    app.register_blueprint(operating.blueprint(config, renderer, counters, edition))
    app.after_request(_open_to_all)
    served = with_plain_query(without_prefix(app.wsgi_app, config))
    if tile_door:
        served = Door(served, answers, urls_of, config.base_url, log, counters)
    else:
        served = Watch(served, log, counters)
    app.wsgi_app = served  # type: ignore[method-assign]
    return app


def application() -> Door:
    """Return the application that the environment describes, for our workers and for gunicorn.

    Render processes are those of the server that started this worker; without one, this process
    starts its own.
    """
    log_to_server()
    config = configuration.load(environment=os.environ)
    renderer, lossless = broker.remote(os.environ), os.environ.get(broker.LOSSLESS, "")
    if renderer is None:
        running = ExitStack()
        environment = running.enter_context(broker.running(broker.Bounds.of(config)))
        atexit.register(running.close)
        renderer, lossless = broker.remote(environment), environment[broker.LOSSLESS]
        assert renderer is not None  # noqa: S101 - it was just started
    log = AccessLog(config.trusted_proxies) if config.access_log else None
    folder = os.environ.get(metrics.FOLDER)
    counters = Counters(Path(folder) if folder else None)
    door: Any = create_app(config, renderer, log, counters, lossless=lossless).wsgi_app
    assert isinstance(door, Door)  # noqa: S101 - that is what create_app makes
    return door


def _open_to_all(response: Response) -> Response:
    """Let every origin read what is no page, errors and unchanged answers too; say what it was."""
    picture = not request.path.endswith(f"/{INFO}")
    kinds = {"image": "picture" if picture else "info", "presentation": "document", "pages": "page"}
    request.environ[KIND] = kinds.get(request.blueprint or "", "other")
    if request.blueprint == "pages" and response.mimetype != problems.MEDIA_TYPE:
        return response
    headers = response.headers
    headers.update(OPEN)
    if request.method == "OPTIONS":
        headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        headers["Access-Control-Allow-Headers"] = "*"
        headers["Access-Control-Max-Age"] = str(_LONGEST_PREFLIGHT_S)
    if response.status_code == 304:
        headers.pop("Content-Type", None)
    return response
