"""Readers, and those who do harm: each a coroutine that goes on until the time is over.

Each answer is compared with the expected one, byte by byte through its checksum. What a client may
count on is told by `Tally`: anything else is a fault, with its request.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from asked import REQUEST, Expected, of_kind

NAMED = f"X-Request-ID: {REQUEST}\r\n"
_ANSWER_S = 100.0  # a picture waits 30 s at most, and takes 60 at most
_HEADER_S = 45.0  # the server waits 15 s for a header
_MOST_HEAD_BYTES = 64 << 10
_MOST_FAULTS = 50
_PIPELINED = 6
_NONSENSE: tuple[bytes, ...] = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
    b"GET\r\n\r\n",
    b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    b"\0" * 512,
    b"GET /iiif/3/r1-1/info.json HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 3_000 + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /iiif/3/r1-1/info.json HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /en/%ff%fe?q=\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /iiif/3/r1-1/info.json HTTP/1.1\r\nHost: \xff\r\nX-Forwarded-Host: e.org\r\n\r\n",
    b"GET /health HTTP/1.1\r\n bad: folded\r\n\r\n",
)  # fmt: skip


@dataclass(slots=True)
class Tally:
    """What happened: answers by client and outcome, and the first faults in words."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)
    """Of what stands ready, for those who read as fast as they can."""

    def fault(self, what: str) -> None:
        """Note what must not happen."""
        self.counts["faults"] += 1
        if len(self.faults) < _MOST_FAULTS:
            self.faults.append(what)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class Connection:
    """A connection to the server, for one request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, port: int) -> Connection:
        """Return a new connection."""
        limit = 1 << 20
        return cls(*await asyncio.open_connection("127.0.0.1", port, limit=limit))

    def ask(self, path: str, method: str = "GET", **headers: str) -> None:
        """Send a request."""
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{NAMED}{''.join(lines)}\r\n"
        self.writer.write(head.encode())

    async def answer(
        self, *, bodiless: bool = False, pause: Callable[[], Awaitable[None]] | None = None
    ) -> Answer:
        """Return the next answer; read slowly, where *pause* says so."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.split(":", 1) for line in head[1:] if ":" in line)
        headers = {name.strip().lower(): value.strip() for name, value in pairs}
        length, body = int(headers.get("content-length", 0)), bytearray()
        while not bodiless and len(body) < length:
            if pause:
                await pause()
            piece = await self.reader.read(min(length - len(body), 8_192 if pause else 1 << 20))
            if not piece:
                raise EOFError(f"{len(body)} of {length} bytes")
            body += piece
        return Answer(int(head[0].split()[1]), headers, bytes(body))

    def close(self, *, at_once: bool = False) -> None:
        """Close it, *at_once* without a word of farewell."""
        if at_once:
            linger = struct.pack("ii", 1, 0)
            with contextlib.suppress(OSError):
                sock = self.writer.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.writer.transport.abort()
        else:
            self.writer.close()


