"""An object of a store as a file that is only read, by ranges, all of one version."""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from typing import Any

from iiifserver.errors import BrokenSource, RequestError

from . import Store

BLOCK_BYTES = 64 << 10
"""What is read at once: the header of nearly every picture is in the first block."""
_MOST_BLOCKS = 64
_LARGEST_KEPT = 1 << 20  # who reads more at once reads all of it, and once


class Ranges(io.RawIOBase):
    """The version *identity* of an object, which has *size_bytes*; blocks of it are kept."""

    def __init__(self, store: Store, key: str, identity: str, size_bytes: int) -> None:
        super().__init__()
        self.size_bytes = size_bytes
        self.failed: RequestError | None = None
        """What went wrong last: not every library passes on what is raised."""
        self._store = store
        self._key = key
        self._identity = identity
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._at = 0

    def pread(self, offset: int, length: int) -> bytes:
        """Return *length* bytes from *offset*, fewer only at the end.

        Raises:
            RequestError: as stores do.
        """
        end = min(offset + length, self.size_bytes)
        if offset < 0 or end <= offset:
            return b""
        if end - offset > _LARGEST_KEPT:
            return self._fetched(offset, end - offset)
        first, last = offset // BLOCK_BYTES, (end - 1) // BLOCK_BYTES
        missing = [each for each in range(first, last + 1) if each not in self._blocks]
        if missing:
            self._fetch(missing[0], missing[-1])
        held = b"".join(self._blocks[each] for each in range(first, last + 1))
        self._forget()
        start = offset - first * BLOCK_BYTES
        return held[start : start + end - offset]

    def _fetch(self, first: int, last: int) -> None:
        """Read blocks, those between them that are there already too: a request costs more."""
        start = first * BLOCK_BYTES
        body = self._fetched(start, min((last + 1) * BLOCK_BYTES, self.size_bytes) - start)
        for number in range(first, last + 1):
            place = (number - first) * BLOCK_BYTES
            self._blocks[number] = body[place : place + BLOCK_BYTES]

    def _fetched(self, offset: int, length: int) -> bytes:
        try:
            body = self._store.read(self._key, offset, length, self._identity).body
            if len(body) != length:
                raise BrokenSource(f"{self._store.name}: {self._key} ends early")
        except RequestError as error:
            self.failed = error
            raise
        return body

    def _forget(self) -> None:
        while len(self._blocks) > _MOST_BLOCKS:
            self._blocks.popitem(last=False)

    # -- what a file object has, for those who want one

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to another place."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def tell(self) -> int:
        """Return the place from which is read next."""
        return self._at

    def readinto(self, into: Any) -> int:
        """Fill *into*, and return how much was read."""
        body = self.pread(self._at, len(into))
        into[: len(body)] = body
        self._at += len(body)
        return len(body)
