"""What tests share: a server over a folder of images, rendering in this process."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from both_doors import BothDoors
from flask.testing import FlaskClient
from in_this_process import InThisProcess
from store_servers import S3, s3_server

from iiifserver.config import Config
from iiifserver.web import create_app


@pytest.fixture(scope="session")
def serve() -> Callable[..., FlaskClient]:
    """A function that returns a client of a server over *folder*, with any settings."""

    def make(folder: Path, **settings: Any) -> FlaskClient:
        config = Config(folder=str(folder), data=folder / ".data", **settings)
        app, renderer = create_app(config, InThisProcess()), InThisProcess()
        app.test_client_class = BothDoors
        client = app.test_client()
        assert isinstance(client, BothDoors)
        client.behind = create_app(config, renderer, tile_door=False).test_client()
        return client

    return make


@pytest.fixture(scope="session")
def s3_running() -> Iterator[S3]:
    """An S3 server, the same for all tests: obstore keeps its connections."""
    with s3_server() as server:
        yield server


@pytest.fixture
def s3(s3_running: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """The S3 server, with this process's credentials for it, and nothing asked yet."""
    for name, value in s3_running.environment().items():
        monkeypatch.setenv(name, value)
    s3_running.asked.clear()
    s3_running.faults.clear()
    return s3_running


@pytest.fixture
def served_rules(serve: Callable[..., FlaskClient], tmp_path: Path) -> list[str]:
    """The addresses that a server answers, with the manual's words for their parts."""
    words = {"number": "version", "path": "identifier"}

    def name_part(part: re.Match[str]) -> str:
        return f"{{{words.get(part[1], part[1])}}}"

    found = set()
    for rule in serve(tmp_path).application.url_map.iter_rules():
        text = re.sub(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>", name_part, rule.rule)
        found.add(text.replace("/presentation/{identifier}", "/presentation/{identifier}/"))
    return sorted(found)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Where SKIPS_FAIL is set, a test that did not run is a failure."""
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped and "SKIPS_FAIL" in os.environ:
        terminalreporter.write_line(f"{len(skipped)} skipped tests count as failures", red=True)
        terminalreporter._session.exitstatus = 1
