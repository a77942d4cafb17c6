"""What a server survives: killed processes, full and read-only disks, a new edition under load."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import pyvips
from image_sources import picture
from in_this_process import InThisProcess
from PIL import Image
from small_exhibition import Small
from store_servers import s3_server
from test_server import (
    children,
    command_or_none,
    scans,
    start,
    wait_until,
    web_workers,
)

from iiifserver.config import Config
from iiifserver.edition import numbers
from iiifserver.web import create_app

__all__ = ["scans", "start"]

pytestmark = pytest.mark.skipif("sys.platform != 'linux'", reason="finds processes in /proc")

QUIET = {"IIIFSERVER_ACCESS_LOG": "false"}  # nobody reads what they say
TILE = "iiif/3/sea/0,0,300,200/300,/0/default.jpg"
_MIB = 1 << 20


def asked(where: str, path: str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(f"{where}{path}", timeout=100) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def listen(process: subprocess.Popen[str]) -> None:
    """Read what a server says, and forget it: a pipe that is full would stop it."""
    assert process.stdout is not None
    threading.Thread(target=process.stdout.read, daemon=True).start()


def role(pid: int) -> str:
    """What a process of a server is: `web`, `broker`, `render` or the `nursery` of these."""
    said = command_or_none(pid) or ""
    if "iiifserver.image.broker.nursery" in said:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/comm").read_text().startswith("render"):
                return "render"
        return "nursery"
    return "broker" if "iiifserver.image.broker.door" in said else "web"


class Readers:
    """Threads that ask the same paths again and again, and note what they get."""

    def __init__(self, where: str, paths: list[str], count: int = 3) -> None:
        self.seen: dict[str, Counter[tuple[int, str]]] = {path: Counter() for path in paths}
        self.lost: list[str] = []
        self._where = where
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._read, args=(n,)) for n in range(count)]

    def __enter__(self) -> Readers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(200)

    def _read(self, number: int) -> None:
        pick = random.Random(number)
        while not self._over.is_set():
            path = pick.choice(list(self.seen))
            try:
                status, body = asked(self._where, path)
            except (OSError, http.client.HTTPException) as error:
                with self._lock:
                    self.lost.append(f"{path}: {error!r}")
            else:
                with self._lock:
                    self.seen[path][status, hashlib.sha256(body).hexdigest()] += 1
            self._over.wait(0.02)

    @property
    def count(self) -> int:
        with self._lock:
            return sum(each.total() for each in self.seen.values())

    def go_on(self, more: int = 10) -> None:
        """Return when so many more answers have come."""
        before = self.count
        wait_until(lambda: self.count >= before + more)


def test_whatever_process_is_killed_the_server_answers_right_again(scans: Path, start: Any) -> None:
    for number in range(9):
        picture(200, 150, seed=number).save(scans / f"p{number}.png")
    where, process = start("serve", str(scans), "--port", "0", "--workers", "2", **QUIET)
    listen(process)
    _, tile = asked(where, TILE)
    made = 0
    with Readers(where, [TILE]) as readers:
        for victim in ("render", "nursery", "render", "broker", "web", "web", "broker", "render"):
            family = [pid for pid in children(process.pid) if role(pid) == victim]
            os.kill(family[0], signal.SIGKILL)
            fresh = f"iiif/3/p{made}/full/180,/0/default.png"  # no table has it, no file keeps it
            made += 1
            wait_until(lambda fresh=fresh: _is_answered(where, fresh))
            with Image.open(io.BytesIO(asked(where, fresh)[1])) as shown:
                assert shown.size == (180, 135)
            readers.go_on()
        wait_until(lambda: len(web_workers(process)) == 2)
    right = hashlib.sha256(tile).hexdigest()
    assert {found for found in readers.seen[TILE] if found[0] == 200} == {(200, right)}
    assert all(status in (200, 503) for status, _ in readers.seen[TILE])


def _is_answered(where: str, path: str) -> bool:
    with contextlib.suppress(OSError, http.client.HTTPException):
        return asked(where, path)[0] == 200
    return False


def test_tiles_that_stand_ready_go_on_where_no_more_pictures_are_let_in(
    scans: Path, tmp_path: Path, start: Any
) -> None:
    pixels = pyvips.Image.new_from_array(np.asarray(picture(1_200, 1_000)))
    pixels.tiffsave(
        str(scans / "p.tif"), tile=True, tile_width=256, pyramid=True, compression="jpeg"
    )
    data = tmp_path / "data"
    where, process = start(
        *("serve", str(scans), "--data", str(data), "--port", "0", "--workers", "2"),
        **{"IIIFSERVER_RENDER_PROCESSES": "1", "IIIFSERVER_RENDER_QUEUE": "1", **QUIET},
    )
    listen(process)
    tile = "iiif/3/p.tif/0,0,256,256/256,256/0/default.jpg"
    assert asked(where, tile)[0] == 200
    wait_until(lambda: any(data.rglob("*.tiles")))
    right = asked(where, tile)[1]
    slow = [f"iiif/3/sea/full/^{3_000 + number},/9/default.png" for number in range(24)]
    made: list[tuple[int, str | None, str, bytes]] = []

    def ask(path: str) -> None:
        try:
            with urllib.request.urlopen(f"{where}{path}", timeout=100) as answer:
                made.append((answer.status, None, answer.headers.get_content_type(), answer.read()))
        except urllib.error.HTTPError as error:
            again, kind = error.headers["Retry-After"], error.headers.get_content_type()
            made.append((error.code, again, kind, error.read()))

    threads = [threading.Thread(target=ask, args=(path,)) for path in slow]
    for thread in threads:
        thread.start()
    tiles = []
    while any(thread.is_alive() for thread in threads):
        tiles.append(asked(where, tile))
    assert len(tiles) > 1
    assert set(tiles) == {(200, right)}
    assert {status for status, *_ in made} == {200, 503}
    for status, again, kind, body in made:
        if status == 503:
            assert again is not None
            assert int(again) > 0
            assert kind == "application/problem+json"
            assert json.loads(body)["status"] == 503


@pytest.mark.long
def test_processes_may_be_killed_at_any_moment(scans: Path, start: Any) -> None:
    for number in range(60):
        picture(400, 300, seed=number).save(scans / f"p{number}.png")
    where, process = start("serve", str(scans), "--port", "0", "--workers", "2", **QUIET)
    listen(process)
    paths = [f"iiif/3/p{n}/full/{size}/0/default.png" for n in range(50) for size in ("max", "99,")]
    paths += ["iiif/3/sea/info.json", TILE]
    pick = random.Random(4)
    with Readers(where, paths, count=4) as readers:
        for number in range(25):
            time.sleep(pick.random())  # at any moment
            family = children(process.pid)
            with contextlib.suppress(ProcessLookupError, IndexError):
                victims = [pid for pid in family if role(pid) != "web"]
                # four times a web worker: five deaths of one in a minute end a server
                webs = sorted(web_workers(process)) if number % 6 == 5 else []
                os.kill(pick.choice(webs or victims), signal.SIGKILL)
    for path, found in readers.seen.items():
        right = [digest for status, digest in found if status == 200]
        assert len(right) <= 1, path
        assert {status for status, _ in found} <= {200, 500, 503}, path
    wait_until(lambda: _is_answered(where, "iiif/3/p55/full/99,/0/default.png"))
    wait_until(lambda: len(web_workers(process)) == 2)
    assert process.poll() is None


def pss_mb(pids: Iterable[int]) -> float:
    """The memory of processes, of what they share with others their part."""
    lines = [
        line
        for pid in pids
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        if line.startswith("Pss:")
    ]
    return sum(int(line.split()[1]) for line in lines) / 1_000


@pytest.mark.long
def test_clients_that_read_nothing_take_little_memory(tmp_path: Path, start: Any) -> None:
    scans = tmp_path / "noise"
    scans.mkdir()
    bands = [pyvips.Image.gaussnoise(2048, 2048, mean=128, sigma=60) for _ in range(3)]
    bands[0].bandjoin(bands[1:]).cast("uchar").copy(interpretation="srgb").tiffsave(
        str(scans / "noise.tif"), tile=True, tile_width=512, tile_height=512, pyramid=True,
        compression="jpeg", Q=85)  # fmt: skip
    where, process = start("serve", str(scans), "--port", "0", "--workers", "2", **QUIET)
    listen(process)
    region = "iiif/3/noise.tif/100,100,1000,1000/1000,/0/default.jpg"
    wait_until(lambda: len(asked(where, region)[1]) > 500_000)
    asked_for = [region] * 10 + ["iiif/3/noise.tif/full/max/0/default.jpg"]
    requests = "".join(f"GET /{path} HTTP/1.1\r\nHost: here\r\n\r\n" for path in asked_for)
    before = pss_mb(web_workers(process))
    with contextlib.ExitStack() as clients:
        for _ in range(600):
            client = clients.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            client.connect((urlsplit(where).hostname, urlsplit(where).port))
            client.sendall(requests.encode())
        for _ in range(5):
            assert asked(where, region)[0] == 200
            assert pss_mb(web_workers(process)) < before + 100
            time.sleep(0.5)


@pytest.mark.long
def test_whoever_waits_for_a_picture_when_the_server_is_told_to_end_gets_an_answer(
    scans: Path, start: Any
) -> None:
    where, process = start(
        "serve",
        str(scans),
        "--port",
        "0",
        "--workers",
        "1",
        IIIFSERVER_RENDER_PROCESSES="1",
        **QUIET,
    )
    answers: list[int] = []

    def ask(number: int) -> None:
        answers.append(asked(where, f"iiif/3/sea/full/^{3_000 + number},/9/default.png")[0])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    time.sleep(1)  # they have all arrived
    process.terminate()
    for thread in threads:
        thread.join(100)
    assert len(answers) == len(threads)  # nobody's connection was cut
    assert set(answers) <= {200, 503}
    assert process.wait(60) == 0


@pytest.mark.long
def test_a_publication_that_is_killed_at_any_moment_changes_nothing(tmp_path: Path) -> None:
    small = Small(tmp_path / "x")
    arguments = [str(small.sheets), "--images", str(small.scans), "--data", str(small.data)]
    command = [sys.executable, "-m", "iiifserver.cli", "publish", *arguments]
    command += ["--base-url", "http://archive.example"]
    subprocess.run(command, check=True, capture_output=True)
    assert numbers(small.data) == [1]
    began = time.monotonic()
    small.write("Second")
    subprocess.run(command, check=True, capture_output=True)
    takes_s = time.monotonic() - began
    pick, published = random.Random(3), 2
    for number in range(12):
        small.write(f"Title {number}")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
        ) as process:
            time.sleep(pick.random() * takes_s)
            family = [*children(process.pid), process.pid]
            for pid in family if number % 2 else [process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        newest = numbers(small.data)[-1]
        assert newest in (published, published + 1)
        published = newest
        client = create_app(Config(data=small.data), InThisProcess()).test_client()
        assert client.get("/presentation/3/collection").status_code == 200
        assert client.get("/iiif/3/a1-1/full/max/0/default.png").status_code == 200
    small.write("Last")
    subprocess.run(command, check=True, capture_output=True)
    client = create_app(Config(data=small.data), InThisProcess()).test_client()
    assert client.get("/presentation/3/letters/collection").json["label"]["en"] == ["Last"]


def test_a_new_edition_under_load_costs_no_answer_and_no_byte(tmp_path: Path, start: Any) -> None:
    small = Small(tmp_path / "x")
    small.publish(base_url="http://archive.example")
    paths = ["presentation/3/letters/collection", "en/letters/", "presentation/3/a1/manifest"]
    paths += ["iiif/3/a1-1/full/max/0/default.png", "iiif/3/a1-1/info.json"]
    right: dict[str, set[tuple[int, str]]] = {path: set() for path in paths}

    def note() -> None:
        client = create_app(small.config(), InThisProcess()).test_client()
        for path in paths:
            answer = client.get(f"/{path}")
            right[path].add((answer.status_code, hashlib.sha256(answer.data).hexdigest()))

    note()
    where, _ = start("serve", "--data", str(small.data), "--port", "0", "--workers", "2",
                     **QUIET)  # fmt: skip
    with Readers(where, paths) as readers:
        readers.go_on(20)
        for number in range(3):
            small.titles["a1"] = f"Renamed {number}"
            small.write(f"Title {number}")
            small.publish(base_url="http://archive.example")
            note()
            wait_until(
                lambda number=number: f"Title {number}".encode() in asked(where, paths[0])[1]
            )
            readers.go_on(20)
    assert readers.lost == []
    for path in paths:
        assert set(readers.seen[path]) <= right[path], path
        assert all(status == 200 for status, _ in right[path])
    assert len(readers.seen[paths[0]]) >= 3


# -- disks


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 16 MiB, in memory."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


@contextlib.contextmanager
def full(disk: Path, left_bytes: int = 0) -> Iterator[None]:
    """Leave as much of a disk as said, for the length of a `with`."""
    filler = disk / "filler"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(free - left_bytes, 1))
    yield
    filler.unlink()


def test_a_full_disk_keeps_no_picture_from_its_reader(
    scans: Path, small_disk: Path, start: Any
) -> None:
    Image.effect_noise((2_600, 2_000), 80).save(scans / "slow.png", compress_level=0)
    where, _ = start("serve", str(scans), "--port", "0", "--workers", "1", "--data",
                     str(small_disk / "data"))  # fmt: skip
    with full(small_disk):
        for number in range(100, 105):
            status, body = asked(where, f"iiif/3/sea/full/{number},/0/default.png")
            assert status == 200
            with Image.open(io.BytesIO(body)) as shown:
                assert shown.width == number
        # a pyramid of this is begun, and cannot be written
        for left in range(0, 2_048, 512):
            tile = f"iiif/3/slow/{left},0,512,512/512,/0/default.jpg"
            assert asked(where, tile)[0] == 200
    kept = small_disk / "data" / "derived"
    before = _files(kept)
    assert asked(where, "iiif/3/sea/full/123,/0/default.png")[0] == 200
    assert _files(kept) > before  # there is room again
    assert asked(where, "iiif/3/slow/512,0,512,512/512,/0/default.jpg")[0] == 200


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*")) if folder.is_dir() else 0


def test_a_publication_on_a_full_disk_says_so_and_loses_nothing(
    tmp_path: Path, small_disk: Path
) -> None:
    small = Small(tmp_path / "x")
    small.data = small_disk / "data"

    def published() -> subprocess.CompletedProcess[str]:
        arguments = [str(small.sheets), "--images", str(small.scans), "--data", str(small.data)]
        command = [sys.executable, "-m", "iiifserver.cli", "publish", *arguments]
        command += ["--base-url", "http://archive.example"]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert published().returncode == 0
    small.write("Other")
    with full(small_disk):
        failed = published()
        assert failed.returncode == 2
        assert "No space left on device" in failed.stderr
        assert "Traceback" not in failed.stderr
        client = create_app(small.config(derived_mib=0), InThisProcess()).test_client()
        assert client.get("/presentation/3/letters/collection").json["label"]["en"] == ["Letters"]
        assert client.get("/iiif/3/a1-1/full/max/0/default.png").status_code == 200
    assert published().returncode == 0
    client = create_app(small.config(derived_mib=0), InThisProcess()).test_client()
    assert client.get("/presentation/3/letters/collection").json["label"]["en"] == ["Other"]
    left = [path for path in small_disk.rglob("*") if "aside" in path.name]
    assert left == []


def test_what_is_published_is_served_from_a_disk_that_cannot_be_written(
    tmp_path: Path, small_disk: Path, start: Any
) -> None:
    small = Small(tmp_path / "x")
    small.data = small_disk / "data"
    small.publish(base_url="http://archive.example")
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    where, process = start("serve", "--data", str(small.data), "--port", "0", "--workers", "1")
    pictures = ("max/0/default.png", "30,/90/gray.jpg")
    paths = ("presentation/3/a1/manifest", "en/letters/", "presentation/a1/record.pdf")
    for path in (*(f"iiif/3/a1-1/full/{each}" for each in pictures), *paths):
        status, body = asked(where, path)
        assert (status, bool(body)) == (200, True), (path, body[:300])
    process.terminate()
    said = process.communicate(timeout=60)[0]
    assert "Traceback" not in said


def test_a_folder_is_served_where_nothing_can_be_written(
    scans: Path, small_disk: Path, start: Any
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    where, _ = start("serve", str(scans), "--port", "0", "--workers", "1", "--data",
                     str(small_disk / "data"))  # fmt: skip
    assert asked(where, TILE)[0] == 200
    assert asked(where, "iiif/3/sea/full/99,/0/default.png")[0] == 200


# -- stores


class Line:
    """The way to a store: a port that passes on what is said, until it is cut."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._ends: list[socket.socket] = []
        self._listening = self._listen(0)
        self.port = self._listening.getsockname()[1]

    def _listen(self, port: int) -> socket.socket:
        listening = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, args=(listening,), daemon=True).start()
        return listening

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                near, _ = listening.accept()
                far = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                return
            self._ends += [near, far]
            for ends in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=ends, daemon=True).start()

    def cut(self) -> None:
        """Let nobody through, and end all that is being said."""
        for end in (self._listening, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def mend(self) -> None:
        """Pass on again, at the same port."""
        self._listening = self._listen(self.port)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)