@dataclass(slots=True)
class Crowd:
    """All clients of a run."""

    port: int
    known: Sequence[Expected]
    until: float
    tally: Tally = field(default_factory=Tally)
    random: random.Random = field(default_factory=lambda: random.Random(11))

    async def run(self) -> Tally:
        """Return what happened, when the time is over and all clients have ended."""
        crowd = (
            *(self.reader,) * 6, *(self.maker,) * 4, *(self.wrong,) * 2, *(self.nonsense,) * 2,
            *(self.slow_sender,) * 16, *(self.slow_reader,) * 4, *(self.leaver,) * 3,
            *(self.pipeliner,) * 2,
        )  # fmt: skip
        async with asyncio.TaskGroup() as group:
            for number, client in enumerate(crowd):
                group.create_task(self._again(client, number))
        return self.tally

    async def _again(self, client: Callable[[], Awaitable[None]], number: int) -> None:
        await asyncio.sleep(number * 0.02)
        while time.monotonic() < self.until:
            name = client.__name__
            try:
                async with asyncio.timeout(2 * _ANSWER_S):
                    await client()
            except (OSError, EOFError, TimeoutError, ValueError) as error:
                self.tally.fault(f"{name}: {type(error).__name__}: {error}")
                await asyncio.sleep(0.5)

    def _one(self, *kinds: str) -> Expected:
        return self.random.choice(of_kind(self.known, *kinds))  # type: ignore[arg-type]

    def _judge(self, client: str, one: Expected, answer: Answer) -> None:
        """Compare an answer with the expected one; only what is made may be refused for a time."""
        self.tally.counts[f"{client} {answer.status}"] += 1
        if answer.status == 503 and one.kind in ("made", "whole"):
            if "retry-after" not in answer.headers:
                self.tally.fault(f"{client}: {one.path}: 503 without Retry-After")
            return
        found = hashlib.sha256(answer.body).hexdigest()
        if (answer.status, found) != (one.status, one.digest):
            self.tally.fault(
                f"{client}: {one.path[:120]}: {answer.status}, {len(answer.body)} bytes; "
                f"expected {one.status}, {one.length}: {answer.body[-150:]!r}"
            )

    # -- who reads

    async def reader(self) -> None:
        """Look at an image: what stands ready, and documents, over one connection."""
        connection = await Connection.to(self.port)
        for _ in range(self.random.randint(20, 200)):
            one = self._one("ready", "ready", "document")
            started = time.monotonic()
            connection.ask(one.path)
            self._judge("reader", one, await connection.answer())
            if one.kind == "ready":
                self.tally.times_ms.append((time.monotonic() - started) * 1000)
            if one.etag and self.random.random() < 0.1:
                connection.ask(one.path, If_None_Match=one.etag)
                answer = await connection.answer(bodiless=True)
                if answer.status != 304:
                    self.tally.fault(f"reader: {one.path}: {answer.status}, not 304")
            await asyncio.sleep(self.random.random() * 0.02)
        connection.close()

    async def maker(self) -> None:
        """Ask for pictures that have to be made."""
        connection = await Connection.to(self.port)
        for _ in range(self.random.randint(1, 30)):
            one = self._one(*(("whole",) if self.random.random() < 0.1 else ("made",)))
            connection.ask(one.path)
            answer = await connection.answer()
            self._judge("maker", one, answer)
            if answer.status == 503:
                await asyncio.sleep(1)
        connection.close()

    async def pipeliner(self) -> None:
        """Send several requests before reading any answer: they come in order."""
        connection = await Connection.to(self.port)
        for _ in range(10):
            asked = [self._one("ready", "wrong") for _ in range(_PIPELINED)]
            for one in asked:
                connection.ask(one.path)
            for one in asked:
                self._judge("pipeliner", one, await connection.answer())
            await asyncio.sleep(0.05)
        connection.close()

    async def slow_reader(self) -> None:
        """Take a whole picture in small sips; what arrives is right all the same."""
        connection = await Connection.to(self.port)
        one, left = self._one("whole"), 400

        async def pause() -> None:
            nonlocal left
            left -= 1
            await asyncio.sleep(0.05 if left > 0 else 0)

        connection.ask(one.path)
        self._judge("slow reader", one, await connection.answer(pause=pause))
        connection.close()
        await asyncio.sleep(1)

    # -- who does harm

    async def wrong(self) -> None:
        """Ask for what is malformed or is not there."""
        connection = await Connection.to(self.port)
        for _ in range(20):
            one = self._one("wrong")
            connection.ask(one.path)
            self._judge("wrong", one, await connection.answer())
            await asyncio.sleep(0.05)
        connection.close()

    async def nonsense(self) -> None:
        """Send what is no HTTP, or hardly: an error or the end of the connection, never a hang."""
        connection = await Connection.to(self.port)
        said = self.random.choice(_NONSENSE)
        connection.writer.write(said)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            async with asyncio.timeout(_HEADER_S):
                answer = await connection.answer()
                self.tally.counts[f"nonsense {answer.status}"] += 1
                if answer.status == 500:
                    self.tally.fault(f"nonsense: {said[:80]!r}: {answer.body[:200]!r}")
        connection.close(at_once=True)
        await asyncio.sleep(0.1)

    async def slow_sender(self) -> None:
        """Send a header letter by letter; the server ends that."""
        connection = await Connection.to(self.port)
        started = time.monotonic()
        for letter in "GET /iiif/3/r1-1/info.json HTTP/1.1\r\nX: " + "y" * 200:
            if not await self._is_open_after(connection, letter.encode()):
                break
            if time.monotonic() - started > _HEADER_S:
                self.tally.fault("slow sender: the server waits for its header for ever")
                break
        self.tally.counts["slow sender ended"] += 1
        connection.close(at_once=True)

    async def _is_open_after(self, connection: Connection, letter: bytes) -> bool:
        """Send a letter, wait a moment, and return whether the server still listens."""
        try:
            connection.writer.write(letter)
            await connection.writer.drain()
            async with asyncio.timeout(0.7):
                return bool(await connection.reader.read(1_024))
        except TimeoutError:
            return True
        except OSError:
            return False

    async def leaver(self) -> None:
        """Leave in the middle of an answer, or before it comes."""
        connection = await Connection.to(self.port)
        one = self._one("made", "whole", "ready")
        connection.ask(one.path)
        await connection.writer.drain()
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(self.random.random() * 0.3):
                await connection.reader.read(self.random.randint(1, 2_000))
        connection.close(at_once=True)
        self.tally.counts["leaver left"] += 1
        await asyncio.sleep(0.02)
