"""What travels between web workers, the broker and render processes arrives as it was sent."""

from __future__ import annotations

import socket
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.errors import NotFound
from iiifserver.image.broker.messages import (
    Answer,
    Ask,
    ask_for,
    of_place,
    of_value,
    packed,
    receive,
    result_of,
    send,
    value_of,
)
from iiifserver.image.broker.streams import Messages
from iiifserver.image.headers import Header, Level
from iiifserver.image.job import Encoding, Picture
from iiifserver.image.plan import Box, Plan
from iiifserver.image.request import Rotation
from iiifserver.sources import Place

LEVEL = Level(6_000, 8_000, 1, 0, -1, 512, 512)
HEADS = st.sampled_from([Ask("state"), Answer("bytes"), "ready", None])
SAID = st.lists(st.tuples(HEADS, st.binary(max_size=300)), max_size=5)


class Heard(Messages):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, bytes]] = []

    def arrived(self, head: Any, body: bytes) -> None:
        self.heard.append((head, body))


class Aborted:
    def __init__(self) -> None:
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True


@settings(derandomize=True, max_examples=100)
@given(SAID, st.integers(1, 50))
def test_messages_arrive_however_the_stream_is_cut(
    said: list[tuple[Any, bytes]], piece_bytes: int
) -> None:
    stream = b"".join(packed(head, body) for head, body in said)
    heard = Heard()
    for start in range(0, len(stream), piece_bytes):
        heard.data_received(stream[start : start + piece_bytes])
    assert heard.heard == said


@settings(derandomize=True, max_examples=30)
@given(SAID)
def test_messages_arrive_through_a_socket(said: list[tuple[Any, bytes]]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for head, body in said:
            send(ours, head, body)
            assert receive(theirs) == (head, body)
        ours.close()
        with pytest.raises(EOFError):
            receive(theirs)


@pytest.mark.parametrize("lengths", [(1 << 31, 0), (0, 1 << 40)])
def test_what_says_to_be_longer_than_any_message_is_none(lengths: tuple[int, int]) -> None:
    stream = struct.pack(">IQ", *lengths)
    heard = Heard()
    heard.transport = Aborted()  # type: ignore[assignment]
    heard.data_received(stream)
    assert heard.transport.aborted  # type: ignore[attr-defined]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(stream)
        with pytest.raises(EOFError):
            receive(theirs)


def test_an_answer_is_bytes_a_value_or_an_error() -> None:
    assert result_of(Answer("bytes"), b"picture") == b"picture"
    assert result_of(*of_value((1, "a"))) == (1, "a")
    answer, body = of_value(NotFound("no"))
    assert not answer.well
    with pytest.raises(NotFound, match="no"):
        result_of(answer, body)


def test_a_picture_that_was_kept_arrives_as_its_place() -> None:
    place = Place("/kept/a", 20, 4_711, b"")
    answer, body = of_place(place)
    assert (answer.well, answer.kept_bytes) == (True, 4_711)
    found = result_of(answer, body)
    assert isinstance(found, Place)
    assert found == place


def test_no_class_is_looked_up_for_what_travels_with_each_picture() -> None:
    for head, body in ((Ask("render", "r1-1"), b""), of_place(Place("/kept/a", 20, 4_711))):
        assert b"iiifserver" not in packed(head, body)


@pytest.mark.parametrize("degrees", [90, Fraction(45, 2)])
@pytest.mark.parametrize("stored", [None, Place("/pyramids/a.tif", 800, 59_000, b"tables")])
def test_a_job_arrives_as_it_was(degrees: int | Fraction, stored: Place | None) -> None:
    rotation = Rotation(degrees, mirror=True)
    plan = Plan(
        Box(0, 512, 512, 512), 256, 256, rotation, "gray", "jpg", "0,512,512,512/256,/!/gray"
    )
    header = Header("tiff", 6_000, 8_000, 1, (LEVEL,), 3, 8, False, False, False, 144_000_000, True)
    about = ("an identity", "/kept/a", stored, "733c90f0", "a copy")
    job = Picture("r1-1", Path("/scans/a.tif"), header, plan, Encoding(webp_quality=70), *about)
    _, body = ask_for("render", job, 1.0)
    arrived = value_of(body)
    assert (arrived.header, arrived.plan, arrived.path) == (header, plan, job.path)
    assert isinstance(arrived.plan.box, Box)
    assert (arrived.encoding, arrived.stored, arrived.keep) == (job.encoding, stored, job.keep)
    assert (arrived.key, arrived.source, arrived.cost_ms) == (job.key, job.source, job.cost_ms)
