"""What is said between web workers, the broker and render processes.

A message is a head, which the broker reads, and a body, which it passes on as it is: a job, or a
result. So the broker loads nothing of what jobs need, and no job can harm it. An `Ask` or an
`Answer` travels as a plain tuple, and so does a `Place`: to pickle and to find their classes takes
several times as long, six times for each picture.
"""

from __future__ import annotations

import functools
import logging
import pickle
import socket
import struct
from typing import Any, Literal, NamedTuple

from iiifserver.errors import Busy, RequestError
from iiifserver.image.job import Job
from iiifserver.logs import request_id
from iiifserver.sources import Place

LENGTHS = struct.Struct(">IQ")
_PIECE_BYTES, _MOST_PIECE_BYTES = 64 << 10, 1 << 20
_MOST_HEAD_BYTES = 1 << 20
_MOST_BODY_BYTES = 1 << 30
_log = logging.getLogger("iiifserver.image.broker")


class Ask(NamedTuple):
    """What a client wants; `start_by` is a time of `time.monotonic`, the same for all processes.

    `drain` comes from the server that is being stopped: what waits then is answered by `start_by`.
    `request` is what the log calls the request that wants it.
    """

    wish: Literal["render", "begin", "state", "drain"]
    name: str = ""
    key: str = ""
    source: str = ""
    cost_ms: float = 0.0
    keep: str | None = None
    start_by: float = 0.0
    request: str = ""


class Answer(NamedTuple):
    """How it went; the body is the bytes made, the place where they are, or else a value, pickled.

    `kept_bytes` were written to the disk; `complaint` says why they could not be.
    """

    form: Literal["bytes", "place", "value"]
    well: bool = True
    kept_bytes: int = 0
    complaint: str = ""


Outcome = tuple[Answer, bytes]


def ask_for(wish: Literal["render", "begin"], job: Job, start_by: float) -> tuple[Ask, bytes]:
    """Return the message that brings *job* to the broker."""
    about = (job.name, job.key, job.source, job.cost_ms, job.keep)
    head = Ask(wish, *about, start_by, request_id.get())
    return head, pickle.dumps(job, pickle.HIGHEST_PROTOCOL)


def of_value(value: object, **about: Any) -> Outcome:
    """Return the answer that is *value*: an error, or what else can be asked."""
    well = not isinstance(value, RequestError)
    return Answer("value", well, **about), pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def of_place(place: Place) -> Outcome:
    """Return the answer that the picture was written to *place*."""
    body = pickle.dumps(tuple(place), pickle.HIGHEST_PROTOCOL)
    return Answer("place", kept_bytes=place.length), body


def result_of(answer: Answer, body: bytes) -> Any:
    """Return what the answer holds; raise it, if it is an error."""
    if answer.form == "place":
        return Place(*value_of(body))
    value: Any = body if answer.form == "bytes" else value_of(body)
    if isinstance(value, RequestError):
        raise value
    return value


def value_of(body: bytes) -> Any:
    """Return the job or the value that *body* is.

    Raises:
        Busy: it is of another version of the program, which was replaced while the server runs.
    """
    try:
        return pickle.loads(body)  # noqa: S301 - our own
    except (AttributeError, ImportError, TypeError, pickle.UnpicklingError) as error:
        _tell_once(str(error))
        raise Busy("the server has to be started anew, since its program was replaced") from error


@functools.cache
def _tell_once(why: str) -> None:
    _log.error("the program was replaced while the server runs: start it anew (%s)", why)


def picture_of(answer: Answer, body: bytes) -> Place | bytes:
    """Return what was rendered; raise the error that it is."""
    made: Place | bytes = result_of(answer, body)
    return made


def packed(head: object, body: bytes) -> bytes:
    """Return a message as it travels."""
    plain = tuple(head) if isinstance(head, tuple) else head
    first = pickle.dumps(plain, pickle.HIGHEST_PROTOCOL)
    return b"".join((LENGTHS.pack(len(first), len(body)), first, body))


def send(to: socket.socket, head: object, body: bytes = b"") -> None:
    """Send a message, and wait until it is sent."""
    to.sendall(packed(head, body))


def receive(source: socket.socket) -> tuple[Any, bytes]:
    """Wait for a message and return its head and its body; the other side says one at a time.

    A head that was a named tuple is a plain one.

    Raises:
        EOFError: the other side is gone.
        TimeoutError: there was silence for longer than the socket's time.
    """
    held = bytearray()
    while len(held) < LENGTHS.size:
        held += _piece(source, _PIECE_BYTES)
    head_bytes, body_bytes = lengths_of(held[: LENGTHS.size])
    body_at = LENGTHS.size + head_bytes
    missing = body_at + body_bytes - len(held)
    while missing > 0:
        piece = _piece(source, missing)
        held += piece
        missing -= len(piece)
    if missing:
        raise EOFError("more than a message")
    whole = memoryview(held)
    return pickle.loads(whole[LENGTHS.size : body_at]), bytes(whole[body_at:])  # noqa: S301 - ours


def _piece(source: socket.socket, most_bytes: int) -> bytes:
    piece = source.recv(min(most_bytes, _MOST_PIECE_BYTES))
    if not piece:
        raise EOFError("the other side is gone")
    return piece


def lengths_of(lengths: bytes | bytearray) -> tuple[int, int]:
    """Return how long a message's head and body are; EOFError if that is no message of ours."""
    head_bytes, body_bytes = LENGTHS.unpack(lengths)
    if head_bytes > _MOST_HEAD_BYTES or body_bytes > _MOST_BODY_BYTES:
        raise EOFError("not a message")
    return head_bytes, body_bytes
