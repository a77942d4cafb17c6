"""The access log: one line of JSON a request, bounded, cheap, and nothing lost at the end."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from werkzeug.test import create_environ, run_wsgi_app

from iiifserver.metrics import Counters
from iiifserver.web.log import AccessLog
from iiifserver.web.watch import Watch


class Written(list[bytes]):
    """What was written, as lines."""

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in b"".join(self).splitlines()]


def log_of(**options: Any) -> tuple[AccessLog, Written]:
    written = Written()
    return AccessLog(write=written.append, **options), written


def line(environ: dict[str, Any], **options: Any) -> dict[str, Any]:
    log, written = log_of(**options)
    log.record(environ, 200, 5, log.now(), "tiles")
    log.flush()
    (found,) = written.lines()
    return found


def test_a_line_tells_who_asked_what_and_what_came_of_it() -> None:
    found = line(create_environ("/iiif/3/資料/info.json?secret=1", method="GET"))
    assert set(found) == {
        *("time", "id", "client", "method", "path", "status", "bytes", "ms", "door")
    }
    assert (found["method"], found["path"]) == ("GET", "/iiif/3/資料/info.json")
    assert (found["status"], found["bytes"], found["door"]) == (200, 5, "tiles")
    assert 0 <= found["ms"] < 1000
    assert found["time"].endswith("Z")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("192.0.2.77", "192.0.2.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:192.0.2.77", "192.0.2.0"),
        ("fe80::1%eth0", "fe80::"),
        ("", ""),
        ("nonsense", ""),
    ],
)
def test_clients_are_told_apart_by_their_network_only(address: str, shown: str) -> None:
    assert line(create_environ("/", environ_base={"REMOTE_ADDR": address}))["client"] == shown


@pytest.mark.parametrize(("trusted", "shown"), [(("10.0.0.1",), "192.0.2.0"), ((), "10.0.0.0")])
def test_only_a_trusted_proxy_names_its_client(trusted: tuple[str, ...], shown: str) -> None:
    peer = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9, 192.0.2.77"}
    assert line(create_environ("/", environ_base=peer), trusted=trusted)["client"] == shown


@pytest.mark.parametrize(("given", "kept"), [("abc-1", True), ("a b", False), ("x" * 65, False)])
def test_a_request_keeps_the_name_that_a_proxy_gave_it(given: str, kept: bool) -> None:
    found = line(create_environ("/", environ_base={"HTTP_X_REQUEST_ID": given}))
    assert (found["id"] == given) is kept


def test_every_request_has_a_name_of_its_own() -> None:
    log, written = log_of()
    for _ in range(3_000):
        log.record(create_environ("/"), 200, 0, log.now(), "flask")
    log.flush()
    assert len({found["id"] for found in written.lines()}) == 3_000
    assert len(written) < 10  # written in batches


def test_where_nobody_reads_lines_are_dropped_and_counted() -> None:
    log, written = log_of(most_waiting=10)
    log._writer = threading.current_thread()  # which writes when it is told to
    for _ in range(25):
        log.record(create_environ("/"), 200, 0, log.now(), "flask")
    log.flush()
    assert len(written.lines()) == 11
    assert written.lines()[-1] == {"dropped": 15}


def pieces(_: Any, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("206 Partial Content", [])
    yield b"abc"
    yield b"defg"


def test_an_answer_in_pieces_is_counted_when_it_was_taken() -> None:
    log, written = log_of()
    body, status, _ = run_wsgi_app(
        Watch(pieces, log, Counters()), create_environ("/x"), buffered=True
    )
    assert (status, b"".join(body)) == ("206 Partial Content", b"abcdefg")
    log.flush()
    (found,) = written.lines()
    assert (found["status"], found["bytes"], found["door"]) == (206, 7, "flask")


def test_an_answer_that_is_given_up_is_recorded_once() -> None:
    log, written = log_of()
    body: Any = Watch(pieces, log, Counters())(create_environ("/x"), lambda *_: None)
    assert next(body) == b"abc"
    body.close()
    body.close()
    log.flush()
    assert [found["bytes"] for found in written.lines()] == [3]


def test_what_waits_at_the_end_is_written() -> None:
    code = """
import threading
from iiifserver.web.log import AccessLog
log = AccessLog()
environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}
def record():
    threading.main_thread().join()  # answers that end after the main thread
    log.record(environ, 200, 2, log.now(), "flask")
threading.Thread(target=record).start()
for _ in range(500):
    log.record(environ, 200, 1, log.now(), "tiles")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    assert len(done.stderr.splitlines()) == 501
    assert done.stdout == b""
