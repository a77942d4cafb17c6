"""Bytes of open files, which the system may send without their being read by anybody."""

from __future__ import annotations

import errno
import os
from typing import NamedTuple

# Linux tells whether a disk would have to be waited for
_WITHOUT_WAITING: int = getattr(os, "RWF_NOWAIT", 0)


class OpenFile:
    """An open file, closed when nobody reads from it any more."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    @property
    def is_named(self) -> bool:
        """Whether it was neither deleted nor replaced since it was opened, nor its disk is gone."""
        try:
            return os.fstat(self.number).st_nlink > 0
        except OSError:
            return False

    def __del__(self) -> None:
        os.close(self.number)


class Ready(NamedTuple):
    """Bytes that stand ready: *prefix*, then *length* bytes of an open file from *offset*."""

    file: OpenFile
    offset: int
    length: int
    prefix: bytes = b""

    @property
    def size_bytes(self) -> int:
        """How many bytes there are in all."""
        return len(self.prefix) + self.length

    def read(self) -> bytes:
        """Return the bytes.

        Raises:
            OSError: the file ends early, or cannot be read.
        """
        found = os.pread(self.file.number, self.length, self.offset)
        if len(found) != self.length:
            raise OSError(errno.ESTALE, "it ends early")
        return self.prefix + found if self.prefix else found

    def at_hand(self) -> bool:
        """Return whether no disk has to be waited for, as far as the last byte tells.

        A file system that does not tell is waited for.

        Raises:
            OSError: the file cannot be read.
        """
        last = (bytearray(1),)
        try:
            found = os.preadv(
                self.file.number, last, self.offset + self.length - 1, _WITHOUT_WAITING
            )
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP or not _WITHOUT_WAITING:
                raise
            found = os.preadv(self.file.number, last, self.offset + self.length - 1)
        return found == 1

    def fetch(self) -> None:
        """Have the system bring the bytes to hand, without waiting for them.

        Raises:
            OSError: the file ends early, or cannot be read.
        """
        if os.fstat(self.file.number).st_size < self.offset + self.length:
            raise OSError(errno.ESTALE, "it ends early")
        os.posix_fadvise(self.file.number, self.offset, self.length, os.POSIX_FADV_WILLNEED)
