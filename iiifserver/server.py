"""Running the server: the broker of render processes, then the web workers, until told to stop."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import TypeVar

from . import config as configuration
from . import metrics, watchdog
from .config import Config
from .crew import Crew
from .errors import ConfigurationError, IiifServerError
from .image import broker
from .logs import Outlet, log_to_server
from .machine import Machine

T = TypeVar("T")

THREADS = "IIIF_THREADS"
"""Environment variable: the threads of a web worker, for all that does not stand ready."""

CONNECTIONS = "IIIF_CONNECTIONS"
"""Environment variable: the connections that a web worker may hold."""

_THREADS = 16  # beyond those that may wait for pictures
_MOST_CONNECTIONS = 8_192  # of a worker; one that is idle takes about 20 kB
_OTHER_FILES = 2_048  # pictures that stand ready, scans, sockets of its own
_BACKLOG = 1_024
_WAITING_BYTES = 128 << 10  # that the system takes of an answer beyond what is on its way
_FINISH_S = 30  # for requests in flight
_SEND_S = 5  # of these, to send the last answers
_LOOK_EVERY_S = 1.0


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

    return _apart_from_here(publish, exhibition, images, config)


def linked_apart(config: Config, listening: str) -> tuple[Config, str | None]:
    """Return what `linked` does, from a process of its own.

    A store's client does not survive a fork: this process forks the workers and must not have one.
    """
    from .publish.publication import linked

    return _apart_from_here(linked, config, listening)


def _apart_from_here(work: Callable[..., T], *arguments: object) -> T:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def run(
    config: Config,
    host: str,
    port: int,
    workers: int | None = None,
    reread: Callable[[], Config] | None = None,
) -> None:
    """Serve until interrupted; prints the address when the server answers.

    SIGHUP replaces the web workers one after the other, under the settings that *reread* returns.
    """
    log_to_server()
    count = workers or Machine.here().workers
    sockets = listening(host, settle(host, port), count)
    port = sockets[0].getsockname()[1]
    bounds = broker.Bounds.of(config)
    with (
        metrics.shared(),
        broker.running(bounds) as environment,
        watchdog.watching(config.worker_silence_s) as unwatch,
    ):
        os.environ.update(configuration.environment(config) | environment)
        os.environ[THREADS] = str(_THREADS + bounds.places)
        # an idle connection counts: none may keep readers out
        os.environ[CONNECTIONS] = str(_most_connections())

        def leave() -> None:
            unwatch()  # who finishes, does not hang
            _drain(environment)

        _load()
        Crew(worker, sockets, _FINISH_S).run(
            ready=lambda: print(f"iiifserver: {address(host, port)}/", flush=True),
            reload=lambda: _reload(config, reread),
            leave=leave,
        )


def listening(host: str, port: int, count: int) -> list[socket.socket]:
    """Return so many sockets that listen on *port*, or one for all, where the system has it so.

    Linux gives each connection to one of several sockets. Workers that share one would be served by
    whichever is awake, and leave the others idle; elsewhere there is nothing better.

    Raises:
        OSError: as `settle` would have found.
    """
    family, _, _, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    several = sys.platform == "linux"
    sockets: list[socket.socket] = []
    for _ in range(count if several else 1):
        each = socket.socket(family, socket.SOCK_STREAM)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if several:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            # who is accepted has it too; else it would keep up to 4 MB for who reads nothing
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _WAITING_BYTES)
        each.bind(where)
        each.listen(_BACKLOG)
        sockets.append(each)
    return sockets if several else sockets * count


def _load() -> None:
    """Load what web workers need, once for all that are forked of this process."""
    for module in ("web", "web.lanes", "web.wire"):
        importlib.import_module(f"iiifserver.{module}")
    gc.collect()
    gc.freeze()  # what is not looked through stays in the memory that they have in common


def worker(listening: socket.socket, ready: Callable[[], None]) -> None:
    """Serve on a socket until told to end, in a web worker that we started."""
    from .web import application
    from .web.lanes import Lanes
    from .web.wire import Wire, new_loop

    # asked here, it might be gone already, and another be taken for it
    started_by = parent_process()
    parent = started_by.pid if started_by else os.getppid()
    folder = os.environ.get(watchdog.FOLDER)
    pulse = watchdog.Pulse(Path(folder)) if folder else None
    try:
        door = application()
    except IiifServerError as error:
        Outlet().write(f"iiifserver: a worker cannot start: {error}\n")
        sys.exit(2)
    loop, threads = new_loop(), int(os.environ[THREADS])
    lanes = Lanes(door, threads, broker.caller(os.environ, loop, threads))
    if pulse:
        pulse.progress = lambda: watchdog.Progress(lanes.begun, lanes.done)
    wire = Wire(lanes, loop, int(os.environ[CONNECTIONS]))
    # in the loop that runs: one that does not run yet would keep the signal to itself, for ever
    loop.call_soon(loop.add_signal_handler, signal.SIGTERM, wire.leave)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    gc.collect()
    gc.freeze()  # what is there now stays: it need not be looked through again
    wire.run(listening, ready, _FINISH_S)


def _most_connections() -> int:
    """Return how many connections a worker may hold, after asking for as many files as allowed."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = _MOST_CONNECTIONS * 2 if most == resource.RLIM_INFINITY else most
    files = min(files, _MOST_CONNECTIONS + _OTHER_FILES)
    with contextlib.suppress(ValueError, OSError):  # macOS allows less than it says
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft - _OTHER_FILES, soft // 2)


def address(host: str, port: int) -> str:
    """Return the address at which a browser on this machine reaches *host* and *port*."""
    # what stands for all addresses of a machine is the address of none
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def _end_with(parent: int) -> None:
    """End this process, in good order, when *parent* is gone, however that ended."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _reload(config: Config, reread: Callable[[], Config] | None) -> None:
    """Give workers that are started from now on the settings as they are now."""
    if reread is None:
        return
    try:
        new = reread()
    except IiifServerError as error:
        Outlet().write(f"iiifserver: settings stay as they were: {error}\n")
        return
    # where things lie is what the whole server has in common
    base_url = new.base_url or config.base_url
    new = replace(
        new, data=config.data, store=config.store, folder=config.folder, base_url=base_url
    )
    os.environ.update(configuration.environment(new))


def _drain(environment: dict[str, str]) -> None:
    """Tell the broker that workers finish now: it answers in time for that, and begins less."""
    client = broker.remote(environment)
    if client:
        client.drain(_FINISH_S - _SEND_S)
        client.close()
