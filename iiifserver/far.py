"""Pictures and bytes that lie in a store: sources and places as others, read over a network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from .errors import BrokenSource
from .near import Near
from .sources import Place, Source

FIRST_READ_BYTES = 64 << 10
"""What is read at once of the beginning of a picture."""


class FarPlace(Place):
    """Bytes that stand ready in a store, in an object whose key is `path`.

    That is one that lasts, or of another one the version that `version` tells.
    """

    near: Near
    version: str

    @classmethod
    def of(cls, place: Place, near: Near, version: str = "") -> FarPlace:
        """Return *place*, which is in the store that *near* reads."""
        made = cls(*place)
        made.near, made.version = near, version
        return made

    def read(self) -> bytes:
        """Return the bytes, by one range read.

        Raises:
            RequestError: as stores do.
        """
        body = self.near.read(self.path, self.offset, self.length, self.version).body
        if len(body) != self.length:
            raise BrokenSource(f"{self.path} ends early")
        return self.prefix + body

    def at_hand(self) -> bytes | None:
        """Return the bytes if nothing has to be waited for."""
        body = self.near.at_hand(self.path, self.offset, self.length, self.version)
        return None if body is None or len(body) != self.length else self.prefix + body


@dataclass(frozen=True, slots=True)
class FarSource(Source):
    """A picture in a store. `path` is its key: what is read by path is a copy of it.

    It is read through `near`, in the version that `version` tells, and taken to be unchanged until
    `until_s` by the clock: nobody waits for a network to be told so. `sidecar` is the key of that.
    """

    near: Near | None = None
    sidecar: str = ""
    version: str = ""
    until_s: float = math.inf
    clock: Callable[[], float] = time.monotonic

    @property
    def key(self) -> str:
        """What its store calls it."""
        return str(self.path)

    @property
    def published(self) -> bool:
        """Whether it has, or should have, a sidecar in its store."""
        return bool(self.sidecar) or self.stored is not None

    def sized(self, size_bytes: int) -> FarSource:
        """Return it with its size: *size_bytes*, or if that is 0 what comes with its first bytes.

        Raises:
            RequestError: as stores do.
        """
        assert self.near is not None  # noqa: S101 - who makes one names its store
        if not size_bytes:
            size_bytes = self.near.read(self.key, 0, FIRST_READ_BYTES, self.version).size_bytes
        return replace(self, size_bytes=size_bytes)

    def read_exactly(self, offset: int, length: int) -> bytes:
        """Return *length* bytes; raise BrokenSource where it ends before."""
        body = self.read(offset, length)
        if len(body) != length:
            raise BrokenSource(f"{self.identifier} ends early")
        return body

    def unchanged(self) -> bool:
        """Return whether it was looked at not long ago."""
        return self.clock() < self.until_s

    def read(self, offset: int, length: int) -> bytes:
        """Return at most *length* bytes from *offset*, fewer at the end.

        Raises:
            RequestError: as stores do.
        """
        assert self.near is not None  # noqa: S101 - who makes one names its store
        if offset + length > FIRST_READ_BYTES:
            return self.near.read(self.key, offset, length, self.version).body
        # what headers are read in small pieces of
        first = self.near.read(self.key, 0, FIRST_READ_BYTES, self.version).body
        return first[offset : offset + length]


class FarFile(NamedTuple):
    """A source in a store that is called by its content; the rights, and the key of its sidecar."""

    near: Near
    key: str
    rights: str | None = None
    sidecar: str = ""
    identity: str = ""

    def source(self, identifier: str) -> Source:
        """Return it as the source *identifier*."""
        return FarSource(
            identifier,
            Path(self.key),
            0,  # nobody has asked
            self.identity,
            self.rights,
            lasting=True,
            near=self.near,
            sidecar=self.sidecar,
        )