def test_a_store_that_is_gone_costs_time_and_one_that_is_back_is_read_again(
    tmp_path: Path, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Small(tmp_path / "x")
    picture(1_500, 1_300).save(small.scans / "a1" / "1.png")
    with s3_server() as s3:
        line = Line(urlsplit(s3.url).port or 0)
        environment = s3.environment() | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{line.port}"}
        store = s3.bucket("archive")
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        small.publish(base_url="http://archive.example", store=store)
        where, _ = start(
            "serve", "--port", "0", "--workers", "1", "--data", str(tmp_path / "node"),
            IIIFSERVER_STORE=store, **environment, **QUIET,
        )  # fmt: skip
        tiles = [f"iiif/3/a1-1/{left},0,512,512/512,/0/default.jpg" for left in (0, 512)]
        documents = [f"presentation/3/{name}/manifest" for name in ("a1", "b1")]
        seen = {path: asked(where, path) for path in (tiles[0], documents[0])}
        assert {status for status, _ in seen.values()} == {200}
        with Readers(where, list(seen)) as readers:
            line.cut()
            for path in (tiles[1], documents[1]):
                with pytest.raises(urllib.error.HTTPError) as refused:
                    urllib.request.urlopen(f"{where}{path}", timeout=100)
                with refused.value as error:
                    assert error.code == 503, path
                    assert int(error.headers["Retry-After"]) > 0
                    assert error.headers["Content-Type"] == "application/problem+json"
            assert asked(where, "health")[0] == 200
            readers.go_on(20)  # what is in memory is served meanwhile
            line.mend()
            for path in (tiles[1], documents[1]):
                wait_until(lambda path=path: _is_answered(where, path))
            readers.go_on(20)
        assert readers.lost == []
        for path, (status, body) in seen.items():
            assert list(readers.seen[path]) == [(status, hashlib.sha256(body).hexdigest())], path
        assert {path: asked(where, path) for path in seen} == seen
        with Image.open(io.BytesIO(asked(where, tiles[1])[1])) as shown:
            shown.load()
            assert shown.size == (512, 512)
        line.cut()
