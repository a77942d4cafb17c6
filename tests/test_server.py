"""Starting the server as a person does: addresses, settings, and what is said when it cannot."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from iiifserver.config import Config
from iiifserver.errors import ConfigurationError
from iiifserver.server import address, listening, settle


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8182"),
        ("archive.example", "http://archive.example:8182"),
        ("::1", "http://[::1]:8182"),
        ("0.0.0.0", "http://127.0.0.1:8182"),
        ("::", "http://[::1]:8182"),
    ],
)
def test_an_address_can_be_opened_in_a_browser(host: str, expected: str) -> None:
    assert address(host, 8182) == expected


@pytest.mark.skipif("sys.platform != 'linux'", reason="elsewhere it has another name, or none")
def test_the_system_takes_little_of_an_answer_that_nobody_reads() -> None:
    large = b"x" * 50_000_000
    [here] = listening("127.0.0.1", 0, 1)
    with here, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(here.getsockname())
        accepted, _ = here.accept()
        with accepted:
            accepted.setblocking(False)
            taken = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    taken += accepted.send(large)
    assert taken < 1_000_000


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=str(port)):
            settle("127.0.0.1", port)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., tuple[str, subprocess.Popen[str]]]]:
    """A function that starts `iiifserver` and returns the address that it prints."""
    running: list[subprocess.Popen[str]] = []
    clean = {name: value for name, value in os.environ.items() if "IIIF" not in name}

    def run(*arguments: str, **settings: str) -> tuple[str, subprocess.Popen[str]]:
        process = subprocess.Popen(
            [sys.executable, "-m", "iiifserver.cli", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=clean
            | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "HOME": str(tmp_path)}
            | settings,
            cwd=tmp_path,
            start_new_session=True,
        )
        running.append(process)
        said = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if line.startswith("iiifserver: http"):
                return line.split()[-1], process
        process.wait()
        return "".join(said), process

    yield run
    for process in running:
        process.terminate()  # killed, it could not end its workers
        process.wait(20)
        if process.stdout:
            process.stdout.close()


def json_of(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    Image.new("RGB", (300, 200), (10, 120, 200)).save(folder / "sea.png")
    return folder


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(path.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
        if parent == pid:
            found.append(int(path.parent.name))
    return [*found, *(each for child in found for each in children(child))]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"  # ended, only not yet asked for


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
@pytest.mark.parametrize(
    "stop",
    [
        pytest.param(lambda pid: os.kill(pid, signal.SIGTERM), id="told to"),
        pytest.param(lambda pid: os.killpg(pid, signal.SIGINT), id="by ^C on its terminal"),
    ],
)
def test_a_folder_is_served_and_nothing_is_left_behind(
    scans: Path, start: Any, stop: Callable[[int], None]
) -> None:
    where, process = start("serve", str(scans), "--port", "0", "--workers", "1")
    assert json_of(f"{where}iiif/3/sea/info.json")["id"] == f"{where}iiif/3/sea.png"
    with urllib.request.urlopen(f"{where}iiif/3/sea/full/max/0/default.png", timeout=60) as answer:
        assert answer.status == 200
    family = children(process.pid)
    assert len(family) >= 3  # a worker, the broker, a render process
    stop(process.pid)
    process.wait(4)  # of its own accord: what has to be killed takes five seconds
    until = time.monotonic() + 20
    while (left := [pid for pid in family if lives(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []
    assert [path.name for path in scans.iterdir()] == ["sea.png"]


def test_a_folder_may_be_named_by_a_setting(scans: Path, start: Any) -> None:
    where, _ = start("serve", "--port", "0", "--workers", "1", IIIFSERVER_FOLDER=str(scans))
    assert json_of(f"{where}iiif/2/sea.png/info.json")["width"] == 300


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"IIIFSERVER_MAX_AERA": "5"}, "did you mean 'max_area'"),
        ({"IIIFSERVER_BASE_URL": "archive.example"}, "base_url"),
        ({}, "nothing is published"),
    ],
)
def test_what_cannot_start_says_why(settings: dict[str, str], said: str, start: Any) -> None:
    output, process = start("serve", "--port", "0", **settings)
    assert process.returncode == 2
    assert said in output
    assert "Traceback" not in output


def test_a_data_folder_named_from_here_is_found_from_anywhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    data = Config(data=Path("var")).data
    monkeypatch.chdir("/")
    assert data == tmp_path / "var"


def asked(where: str, path: str) -> int:
    with urllib.request.urlopen(f"{where}{path}", timeout=60) as answer:
        answer.read()
        return int(answer.status)


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_workers_are_replaced_under_new_settings_without_a_failed_request(
    scans: Path, tmp_path: Path, start: Any
) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("max_age_s = 77\naccess_log = false\n")
    where, process = start(
        "serve", str(scans), "--port", "0", "--workers", "1", "--config", str(settings)
    )

    def kept() -> str:
        with urllib.request.urlopen(f"{where}iiif/3/sea/info.json", timeout=60) as answer:
            return str(answer.headers["Cache-Control"]).partition(", stale")[0]

    assert kept() == "public, max-age=77"
    settings.write_text("max_age_s = true\n")
    before = web_workers(process)
    assert before
    process.send_signal(signal.SIGHUP)  # settings that cannot be used change nothing
    until = time.monotonic() + 30
    while before & set(children(process.pid)) and time.monotonic() < until:
        assert asked(where, "iiif/3/sea/0,0,300,200/300,/0/default.jpg") == 200
    assert kept() == "public, max-age=77"
    settings.write_text("max_age_s = 78\naccess_log = false\n")
    process.send_signal(signal.SIGHUP)
    while kept() != "public, max-age=78":
        assert asked(where, "iiif/3/sea/0,0,300,200/300,/0/default.jpg") == 200
        assert time.monotonic() < until + 30


def web_workers(process: subprocess.Popen[str]) -> set[int]:
    """The web workers of a server: forked, they have the command of the main process."""
    mine = command(process.pid)
    return {pid for pid in children(process.pid) if lives(pid) and command_or_none(pid) == mine}


def command_or_none(pid: int) -> str | None:
    with contextlib.suppress(OSError):
        return command(pid)
    return None


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_a_worker_that_hangs_is_replaced(scans: Path, start: Any) -> None:
    where, process = start(
        "serve", str(scans), "--port", "0", "--workers", "1", IIIFSERVER_WORKER_SILENCE_S="2"
    )
    assert asked(where, "health") == 200
    (hung,) = web_workers(process)
    os.kill(hung, signal.SIGSTOP)
    wait_until(lambda: not lives(hung))
    wait_until(lambda: bool(web_workers(process) - {hung}))
    assert asked(where, "iiif/3/sea/0,0,300,200/300,/0/default.jpg") == 200


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_a_worker_may_be_killed_more_than_once(scans: Path, start: Any) -> None:
    where, process = start("serve", str(scans), "--port", "0", "--workers", "1")
    killed: set[int] = set()
    for _ in range(3):
        wait_until(lambda: bool(web_workers(process) - killed))
        (worker,) = web_workers(process) - killed
        os.kill(worker, signal.SIGKILL)
        killed.add(worker)
    wait_until(lambda: bool(web_workers(process) - killed))
    assert asked(where, "health") == 200


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_workers_end_when_the_main_process_is_killed(scans: Path, start: Any) -> None:
    where, process = start("serve", str(scans), "--port", "0", "--workers", "2")
    assert asked(where, "health") == 200
    family = children(process.pid)
    process.kill()
    process.wait(20)
    until = time.monotonic() + 30
    while (left := [pid for pid in family if lives(pid)]) and time.monotonic() < until:
        time.sleep(0.05)
    assert left == []


# a worker that begins when its main process has ended already
LATE = """
import multiprocessing, os, socket, sys, time
from iiifserver import server

