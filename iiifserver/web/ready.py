"""Whether requests can be answered: the edition, the places of its files, the render processes."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from itertools import islice
from pathlib import Path

from iiifserver.config import Config
from iiifserver.edition import Edition, index_key, object_key
from iiifserver.errors import IiifServerError
from iiifserver.image.job import Renderer

_PATIENCE_S = 4.0


class Readiness:
    """Looks when it is asked, in a thread of its own: a disk that hangs takes no more than that."""

    def __init__(
        self,
        config: Config,
        renderer: Renderer,
        edition: Callable[[], Edition] | None,
        patience_s: float = _PATIENCE_S,
    ) -> None:
        self._config = config
        self._renderer = renderer
        self._edition = edition
        self._patience_s = patience_s
        self._lock = threading.Lock()
        self._looker = ThreadPoolExecutor(1, "ready")
        self._look: Future[list[str]] | None = None
        self._since_s = 0.0

    def missing(self) -> list[str]:
        """Return what is missing, in words; nothing where all is well."""
        with self._lock:
            if self._look is None:
                self._look = self._looker.submit(lambda: list(self._missing()))
                self._since_s = time.monotonic()
            look = self._look
        try:
            found = look.result(self._patience_s)
        except StillWaiting:
            waited_s = time.monotonic() - self._since_s
            return [f"a look at the server's files has not come back for {waited_s:.0f} s"]
        with self._lock:
            if self._look is look:
                self._look = None
        return found

    def _missing(self) -> Iterator[str]:
        if self._edition is None:
            yield from _unreadable("the folder", Path(self._config.folder))
        else:
            yield from self._published(self._edition())
        try:
            self._renderer.state()
        except IiifServerError as error:
            yield f"render processes: {error}"

    def _published(self, edition: Edition) -> Iterator[str]:
        store = edition.near.store()
        wanted = {"the editions": index_key(edition.number)}
        for unit in islice(edition.units.values(), 1):
            wanted[f"the documents of edition {edition.number}"] = object_key(unit["object"])
        for what, key in wanted.items():
            try:
                store.read(key, 0, 1)
            except IiifServerError as error:
                yield f"{what}: {error}"
        for identifier in islice(edition.images.files, 1):
            try:
                edition.images.find(identifier)
            except IiifServerError as error:
                yield f"the scans of edition {edition.number}: {error}"


def _unreadable(what: str, path: Path) -> Iterator[str]:
    """Say so if *path* cannot be read."""
    try:
        readable = os.access(path, os.R_OK)
        path.stat()
    except OSError as error:
        yield f"{what}: {error.strerror}"
    else:
        if not readable:
            yield f"{what}: may not be read"
