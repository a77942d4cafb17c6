"""What the server says of itself: whole lines, and nobody stands still where nobody reads them."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from iiifserver.logs import Outlet

LINE = json.dumps({"message": "x" * 200}) + "\n"
ENOUGH = 20_000  # lines, to fill whatever takes them


def pipe() -> tuple[int, int]:
    return os.pipe()


def pair() -> tuple[int, int]:
    reader, writer = socket.socketpair()
    return reader.detach(), writer.detach()


@pytest.fixture(params=[pipe, pair], ids=["pipe", "socket"])
def ends(request: Any) -> Iterator[tuple[int, int]]:
    reader, writer = request.param()
    yield reader, writer
    for each in (reader, writer):
        with contextlib.suppress(OSError):
            os.close(each)


def read_all(reader: int) -> bytes:
    """Return what waits to be read."""
    os.set_blocking(reader, False)
    read = b""
    with contextlib.suppress(BlockingIOError):
        while piece := os.read(reader, 1 << 20):
            read += piece
    return read


def test_who_writes_does_not_wait_for_who_does_not_read(ends: tuple[int, int]) -> None:
    reader, writer = ends
    outlet = Outlet(writer)
    for _ in range(ENOUGH):
        outlet.write(LINE)
    kept = read_all(reader).count(b"\n")
    outlet.write(LINE)
    lines = [json.loads(line) for line in read_all(reader).splitlines() if line]
    assert lines == [{"dropped": ENOUGH - kept}, json.loads(LINE)]
    assert os.get_blocking(writer)  # which is so for all that inherited it


def test_a_line_longer_than_a_pipe_takes_is_read_whole(ends: tuple[int, int]) -> None:
    reader, writer = ends
    long = json.dumps({"trace": "y" * 20_000}) + "\n"
    Outlet(writer).write(LINE + long + LINE)
    assert read_all(reader).decode() == LINE + long + LINE


def test_half_a_line_spoils_no_other(ends: tuple[int, int]) -> None:
    reader, writer = ends
    outlet = Outlet(writer)
    long = json.dumps({"trace": "y" * 50_000}) + "\n"
    for _ in range(50):
        outlet.write(long)
    read = read_all(reader)
    outlet.write(LINE)
    read += read_all(reader)
    *whole, dropped, last = [line for line in read.splitlines() if line]
    assert [line for line in whole if line != long.strip().encode()] in ([], whole[-1:])
    assert set(json.loads(dropped)) == {"dropped"}
    assert json.loads(last) == json.loads(LINE)


def test_where_it_is_waited_for_nothing_is_dropped(ends: tuple[int, int]) -> None:
    reader, writer = ends
    read, looks = [], iter(range(ENOUGH))

    def waits() -> bool:
        read.append(read_all(reader))
        return next(looks) < ENOUGH

    Outlet(writer).put(LINE.encode() * 5_000, waits)
    assert b"".join((*read, read_all(reader))).decode() == LINE * 5_000


def test_a_reader_that_left_is_no_error(ends: tuple[int, int]) -> None:
    os.close(ends[0])
    Outlet(ends[1]).write(LINE)


def test_a_file_is_written_where_others_write_it(tmp_path: Any) -> None:
    with (tmp_path / "log").open("wb", buffering=0) as file:
        file.write(b"before\n")
        Outlet(file.fileno()).write(LINE)
        file.write(b"after\n")
    assert (tmp_path / "log").read_text() == f"before\n{LINE}after\n"


WARNINGS = """
import logging
from iiifserver.logs import log_to_server
log_to_server()
for number in range(5_000):
    logging.getLogger("iiifserver").warning("%d %s", number, "x" * 100)
print("done", flush=True)
input()
logging.getLogger("iiifserver").warning("read again")
"""
REQUESTS = """
from iiifserver.web.log import AccessLog
log = AccessLog()
for _ in range(5_000):
    log.record({"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}, 200, 1, log.now(), "tiles")
print("done", flush=True)
"""


def unread(code: str) -> subprocess.Popen[bytes]:
    """Return a process whose standard error nobody reads."""
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe)


def test_warnings_keep_nobody_waiting() -> None:
    with unread(WARNINGS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        assert process.stderr is not None
        kept = os.read(process.stderr.fileno(), 1 << 20)
        rest = process.communicate(b"\n", timeout=60)[1]
    lines = [json.loads(line) for line in (kept + rest).splitlines()]
    assert lines[-1]["message"] == "read again"
    assert lines[-2] == {"dropped": 5_000 - (len(lines) - 2)}
    assert [line["message"].split()[0] for line in lines[:-2]] == list(
        map(str, range(len(lines) - 2))
    )


def test_a_server_ends_although_nobody_reads_its_access_log() -> None:
    with unread(REQUESTS) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        assert process.wait(60) == 0
