"""How far a long part has come."""

import io

import pytest

from iiifserver.publish.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(stream: io.StringIO, seconds_an_item: float, total: int) -> str:
    times = iter(range(10_000))
    progress = Progress(stream, lambda: next(times) * seconds_an_item)
    assert list(progress.each(range(total), total, "records")) == list(range(total))
    return stream.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_short_parts_are_silent(stream):
    assert told(stream, 0.001, 100) == ""


def test_a_log_gets_whole_lines_now_and_then():
    lines = told(io.StringIO(), 1.0, 25).splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        "9 of 25 records (0.9 a second, 18 s left)",
        "19 of 25 records (0.9 a second, 6 s left)",
        "25 of 25 records (1.0 a second)",
    ]
    assert "\r" not in "".join(lines)


def test_a_terminal_gets_one_line_that_changes():
    text = told(Terminal(), 1.0, 10)
    assert text.count("\n") == 1
    assert text.endswith("[##############################] 10 of 10 records (0.9 a second)\n")
    assert "[...............###" not in text
    assert text.count("\r") > 5


@pytest.mark.parametrize(
    ("seconds_an_item", "said"),
    [
        (60, "0.9 a minute, 18 min left"),
        (3600, "0.9 an hour, 17.8 h left"),
        (40_000, "0.1 an hour, 8.2 days left"),
    ],
)
def test_slow_work_is_told_in_longer_times(seconds_an_item, said):
    assert f"9 of 25 records ({said})" in told(io.StringIO(), seconds_an_item, 25)
