"""The broker as seen from a web worker."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from typing import NamedTuple

from iiifserver.errors import Busy
from iiifserver.image.job import Job, State
from iiifserver.sources import Place

from .messages import Answer, Ask, ask_for, picture_of, receive, result_of, send

ADDRESS = "IIIF_BROKER_ADDRESS"
KEY = "IIIF_BROKER_KEY"
PATIENCE_S = "IIIF_BROKER_PATIENCE_S"
TIMEOUT_S = "IIIF_BROKER_TIMEOUT_S"
"""Environment variables in which a server tells its web workers of its broker."""

_RESTART_S = 2
_LOST = (EOFError, OSError)


class Terms(NamedTuple):
    """Where a broker is, the key to it, and how long it takes at most.

    A job is begun within *patience_s* or refused, and then takes *timeout_s* at most; the broker
    gets *grace_s* more to say so.
    """

    address: str
    key: bytes
    patience_s: float
    timeout_s: float
    grace_s: float = 5.0

    @property
    def longest_s(self) -> float:
        """Seconds until an answer, or there is none."""
        return self.patience_s + self.timeout_s + self.grace_s


class Remote:
    """The broker of *terms*; any number of threads may ask it, and each waits a bounded time."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._idle: list[socket.socket] = []  # as many as threads ever asked at one time

    def render(self, job: Job) -> Place | bytes:
        """Return the job's result; see `image.job.Renderer`."""
        start_by = time.monotonic() + self._terms.patience_s
        return picture_of(*self._ask(*ask_for("render", job, start_by), self._terms.longest_s))

    def begin(self, job: Job) -> bool:
        """Have the job run some time; see `image.job.Renderer`."""
        return bool(result_of(*self._ask(*ask_for("begin", job, 0.0), self._terms.grace_s)))

    def state(self) -> State:
        """Return what is going on; see `image.job.Renderer`."""
        state: State = result_of(*self._ask(Ask("state"), b"", self._terms.grace_s))
        return state

    def drain(self, within_s: float) -> bool:
        """Have nothing more begun that nobody waits for, and all who wait answered *within_s*.

        Return False where there is no broker to be told.
        """
        ask = Ask("drain", start_by=time.monotonic() + within_s)
        try:
            return bool(result_of(*self._ask(ask, b"", self._terms.grace_s)))
        except Busy:
            return False

    def close(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            self._idle.pop().close()

    def _ask(self, ask: Ask, body: bytes, longest_s: float) -> tuple[Answer, bytes]:
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            try:
                return self._over(connection, ask, body, longest_s)
            except TimeoutError as error:
                raise late() from error
            except _LOST:
                continue  # the broker was replaced since: none of the old connections is any good
        try:
            return self._over(self._connected(), ask, body, longest_s)
        except TimeoutError as error:
            raise late() from error
        except _LOST as error:
            raise restarting() from error

    def _connected(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._terms.grace_s)
            connection.connect(self._terms.address)
            connection.sendall(self._terms.key)
        except OSError:
            connection.close()
            raise
        return connection

    def _over(
        self, connection: socket.socket, ask: Ask, body: bytes, longest_s: float
    ) -> tuple[Answer, bytes]:
        try:
            connection.settimeout(longest_s)
            send(connection, ask, body)
            head, made = receive(connection)
        except BaseException:
            connection.close()  # what would still come is not of the next job
            raise
        self._idle.append(connection)
        return Answer(*head), made


def remote(environment: Mapping[str, str]) -> Remote | None:
    """Return the broker that *environment* names, None where it names none."""
    terms = terms_of(environment)
    return Remote(terms) if terms else None


def terms_of(environment: Mapping[str, str]) -> Terms | None:
    """Return what *environment* says of a broker, None where it says nothing."""
    try:
        return Terms(
            environment[ADDRESS],
            bytes.fromhex(environment[KEY]),
            float(environment[PATIENCE_S]),
            float(environment[TIMEOUT_S]),
        )
    except KeyError:
        return None


def late() -> Busy:
    """Return the error of who got no answer."""
    return Busy("the render processes did not answer in time")


def restarting() -> Busy:
    """Return the error of who found no broker."""
    return Busy("the render processes are being restarted", retry_after_s=_RESTART_S)
