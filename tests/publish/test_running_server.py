"""A server that runs while editions are published, under requests that never stop."""

from __future__ import annotations

import contextlib
import http.client
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import pytest
from small_exhibition import RECORDS, Small
from store_servers import S3

READY = "iiifserver: "
START_S, NOTICE_S = 60, 30
CLIENTS = 4
PATHS = [
    "/presentation/3/a1/manifest",
    "/presentation/2/a1/manifest",
    "/presentation/a1/record.json",
]


@contextlib.contextmanager
def running(data: Path, *options: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the address of a server of what is published in *data*, and what it said before."""
    command = [sys.executable, "-m", "iiifserver.cli", "serve", "--data", str(data), "--port", "0"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IIIFSERVER_")}
    with subprocess.Popen(
        [*command, "--workers", "2", *options], env=environment, stdout=subprocess.PIPE, text=True
    ) as server:
        lines: queue.Queue[str] = queue.Queue()
        assert server.stdout is not None
        reading = threading.Thread(target=lambda: [*map(lines.put, server.stdout), lines.put("")])
        reading.start()
        said: list[str] = []
        try:
            while line := lines.get(timeout=START_S):
                if line.startswith(READY):
                    yield line.removeprefix(READY).strip().rstrip("/"), said
                    break
                said.append(line)
            else:
                pytest.fail("the server ended before it was ready")
        finally:
            server.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(START_S)
            server.kill()
            reading.join()


def entitle(small: Small, title: str) -> None:
    """Publish an edition in which every record has this title."""
    small.titles = dict.fromkeys(RECORDS, title)
    small.write()
    small.publish()


def title_of(body: bytes) -> str:
    document = orjson.loads(body)
    text = document.get("label") or document["title"]
    return text["@value"] if "@value" in text else text["en"][0]


class Client(threading.Thread):
    """Asks for documents without end, and notes what was wrong."""

    def __init__(self, address: str, published: list[str]) -> None:
        super().__init__()
        self._address = urlsplit(address)
        self._published = published
        self.stop = threading.Event()
        self.seen: list[str] = []
        self.wrong: list[object] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(
            self._address.hostname or "", self._address.port, timeout=NOTICE_S
        )
        with contextlib.closing(connection):
            while not self.stop.is_set():
                for path in PATHS:
                    try:
                        connection.request("GET", path)
                        response = connection.getresponse()
                        title = title_of(response.read())
                    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
                        self.wrong.append((path, error))
                        return
                    if response.status != 200 or title not in self._published:
                        self.wrong.append((path, response.status, title))
                    self.seen.append(title)


def test_editions_are_picked_up_without_a_dropped_request(tmp_path):
    small = Small(tmp_path)
    published = ["Edition 1"]
    entitle(small, published[0])
    with running(small.data) as (address, said):
        assert len(said) == 1  # it listens elsewhere than the edition was published for
        assert f"to {address}" in said[0]
        clients = [Client(address, published) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            for number in range(2, 5):
                published.append(f"Edition {number}")
                entitle(small, published[-1])
            until = time.monotonic() + NOTICE_S
            newest = published[-1]
            while time.monotonic() < until and not all(
                len(client.seen) > 20 and set(client.seen[-20:]) == {newest} for client in clients
            ):
                clients[0].join(0.05)
        finally:
            for client in clients:
                client.stop.set()
            for client in clients:
                client.join()
    assert [client.wrong for client in clients] == [[]] * CLIENTS
    assert {client.seen[-1] for client in clients} == {"Edition 4"}
    assert {client.seen[0] for client in clients} == {"Edition 1"}


def test_a_server_without_an_edition_says_what_to_do(tmp_path):
    command = [sys.executable, "-m", "iiifserver.cli", "serve", "--data", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=START_S)
    assert done.returncode == 2
    assert "nothing is published in" in done.stderr
    assert "iiifserver publish FOLDER" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_lies_in_a_bucket_is_served_by_every_worker(tmp_path, s3):
    small, store = Small(tmp_path), f"{s3.bucket('served-by-workers')}/editions"
    small.publish(store=store, base_url="http://127.0.0.1:8182")
    settings = tmp_path / "settings.toml"
    settings.write_text(f'store = "{store}"\n')
    with running(tmp_path / "caches", "--config", str(settings)) as (address, _):
        for _ in range(8):  # a connection each: both workers have some
            with urllib.request.urlopen(f"{address}/presentation/3/a1/manifest") as answer:
                assert title_of(answer.read()) == "Record a1"


def test_two_servers_serve_what_is_in_a_bucket_from_forked_workers(s3: S3, tmp_path: Path) -> None:
    small = Small(tmp_path / "small")
    store = f"{s3.bucket('running')}/archive"
    small.publish(store=store, base_url="http://localhost")
    settings = tmp_path / "iiifserver.toml"
    settings.write_text(f'store = "{store}"\n', encoding="utf-8")
    options = ("--config", str(settings))
    with running(tmp_path / "1", *options) as one, running(tmp_path / "2", *options) as two:
        tags = set()
        for address, _ in (one, two, one, two):
            for path in ("full/max/0/default.jpg", "5,5,20,20/max/0/gray.png"):
                with urllib.request.urlopen(f"{address}/iiif/3/a1-1/{path}", timeout=30) as answer:
                    assert len(answer.read()) > 50
                    tags.add((path, answer.headers["ETag"]))
            with urllib.request.urlopen(f"{address}/ready", timeout=30) as answer:
                assert answer.status == 200
        assert len(tags) == 2
        small.titles = dict.fromkeys(RECORDS, "Second")
        small.write()
        small.publish(store=store)
        for address, _ in (one, two):
            end = time.monotonic() + NOTICE_S
            while time.monotonic() < end:
                with urllib.request.urlopen(f"{address}{PATHS[0]}", timeout=30) as answer:
                    if title_of(answer.read()) == "Second":
                        break
                time.sleep(0.1)
            else:
                pytest.fail("the new edition was not noticed")
