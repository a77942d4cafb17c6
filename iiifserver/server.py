"""Running the server: the broker of render processes, then the web workers, until told to stop."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from . import config as configuration
from .config import Config
from .errors import ConfigurationError
from .image import broker

_THREADS = 16
_MOST_WORKERS = 4
_READY_S = 30.0
_KILL_AFTER_S = 5


def user_folder(name: str) -> Path:
    """Return the folder *name* in the user's cache folder."""
    if sys.platform == "darwin":
        home = Path.home() / "Library" / "Caches"
    else:
        home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "iiifserver" / name


def settle(host: str, port: int) -> int:
    """Return *port*, or a free one for 0, after trying that it can be listened on.

    Raises:
        ConfigurationError: it is taken, or *host* is no address of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            return int(trial.getsockname()[1])
    except OSError as error:
        why = error.strerror or error
        raise ConfigurationError(f"cannot listen on {host}:{port}: {why}") from error


def publish_apart(exhibition: Path, images: Path, config: Config) -> str:
    """Publish in a process of its own and return what it says: this one stays small."""
    from .publish.publication import publish

    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(publish, exhibition, images, config).result()


def run(config: Config, host: str, port: int, workers: int | None = None) -> None:
    """Serve until interrupted; prints the address when the server answers."""
    from granian import Granian
    from granian.constants import Interfaces
    from granian.log import LogLevels

    port = settle(host, port)
    workers = workers or min(_cores(), _MOST_WORKERS)
    with broker.running(broker.Bounds.of(config)) as environment:
        os.environ.update(configuration.environment(config) | environment)
        server = Granian(
            "iiifserver.server:worker",
            address=host,
            port=port,
            interface=Interfaces.WSGI,
            factory=True,
            workers=workers,
            # more threads than renders may wait: one is always free for what needs none
            blocking_threads=_THREADS + (config.render_processes + config.render_queue) // workers,
            log_level=LogLevels.error,
            respawn_failed_workers=True,
            workers_kill_timeout=_KILL_AFTER_S,
        )
        threading.Thread(target=_announce, args=(host, port), daemon=True).start()
        server.serve()


def worker() -> Callable[..., Any]:
    """Return the application, in a web worker that we started.

    A terminal's ^C goes to a whole process group. It is for the parent, which then tells its
    workers: told twice, they would never end.
    """
    os.setpgrp()
    from .web import application

    return application()


def address(host: str, port: int) -> str:
    """Return the address at which a browser on this machine reaches *host* and *port*."""
    # what stands for all addresses of a machine is the address of none
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _announce(host: str, port: int) -> None:
    here = address(host, port)
    until = time.monotonic() + _READY_S
    while time.monotonic() < until:
        with contextlib.suppress(urllib.error.URLError, OSError):
            urllib.request.urlopen(f"{here}/health", timeout=2).close()  # noqa: S310 - our own
            print(f"iiifserver: {here}/", flush=True)
            return
        time.sleep(0.05)


def _cores() -> int:
    """Return the cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
