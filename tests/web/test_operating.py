"""What operators ask: alive, ready, numbers; and who may ask."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from image_sources import picture
from in_this_process import InThisProcess
from prometheus_client.parser import text_string_to_metric_families
from small_exhibition import Small

from iiifserver import metrics
from iiifserver.config import Config
from iiifserver.errors import Busy
from iiifserver.image.job import State
from iiifserver.metrics import Counters
from iiifserver.web import create_app
from iiifserver.web.exposition import Family, exposition
from iiifserver.web.ready import Readiness

MANIFEST = "/presentation/3/none/manifest"
Numbers = dict[tuple[str, frozenset[tuple[str, str]]], float]


def numbers(text: str) -> Numbers:
    """Return all samples of a text, as Prometheus's own parser reads them."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def number(found: Numbers, name: str, **labels: str) -> float | None:
    return found.get((f"iiifserver_{name}", frozenset(labels.items())))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    picture(300, 200).save(tmp_path / "x.png")
    return tmp_path


class Absent(InThisProcess):
    """A renderer whose broker is being restarted."""

    def state(self) -> State:
        raise Busy("the render processes are being restarted")


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Callable[..., FlaskClient]]:
    small = Small(tmp_path)
    small.publish()

    def make(renderer: Any = None, **settings: Any) -> FlaskClient:
        return create_app(small.config(**settings), renderer or InThisProcess()).test_client()

    return make


def test_health_says_that_the_server_lives(serve: Any, folder: Path) -> None:
    answer = serve(folder).get("/health")
    assert (answer.status_code, answer.text) == (200, "alive\n")


def test_a_folder_is_ready_until_it_is_gone(serve: Any, folder: Path) -> None:
    client = serve(folder)
    assert (client.get("/ready").status_code, client.get("/ready").text) == (200, "ready\n")
    shutil.rmtree(folder)
    answer = client.get("/ready")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert answer.json["detail"] == "the folder: No such file or directory"
    assert client.get("/health").status_code == 200  # it need not be started anew


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ("data/objects", "the documents of edition 1: "),
        ("data/editions", "the editions: "),
        ("images", "the scans of edition 1: "),
    ],
)
def test_what_is_missing_of_an_edition_is_named(
    published: Callable[..., FlaskClient], tmp_path: Path, gone: str, said: str
) -> None:
    client = published()
    assert client.get("/ready").status_code == 200
    shutil.rmtree(tmp_path / gone)
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json["detail"].startswith(said)
    assert answer.headers["Retry-After"] == "2"


def test_render_processes_that_are_away_are_named(published: Callable[..., FlaskClient]) -> None:
    answer = published(Absent()).get("/ready")
    assert answer.status_code == 503
    assert answer.json["detail"] == "render processes: the render processes are being restarted"


def test_a_disk_that_hangs_takes_one_thread_and_is_named(serve: Any, folder: Path) -> None:
    gate = threading.Event()

    class Hanging(InThisProcess):
        def state(self) -> State:
            gate.wait(60)
            return State()

    readiness = Readiness(Config(folder=str(folder)), Hanging(), None, patience_s=0.05)
    before = threading.active_count()
    for _ in range(5):
        (said,) = readiness.missing()
        assert said.startswith("a look at the server's files has not come back for")
    assert threading.active_count() <= before + 1
    gate.set()
    while readiness.missing():
        pass


def test_metrics_tell_what_was_asked_by_whom_and_how_it_was_found(serve: Any, folder: Path) -> None:
    client = serve(folder)
    tile, etag = "/iiif/3/x/0,0,300,200/150,/0/default.jpg", None
    for _ in range(3):
        etag = client.get(tile).headers["ETag"]  # three times each: through both doors
    client.get(tile, headers={"If-None-Match": etag})
    for path in ("/iiif/3/x/info.json", "/iiif/3/nothing/info.json", "/en/", MANIFEST):
        client.get(path, buffered=True)
    found = numbers(client.get("/metrics").text)
    asked = {"kind": "picture", "door": "tiles", "status": "2xx"}
    at_once = number(found, "requests_total", **asked)
    assert at_once
    assert at_once >= 4
    assert number(found, "requests_total", **(asked | {"status": "3xx"}))
    assert number(found, "requests_total", kind="info", door="tiles", status="2xx")
    assert number(found, "requests_total", kind="info", door="flask", status="4xx")
    assert number(found, "requests_total", kind="document", door="flask", status="4xx") == 1
    assert number(found, "requests_total", kind="page", door="flask", status="2xx") == 1
    length = len(client.get(tile).data)
    sent = number(found, "response_bytes_total", door="tiles")
    assert sent
    assert sent >= at_once * length
    assert number(found, "cache_total", cache="derived", outcome="hit")
    assert number(found, "cache_total", cache="client", outcome="hit")
    assert number(found, "cache_total", cache="memory", outcome="miss")
    assert number(found, "cache_total", cache="memory", outcome="hit")
    assert number(found, "edition") is None
    assert number(found, "broker_up") == 1


