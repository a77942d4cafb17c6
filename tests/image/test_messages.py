"""What travels between web workers, the broker and render processes arrives as it was sent."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.errors import NotFound
from iiifserver.image.broker.messages import (
    Answer,
    Ask,
    of_value,
    packed,
    receive,
    result_of,
    send,
)
from iiifserver.image.broker.streams import Messages

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
