"""The jobs of a publication on a Dask cluster, through the executor of its client.

Whatever shape its workers have, each job has a process of its own beside the worker that took it,
bounded in memory and time as those of the pool are: no scan takes a worker down, and the one that
ends its process is known. A worker that is lost all the same (its machine is) loses nothing: the
scheduler gives its jobs to others.
"""

from __future__ import annotations

import contextlib
import pickle
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from iiifserver import __version__
from iiifserver.config import Config
from iiifserver.errors import ConfigurationError, IiifServerError, RequestError
from iiifserver.image.broker import Bounds
from iiifserver.image.broker.pool import Pool
from iiifserver.image.job import bytes_of

from .jobs import LONGEST_S, Job, Movable, ProcessDied, Workers, within_memory

try:
    import distributed
except ImportError as error:
    raise ConfigurationError(
        "an executor of dask:// needs Dask: pip install 'iiifserver[dask]'"
    ) from error

_CONNECT_S = 10.0
_LONELY_S = 60.0  # without any worker; one that was lost is often replaced
_LOOK_EVERY_S = 2.0
_SEEN = ".seen-by-workers-"
_ROOM = "iiifserver"


@contextlib.contextmanager
def cluster(
    config: Config,
    shared: Path | None,
    *,
    written: bool = True,
    patience_s: float = _CONNECT_S,
    lonely_s: float = _LONELY_S,
) -> Iterator[Workers]:
    """Have the workers of the cluster that `config.executor` names.

    Raises:
        ConfigurationError: it cannot be reached within *patience_s*, has no workers for *lonely_s*,
            or these lack this program or do not see the folder *shared*, if there is one: where
            it is *written*, the very same one.
    """
    asked = urlsplit(config.executor)
    scheme = "tls" if asked.scheme == "dask+tls" else "tcp"
    address = f"{scheme}://{asked.netloc}"
    try:
        client = distributed.Client(address, timeout=patience_s, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        why = f"executor = {config.executor!r}: no scheduler of Dask answers there"
        raise ConfigurationError(f"{why} ({error})") from error
    plugin = Beside(config.render_memory_mib << 20)
    with client, _token(shared) if shared and written else nullcontext(shared) as seen:
        there = _There(client, config.executor, lonely_s)
        count = there.wait()
        try:
            client.register_plugin(plugin)
            yield Workers(
                count,
                make=lambda _: _Cluster(client, config.executor),
                prepare=lambda job: Carried(job, plugin.name, shared, seen),
                lost=(distributed.KilledWorker,),
                there=there,
            )
        except CancelledError as error:
            raise _gone(config.executor) from error
        except (ImportError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "deserialization" not in str(error):
                raise
            why = f"the scheduler or the workers of {config.executor} have another program"
            raise ConfigurationError(f"{why}: install iiifserver {__version__} there") from error
        finally:
            if client.status == "running":  # else it is gone, with all its workers
                client.unregister_worker_plugin(plugin.name)


@contextlib.contextmanager
def _token(shared: Path) -> Iterator[Path]:
    """Have a file in *shared* by which workers know that they see the same folder."""
    shared.mkdir(parents=True, exist_ok=True)
    token = shared / f"{_SEEN}{secrets.token_hex(8)}"
    token.touch()
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)


class _There:
    """How many jobs the workers can do at a time, asked now and then."""

    def __init__(self, client: distributed.Client, executor: str, lonely_s: float) -> None:
        self._client = client
        self._executor = executor
        self._lonely_s = lonely_s
        self._count = 0
        self._ask_at = self._last = time.monotonic()

    def wait(self) -> int:
        """Return how many, as soon as there is one."""
        while not self():
            time.sleep(0.1)
        return self._count

    def __call__(self) -> int:
        """Return how many there are.

        Raises:
            ConfigurationError: for a while there was none.
        """
        now = time.monotonic()
        if now < self._ask_at and self._count:
            return self._count
        try:
            self._count = sum(self._client.nthreads().values())
        except (OSError, TypeError, RuntimeError, CancelledError) as error:
            raise _gone(self._executor) from error
        self._ask_at = now + _LOOK_EVERY_S
        if self._count:
            self._last = now
        elif now - self._last > self._lonely_s:
            why = f"{self._executor} has had no worker for {self._lonely_s:g} s"
            raise ConfigurationError(f"{why}: what is made stays; start some, and begin again")
        return self._count


def _gone(executor: str) -> ConfigurationError:
    return ConfigurationError(f"{executor} is gone: what is made stays; begin again")


class _Cluster(Executor):
    """The client's executor, with what `concurrent.futures` has learned since."""

    def __init__(self, client: distributed.Client, name: str) -> None:
        self._executor = client.get_executor(pure=False)
        self._name = name

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Hand over a call."""
        try:
            given: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        except (OSError, RuntimeError) as error:
            raise _gone(self._name) from error
        return given

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Forget what has not ended; what is in work on a worker is finished there."""
        self._executor.shutdown(wait=wait and not cancel_futures)


# -- on a worker


class Beside(distributed.WorkerPlugin):
    """The processes beside a worker, one for each of its threads, from the first job on."""

    def __init__(self, memory_bytes: int) -> None:
        self.name = f"iiifserver {__version__}, {memory_bytes} bytes"
        self._memory_bytes = memory_bytes
        self._threads = 1
        self._pool: Pool | None = None
        self._lock: threading.Lock | None = None  # made there: a lock does not travel

    def setup(self, worker: distributed.Worker) -> None:
        """Begin with a worker; it may never have a job of ours."""
        self._threads = worker.state.nthreads
        self._lock = threading.Lock()

    def teardown(self, worker: distributed.Worker) -> None:
        """End the processes."""
        if self._pool:
            self._pool.close()

    def do(self, job: Job[Any]) -> Any:
        """Return what *job* returns, or the error that it ends with if it is one of ours.

        Raises:
            ProcessDied: its process died, or had to be ended.
        """
        assert self._lock  # noqa: S101 - `setup` was before
        with self._lock:
            if self._pool is None:
                bounds = Bounds(self._threads, self._threads, LONGEST_S, self._memory_bytes)
                self._pool = Pool(bounds)
        try:
            done = bytes_of(self._pool.render(_Apart(job)))
        except RequestError as error:
            raise ProcessDied(str(error)) from None
        result, raised = pickle.loads(done)  # noqa: S301 - our own
        if raised and not isinstance(raised, IiifServerError):
            raise raised
        return raised or result


@dataclass(frozen=True, slots=True)
class Carried:
    """A job on its way to a worker, whose plugin *beside* does it if it sees the folder *shared*.

    It does if *seen* is there, the folder or a file in it, or if there is none to be seen. What
    needs room for a while has it in the folder that Dask gives the worker: `--local-directory`.
    """

    job: Job[Any]
    beside: str
    shared: Path | None
    seen: Path | None

    def __call__(self) -> Any:
        """Return the job's result, or the error that it ends with if it is one of ours."""
        worker = distributed.get_worker()
        if self.seen and not self.seen.exists():
            why = f"the worker {worker.name} at {worker.address} does not see {self.shared}"
            raise ConfigurationError(f"{why}: share that folder with all workers, under its path")
        beside = worker.plugins[self.beside]
        assert isinstance(beside, Beside)  # noqa: S101 - it is called so by us
        if isinstance(self.job, Movable):
            return beside.do(self.job.within(Path(worker.local_directory) / _ROOM))
        return beside.do(self.job)


@dataclass(frozen=True, slots=True)
class _Apart:
    """A job in the terms of render processes; none is equal to another."""

    job: Job[Any]
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    name: str = "a job"
    cost_ms: float = 0.0  # every process may take it
    keep: str | None = None

    @property
    def source(self) -> str:
        """Itself: whether it is tried again, the publisher knows."""
        return self.key

    def run(self) -> bytes:
        """Return the result and the error, one of which is None."""
        outcome: tuple[Any, Exception | None]
        try:
            outcome = within_memory(self.job), None
        except Exception as error:  # whatever it is, it is raised again by those who wait
            outcome = None, error
        return pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL)