def test_metrics_are_told_as_text_that_nobody_keeps(published: Callable[..., FlaskClient]) -> None:
    answer = published().get("/metrics")
    assert answer.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert number(numbers(answer.text), "edition") == 1


def test_what_is_not_known_is_left_out(published: Callable[..., FlaskClient]) -> None:
    found = numbers(published(Absent()).get("/metrics").text)
    assert number(found, "broker_up") == 0
    assert not [name for name, _ in found if "render" in name or "quarantined" in name]


def test_all_processes_of_a_server_are_summed_in_one_answer(
    published: Callable[..., FlaskClient],
) -> None:
    with metrics.shared() as shared:
        others = [Counters(shared) for _ in range(3)]
        for each in others:
            each.request("page", "flask", 200, 10, 0.2)
        found = numbers(published().get("/metrics").text)
    assert number(found, "requests_total", kind="page", door="flask", status="2xx") == 3
    assert number(found, "response_seconds_bucket", door="flask", le="0.1") == 0
    assert number(found, "response_seconds_bucket", door="flask", le="0.5") == 3
    assert number(found, "response_seconds_bucket", door="flask", le="+Inf") == 3
    assert number(found, "processes", kind="web") == 3
    assert number(found, "start_time_seconds")


def test_what_render_processes_did_is_told() -> None:
    state = State(
        finished=5, deaths=1, waiting_small=2, running=("a",), set_aside=("b", "c"),
        landed_whole=4, taken_whole_ms=2_500, foreseen_whole_ms=2_000, kept_bytes=77,
    )  # fmt: skip
    found = numbers(exposition(Counters().total(), state, 7, None))
    assert number(found, "render_jobs_total", outcome="finished") == 5
    assert number(found, "render_jobs_total", outcome="deaths") == 1
    assert number(found, "render_waiting", lane="small") == 2
    assert number(found, "render_running", lane="request") == 1
    assert number(found, "render_seconds_total", lane="whole") == 2.5
    assert number(found, "render_foreseen_seconds_total", lane="whole") == 2
    assert number(found, "render_jobs_by_lane_total", lane="whole") == 4
    assert number(found, "quarantined") == 2
    assert number(found, "derived_bytes") == 77
    assert number(found, "edition") == 7


def test_every_family_is_explained_and_named_once() -> None:
    lines = exposition(Counters().total(), State(), 1, 1.0).splitlines()
    helped = [line.split()[2] for line in lines if line.startswith("# HELP")]
    typed = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    assert len(set(helped)) == len(helped)
    assert helped == list(typed)
    assert all(name.endswith("_total") == (kind == "counter") for name, kind in typed.items())


def test_labels_are_escaped() -> None:
    family = Family("n", "gauge", "x", [("", {"a": 'b"\\\n'}, 1)])
    assert list(family.lines())[-1] == 'n{a="b\\"\\\\\\n"} 1'


@pytest.mark.parametrize(
    ("environ", "allowed"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, True),
        ({"REMOTE_ADDR": "::1"}, True),
        ({"REMOTE_ADDR": "::ffff:10.1.2.3"}, True),
        ({"REMOTE_ADDR": "192.168.7.7"}, True),
        ({"REMOTE_ADDR": "203.0.113.9"}, False),
        ({"REMOTE_ADDR": "2001:db8::1"}, False),
        ({"REMOTE_ADDR": ""}, False),
        # a front on this machine speaks for the whole world
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, False),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=127.0.0.1"}, False),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.9"}, False),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1, 203.0.113.9"}, False),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "192.168.7.7"}, True),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "nonsense"}, False),
    ],
)
def test_numbers_are_for_the_networks_that_are_named(
    serve: Any, folder: Path, environ: dict[str, str], allowed: bool
) -> None:
    client = serve(folder, trusted_proxies=("10.0.0.1",))
    answer = client.get("/metrics", environ_overrides=environ)
    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.mimetype == "application/problem+json"
        assert "iiifserver_requests" not in answer.text


def test_other_networks_can_be_named(serve: Any, folder: Path) -> None:
    client = serve(folder, metrics_from=("203.0.113.0/24",))

    def ask(peer: str) -> int:
        return client.get("/metrics", environ_overrides={"REMOTE_ADDR": peer}).status_code

    assert (ask("203.0.113.9"), ask("127.0.0.1")) == (200, 403)
