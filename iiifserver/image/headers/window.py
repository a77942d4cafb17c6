"""A file seen through few, bounded reads: what every header parser reads from.

A header may ask for any offset and count it likes; here is where a lie about them ends, with an
error that says what was looked for, and where. Reads are kept, because a header is read in
small pieces that lie together, and each read may be a request to an object store.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator

from iiifserver.errors import BrokenSource

Read = Callable[[int, int], bytes]  # offset and length; fewer bytes only at the end of the file

FIRST_READ_BYTES = 64 * 1024
_LATER_READ_BYTES = 4 * 1024
_MAX_READS = 512
_MAX_TOTAL_BYTES = 8 * 1024 * 1024


class Window:
    """The bytes of one file, read through *read* and kept as long as this object lives."""

    def __init__(
        self,
        read: Read,
        size_bytes: int,
        spans: Iterable[tuple[int, bytes]] = (),
        least_bytes: int = 0,
    ) -> None:
        """Begin with *spans*; read *least_bytes* at a time, if not what suits headers."""
        self.size_bytes = size_bytes
        self._read = read
        self._least_bytes = least_bytes
        self._spans = list(spans)
        self._total_bytes = 0

    def take(self, offset: int, length: int, what: str) -> bytes:
        """Return exactly *length* bytes at *offset*.

        Raises:
            BrokenSource: they are not all in the file, or the header takes too many reads.
        """
        self.check(offset, length, what)
        for start, span in reversed(self._spans):
            if start <= offset and offset + length <= start + len(span):
                return span[offset - start : offset - start + length]
        return self._fetch(offset, length, what)

    def check(self, offset: int, length: int, what: str) -> None:
        """Raise unless *length* bytes at *offset* are in the file; reads nothing."""
        if offset < 0 or offset + length > self.size_bytes:
            raise BrokenSource(
                f"{what} lies at {offset}, outside the file of {self.size_bytes} bytes"
            )

    def unpack(self, form: str, offset: int, what: str) -> tuple[int, ...]:
        """Return the integers that the `struct` format *form* finds at *offset*."""
        values: tuple[int, ...] = struct.unpack(
            form, self.take(offset, struct.calcsize(form), what)
        )
        return values

    @property
    def total_bytes(self) -> int:
        """How much it holds."""
        return sum(len(span) for _, span in self._spans)

    def spans(self) -> Iterator[tuple[int, bytes]]:
        """Yield what was read, each part with its offset."""
        yield from self._spans

    def _fetch(self, offset: int, length: int, what: str) -> bytes:
        usual = self._least_bytes or (_LATER_READ_BYTES if self._spans else FIRST_READ_BYTES)
        asked = min(max(length, usual), self.size_bytes - offset)
        self._total_bytes += asked
        if len(self._spans) >= _MAX_READS or self._total_bytes > _MAX_TOTAL_BYTES:
            raise BrokenSource(
                f"the file's header is too large: {len(self._spans)} reads did not reach {what}"
            )
        span = self._read(offset, asked)
        if len(span) < length:
            raise BrokenSource(f"the file ends before {what} at {offset} is complete")
        self._spans.append((offset, span))
        return span[:length]
