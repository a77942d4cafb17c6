"""The servers that are compared, each started fresh on loopback with two workers and no access log.

All answer the same paths, `/iiif/3/{identifier}/{region}/{size}/{rotation}/{quality}.jpg`.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from accounting import cpu_s

from iiifserver.image import lossless

WORKERS = 2
IIPIMAGE = "/usr/lib/iipimage-server/iipsrv.fcgi"
NEEDED = {"wrk": "wrk", "nginx": "nginx-light", IIPIMAGE: "iipimage-server"}
IIPIMAGE_CACHE_MB = 10
"""What Debian's package sets; a tile decoded once is kept there, as JPEG."""
_START_S = 60.0
_START_LOOKS = 40

_NGINX = """
daemon off; worker_processes {workers}; pid {folder}/pid; error_log {folder}/errors;
events {{ worker_connections 768; }}
http {{
  sendfile on; tcp_nopush on; access_log off; default_type image/jpeg;
  types {{ image/jpeg jpg; application/json json; }}
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port}; keepalive_requests 100000000; {content} }}
}}
"""
_FASTCGI = """
  location ~ ^/iiif/3/([^/]+)/(.*)$ {{
    fastcgi_pass unix:{socket}; fastcgi_buffers 16 64k; fastcgi_max_temp_file_size 0;
    fastcgi_param QUERY_STRING IIIF=$1.tif/$2; fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param REQUEST_URI /; fastcgi_param SERVER_PROTOCOL $server_protocol;
    fastcgi_param HTTP_HOST $http_host;
  }}
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at *address*; *roots* are its processes, each with its children."""

    address: str
    roots: tuple[int, ...]

    def get(self, path: str, timeout_s: float = 120) -> tuple[int, bytes]:
        """Return the status and the body of one answer."""
        with contextlib.closing(self.connection(timeout_s)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def connection(self, timeout_s: float = 120) -> http.client.HTTPConnection:
        """Return a connection of its own."""
        return http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=timeout_s)


def missing() -> list[str]:
    """Return the Debian packages that are needed here and are not installed."""
    programs = [package for program, package in NEEDED.items() if not shutil.which(program)]
    return programs if lossless.found() else [*programs, "libturbojpeg0"]


def install(packages: Sequence[str]) -> None:
    """Install Debian packages, as root or by sudo; say what is missing where that cannot be."""
    if not packages:
        return
    sudo = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        for command in (["update"], ["install", "-y", "--no-install-recommends", *packages]):
            subprocess.run(
                [*sudo, "apt-get", "-qq", *command],
                check=True,
                env=environment,
                stdout=subprocess.DEVNULL,
            )
        return
    sys.exit(f"bench: these Debian packages are missing: {' '.join(packages)}")


@contextlib.contextmanager
def ours(*arguments: object, log: Path | None = None) -> Iterator[Server]:
    """Run `iiifserver serve` with these arguments; its access log goes to *log* if there is one."""
    command = [sys.executable, "-m", "iiifserver.cli", "serve", *map(str, arguments)]
    command += ["--port", str(port := _free_port()), "--workers", str(WORKERS)]
    environment = {"IIIFSERVER_ACCESS_LOG": "true" if log else "false"}
    with contextlib.ExitStack() as stack:
        errors = stack.enter_context(log.open("w")) if log else None
        pid = stack.enter_context(_running(command, environment=environment, stderr=errors))
        yield _at_rest(_ready(Server(f"http://127.0.0.1:{port}", (pid,)), "/health"))


@contextlib.contextmanager
def nginx(files: Path, scratch: Path) -> Iterator[Server]:
    """Run Debian's nginx with its own settings, serving *files*."""
    with _nginx(f"root {files};", scratch) as server:
        yield server


@contextlib.contextmanager
def iipimage(
    pyramids: Path, scratch: Path, *, cache_mb: int = IIPIMAGE_CACHE_MB, quality: int = 85
) -> Iterator[Server]:
    """Run Debian's iipimage-server behind its nginx, a process for each worker, on *pyramids*.

    Its processes take turns at one socket, as under spawn-fcgi. One answers one request at a time,
    so connections between nginx and it are not kept open: an idle one would hold it.
    """
    path = scratch / "iipimage.socket"
    path.unlink(missing_ok=True)
    environment = {
        "VERBOSITY": "0",
        "LOGFILE": os.devnull,
        "MAX_IMAGE_CACHE_SIZE": str(cache_mb),
        "JPEG_QUALITY": str(quality),
        "MAX_CVT": "20000",
        "FILESYSTEM_PREFIX": f"{pyramids}/",
        "OMP_NUM_THREADS": "1",
    }
    with contextlib.ExitStack() as stack, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen(1024)
        path.chmod(0o666)
        run = [
            stack.enter_context(_running([IIPIMAGE], environment=environment, stdin=listening))
            for _ in range(WORKERS)
        ]
        front = stack.enter_context(_nginx(_FASTCGI.format(socket=path), scratch))
        yield Server(front.address, (*run, *front.roots))


@contextlib.contextmanager
def naive(scans: Path) -> Iterator[Server]:
    """Run the plainest server that one would write: pyvips opens the scan for each request."""
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "naive:application"]
    command += ["--host", "127.0.0.1", "--port", str(port := _free_port())]
    command += ["--workers", str(WORKERS), "--blocking-threads", "8", "--no-ws"]
    command += ["--log-level", "error"]
    environment = {
        "SCANS": str(scans),
        "PYTHONPATH": str(Path(__file__).parent),
        "VIPS_CONCURRENCY": "1",
    }
    with _running(command, environment=environment) as pid:
        yield _ready(Server(f"http://127.0.0.1:{port}", (pid,)), "/")


@contextlib.contextmanager
def _nginx(content: str, scratch: Path) -> Iterator[Server]:
    folder = scratch / "nginx"
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    text = _NGINX.format(workers=WORKERS, folder=folder, port=port, content=content)
    if os.geteuid() == 0:
        text = f"user root; {text}"  # what is served lies where www-data may not look
    (folder / "conf").write_text(text, encoding="utf-8")
    command = ["nginx", "-c", str(folder / "conf"), "-e", str(folder / "errors")]
    with _running(command) as pid:
        yield _ready(Server(f"http://127.0.0.1:{port}", (pid,)), "/")


@contextlib.contextmanager
def _running(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    stdin: socket.socket | int = subprocess.DEVNULL,
    stderr: IO[str] | None = None,
) -> Iterator[int]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **(environment or {})},
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        # ^C is for the program that measures, which then ends its servers. No session of their own:
        # Linux would divide the cores by sessions then, the client's and the server's (autogroups)
        process_group=0,
    )
    try:
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ready(server: Server, path: str) -> Server:
    until = time.monotonic() + _START_S
    while time.monotonic() < until:
        with contextlib.suppress(OSError, http.client.HTTPException):
            server.get(path, 2)
            return server
        time.sleep(0.02)
    sys.exit(f"bench: no answer from {server.address} in {_START_S:.0f} s")


def _at_rest(server: Server) -> Server:
    """Return *server* when its processes have done what they do at their start."""
    before = -1.0
    for _ in range(_START_LOOKS):
        now = cpu_s(*server.roots)
        if now == before:
            break
        before = now
        time.sleep(0.3)
    return server


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])