def begin(main):
    print(os.getpid(), flush=True)
    while os.getppid() == main:
        time.sleep(0.01)
    server.worker(socket.create_server(("127.0.0.1", 0)), lambda: print("ready", flush=True))

multiprocessing.get_context("fork").Process(target=begin, args=(os.getpid(),)).start()
time.sleep(0.5)
os._exit(0)
"""


@pytest.mark.skipif("sys.platform != 'linux'", reason="workers are forked on Linux only")
def test_a_worker_ends_whose_main_process_ended_before_it_was_ready(
    scans: Path, tmp_path: Path
) -> None:
    where = {"IIIFSERVER_FOLDER": str(scans), "IIIFSERVER_DATA": str(tmp_path / "data")}
    environment = where | {"IIIF_THREADS": "2", "IIIF_CONNECTIONS": "9"}
    found = subprocess.run(
        [sys.executable, "-c", LATE],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    number = found.stdout.split()[0]
    wait_until(lambda: not lives(int(number)))


def status(where: str, path: str) -> int:
    try:
        return asked(where, path)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def numbers(where: str) -> dict[str, float]:
    with urllib.request.urlopen(f"{where}metrics", timeout=60) as answer:
        lines = answer.read().decode().splitlines()
    found = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in found}


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_what_all_processes_did_is_told_by_any_of_them_and_outlives_them(
    scans: Path, start: Any
) -> None:
    where, process = start("serve", str(scans), "--port", "0", "--workers", "2")
    asked(where, "ready")
    wait_until(lambda: numbers(where)['iiifserver_processes{kind="web"}'] == 2)
    before = numbers(where)
    for _ in range(40):
        asked(where, "iiif/3/sea/info.json")
        asked(where, "iiif/3/sea/0,0,300,200/300,/0/default.jpg")
    after = numbers(where)
    answers = [
        sum(
            value
            for name, value in found.items()
            if name.startswith("iiifserver_requests_total")
            and ('"picture"' in name or '"info"' in name)
            and '"2xx"' in name
        )
        for found in (before, after)
    ]
    assert answers[1] - answers[0] == 80
    assert after['iiifserver_processes{kind="web"}'] == 2
    assert after['iiifserver_processes{kind="broker"}'] == 1
    assert after['iiifserver_render_jobs_by_lane_total{lane="small"}'] == 1  # made once
    worker = next(pid for pid in children(process.pid) if command(pid) == command(process.pid))
    os.kill(worker, signal.SIGKILL)
    until = time.monotonic() + 30
    while True:
        with contextlib.suppress(OSError):  # those that it was just given
            found = numbers(where)
            if found['iiifserver_process_deaths_total{kind="web"}'] == 1:
                break
        assert time.monotonic() < until
    assert "iiifserver_edition" not in found  # of a folder there is none
    told = 'iiifserver_requests_total{kind="info",door="tiles",status="2xx"}'
    assert found[told] >= after[told]


@pytest.mark.skipif("sys.platform != 'linux'", reason="kills a render process, found in /proc")
def test_an_error_is_called_the_same_in_the_answer_and_in_every_log(
    scans: Path, tmp_path: Path, start: Any
) -> None:
    (scans / "broken.png").write_bytes((scans / "sea.png").read_bytes()[:-30])
    where, process = start("serve", str(scans), "--port", "0", "--workers", "1")
    call = urllib.request.Request(
        f"{where}iiif/3/broken/full/max/0/default.jpg", headers={"X-Request-ID": "named-7"}
    )
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(call, timeout=60)
    with caught.value as error:
        assert error.headers["X-Request-ID"] == "named-7"
        assert json.load(error)["request"] == "named-7"
    process.terminate()
    said = process.communicate(timeout=60)[0]
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    about = [line for line in lines if line.get("id") == "named-7"]
    assert {line.get("level", "access") for line in about} == {"access", "WARNING"}


@pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")
def test_what_the_main_process_says_is_json_too(scans: Path, start: Any) -> None:
    where, process = start("serve", str(scans), "--port", "0", "--workers", "1")
    broker = next(pid for pid in children(process.pid) if "broker.door" in command(pid))
    os.kill(broker, signal.SIGKILL)
    until = time.monotonic() + 60
    deaths = 'iiifserver_process_deaths_total{kind="broker"}'
    while numbers(where)[deaths] != 1:
        assert time.monotonic() < until
    while status(where, "ready") != 200:
        assert time.monotonic() < until
    process.terminate()
    said = [json.loads(line) for line in process.communicate(timeout=60)[0].splitlines()]
    (told,) = [line["message"] for line in said if "broker ended" in line.get("message", "")]
    assert told.endswith("another starts")


def test_a_server_whose_log_nobody_reads_answers_is_reloaded_and_ends(
    scans: Path, start: Any
) -> None:
    where, process = start("serve", str(scans), "--port", "0", "--workers", "1")
    before = web_workers(process)
    with contextlib.closing(http.client.HTTPConnection(urlsplit(where).netloc)) as connection:
        for _ in range(1_500):  # more lines than a pipe holds
            connection.request("GET", "/health")
            assert connection.getresponse().read()
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: bool(web_workers(process)) and not web_workers(process) & before)
    assert asked(where, "/ready") == 200
    process.terminate()
    assert process.wait(25) == 0  # nobody had to be killed, which takes longer


def test_idle_connections_keep_no_reader_out(scans: Path, start: Any) -> None:
    where, _ = start("serve", str(scans), "--port", "0", "--workers", "1")
    with contextlib.ExitStack() as idle:
        for _ in range(1_200):
            connection = socket.create_connection(("127.0.0.1", urlsplit(where).port), 30)
            idle.enter_context(connection).sendall(b"GET /iiif/3/sea/info.json HTTP/1.1\r\n")
        assert asked(where, "iiif/3/sea/0,0,300,200/300,/0/default.jpg") == 200


def test_a_request_that_is_being_answered_is_finished(scans: Path, start: Any) -> None:
    where, process = start("serve", str(scans), "--port", "0", "--workers", "1")
    client = http.client.HTTPConnection(urlsplit(where).netloc, timeout=60)
    client.request("GET", "/iiif/3/sea/full/^4000,/9/default.png")  # a second or two
    assert asked(where, "health") == 200  # which came later
    process.terminate()
    answer = client.getresponse()
    assert (answer.status, answer.read()[:4]) == (200, b"\x89PNG")
    client.close()
    process.wait(40)


def test_a_worker_that_cannot_start_says_why(scans: Path, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if "IIIF" not in name}
    done = subprocess.run(
        [sys.executable, "-c", "from iiifserver.server import worker; worker(None, print)"],
        env=environment | {"IIIFSERVER_DATA": str(tmp_path), "IIIF_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("iiifserver: a worker cannot start: nothing is published")
    assert "Traceback" not in done.stderr
