"""Asking a server: wrk, 2 threads and 16 connections that stay open, paths from a file."""

from __future__ import annotations

import json
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from accounting import Meter
from servers import Server

SCRIPT = Path(__file__).with_name("load.lua")
THREADS, CONNECTIONS = 2, 16
_LONGEST_S = 120


@dataclass(frozen=True, slots=True)
class Run:
    """What wrk found, and what the server spent on it."""

    requests: int
    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    kb_each: float
    not_ok: int
    refused: int
    broken: int
    foreign_cores: float


def once(server: Server, paths: Sequence[str]) -> Run:
    """Ask each path once."""
    return _run(server, paths, "once", _LONGEST_S)


def again(server: Server, paths: Sequence[str], seconds: float, **more: int) -> Run:
    """Ask the paths round and round for so long; *more* is `connections`, `threads`, `pause_ms`."""
    return _run(server, paths, "again", seconds, **more)


def _run(
    server: Server,
    paths: Sequence[str],
    mode: str,
    seconds: float,
    *,
    connections: int = CONNECTIONS,
    threads: int = THREADS,
    pause_ms: int = 0,
) -> Run:
    with tempfile.NamedTemporaryFile("w", suffix=".paths") as file:
        file.write("\n".join(paths) + "\n")
        file.flush()
        command = ["wrk", "--latency", f"-t{threads}", f"-c{connections}", f"-d{seconds:.0f}s"]
        command += ["--timeout", f"{_LONGEST_S}s", "-s", str(SCRIPT), server.address, "--"]
        command += [file.name, mode, str(connections // threads), str(threads), str(pause_ms)]
        meter = Meter(*server.roots)
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            asked_all = 0
            for line in process.stdout:
                asked_all += line.startswith("asked all")
                if asked_all == threads:
                    asked_all = 0
                    process.send_signal(signal.SIGINT)
                if line.startswith("{"):
                    found = json.loads(line)
        spent = meter.read()
    size = found.pop("bytes")
    requests = max(found["requests"], 1)
    return Run(
        cpu_us=round(spent.cpu_s / requests * 1e6, 1),
        kb_each=round(size / requests / 1000, 1),
        foreign_cores=spent.foreign_cores,
        **found,
    )
