"""The boxes of an ISO base media file: how AVIF and JPEG 2000 files are divided.

ISO/IEC 14496-12, 4.2; ISO/IEC 15444-1, I.4 says the same of JP2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from iiifserver.errors import BrokenSource

from .window import Window

_MAX_BOXES = 2000


class Box(NamedTuple):
    """A box's contents: from *start* up to *end*, without the length and name before them."""

    name: bytes
    start: int
    end: int

    @property
    def length(self) -> int:
        """The length of the contents in bytes."""
        return self.end - self.start


def read_boxes(window: Window, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes that lie one after the other from *start* up to *end*.

    Raises:
        BrokenSource: one is shorter than its own header or longer than what holds it.
    """
    for _ in range(_MAX_BOXES):
        if start + 8 > end:
            return
        length, code = window.unpack(">II", start, "a box")
        name, header = code.to_bytes(4, "big"), 8
        if length == 1:
            (length,) = window.unpack(">Q", start + 8, f"the box {name!r}")
            header = 16
        if length == 0:
            length = end - start
        if length < header or start + length > end:
            raise BrokenSource(
                f"the box {name!r} at {start} claims {length} bytes of {end - start}"
            )
        yield Box(name, start + header, start + length)
        start += length
    raise BrokenSource(f"more than {_MAX_BOXES} boxes lie in a row")


def find_box(window: Window, parent: Box, name: bytes, skip: int = 0) -> Box | None:
    """Return the first box of that name in *parent*, *skip* bytes after its beginning."""
    boxes = read_boxes(window, parent.start + skip, parent.end)
    return next((box for box in boxes if box.name == name), None)
