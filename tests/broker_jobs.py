"""Jobs that render processes load quickly, for tests of the broker."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from iiifserver.errors import BadRequest

MIB = 1 << 20


@dataclass(frozen=True)
class Answer:
    """A job that answers with its process's number."""

    name: str = "answer"
    key: str = "answer"
    source: str = "answer"
    cost_ms: float = 1.0
    keep: str | None = None

    def run(self) -> bytes:
        return str(os.getpid()).encode()


@dataclass(frozen=True)
class Describe(Answer):
    """A job that tells what its process is called, and what it is held to."""

    name: str = "describe"
    key: str = "describe"

    def run(self) -> bytes:
        told = {
            "name": Path("/proc/self/comm").read_text().strip(),
            "nice": os.getpriority(os.PRIO_PROCESS, 0),
            "memory": resource.getrlimit(resource.RLIMIT_DATA)[0],
            "policy": os.sched_getscheduler(0),
            "loaded": "colorsys" in sys.modules,
        }
        return json.dumps(told).encode()


@dataclass(frozen=True)
class Die:
    name: str = "die.tif"
    key: str = "die.tif"
    source: str = "die.tif"
    cost_ms: float = 1.0
    keep: str | None = None

    def run(self) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""


@dataclass(frozen=True)
class Hang:
    name: str = "hang.tif"
    key: str = "hang.tif"
    source: str = "hang.tif"
    cost_ms: float = 1.0
    keep: str | None = None

    def run(self) -> bytes:
        threading.Event().wait()
        return b""


@dataclass(frozen=True)
class Devour:
    """A job that takes memory until there is none."""

    name: str = "bomb.png"
    key: str = "bomb.png"
    source: str = "bomb.png"
    cost_ms: float = 1.0
    keep: str | None = None

    def run(self) -> bytes:
        held = []
        while len(held) < 4096:
            held.append(bytearray(16 * MIB))
        return b"never"


@dataclass(frozen=True)
class Refuse:
    name: str = "refuse"
    key: str = "refuse"
    source: str = "refuse"
    cost_ms: float = 1.0
    keep: str | None = None

    def run(self) -> bytes:
        raise BadRequest("no", parameter="size", spec="https://example.org/#size")


@dataclass(frozen=True)
class Until:
    """A job that takes until a file is there."""

    path: Path
    log: Path
    name: str = "until"
    source: str = "until"
    cost_ms: float = 1.0
    keep: str | None = None

    @property
    def key(self) -> str:
        return f"until {self.path}"

    def run(self) -> bytes:
        with self.log.open("a") as log:
            log.write("run\n")
        while not self.path.exists():
            time.sleep(0.01)
        return b"done"


@dataclass(frozen=True)
class Large(Answer):
    name: str = "large"
    key: str = "large"

    def run(self) -> bytes:
        return bytes(40 * MIB)
