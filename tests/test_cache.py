"""What is kept in memory stays within its bound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from iiifserver.cache import Memory


def test_the_least_recently_used_goes_first() -> None:
    memory: Memory[str, str] = Memory(2)
    memory.put("a", "1")
    memory.put("b", "2")
    assert memory.get("a") == "1"
    memory.put("c", "3")
    assert (memory.get("a"), memory.get("b"), memory.get("c")) == ("1", None, "3")


def test_a_value_replaces_the_one_before_it() -> None:
    memory: Memory[str, bytes] = Memory(10, len)
    memory.put("a", b"123456")
    memory.put("a", b"12345678")
    memory.put("b", b"12")
    assert (memory.get("a"), memory.get("b")) == (b"12345678", b"12")


def test_what_alone_is_too_much_is_not_kept_and_drives_nothing_out() -> None:
    memory: Memory[str, bytes] = Memory(4, len)
    memory.put("a", b"1234")
    memory.put("b", b"12345")
    assert (memory.get("a"), memory.get("b")) == (b"1234", None)


@settings(derandomize=True, max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 9), st.binary(max_size=12))))
def test_no_more_is_held_than_the_bound(puts: list[tuple[int, bytes]]) -> None:
    memory: Memory[int, bytes] = Memory(20, len)
    for key, value in puts:
        memory.put(key, value)
        assert sum(len(memory.get(each) or b"") for each in range(10)) <= 20
        assert memory.get(key) == value or value == b""
