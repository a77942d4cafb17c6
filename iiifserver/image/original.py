"""A scan where its curator keeps it: in a folder, or in a bucket.

It is a value that travels to whoever works on it. What it is, is read of its header, by ranges;
who needs its pixels has it at hand as a file. A scan in a bucket is then fetched, in the very
version that was looked at: of two versions nothing is ever made.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from iiifserver.errors import BrokenSource, Replaced
from iiifserver.homes import Home
from iiifserver.sources import identity_of
from iiifserver.stores import download, opened
from iiifserver.stores.ranges import Ranges

from .aside import beside
from .containers import describe_leaf, describe_page
from .headers import Header

_CHANGED = "it was replaced while it was read: publish again"
_DIGEST = re.compile(r'"[0-9a-f]{32}(?:-[0-9]{1,5})?"')
"""An ETag that is a digest of the content: the MD5 of an object, or of those of its parts."""
_ENDING = re.compile(r"\.[a-z0-9]{1,6}")


class Original(NamedTuple):
    """A scan in *home*, in the version that `identity` tells; `key` is its name there."""

    home: Home
    key: str
    identity: str
    size_bytes: int

    @classmethod
    def of(cls, path: Path) -> Original:
        """Return the file at *path* as it is now."""
        status = path.stat()
        return cls(path.parent, path.name, identity_of(status), status.st_size)

    @property
    def far(self) -> bool:
        """Whether it has to be fetched over a network."""
        return isinstance(self.home, str)

    @property
    def path(self) -> Path:
        """Where it lies on this machine; only of one that is not far."""
        assert isinstance(self.home, Path)  # noqa: S101 - who asks has looked
        return self.home / self.key

    def checksum(self) -> str:
        """Return what tells its content from others: of a file, its SHA-256.

        A bucket is not read for it. It tells a digest itself, or else when which object was
        written: then a copy of a scan is another scan.
        """
        if isinstance(self.home, Path):
            with self.path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        where = "" if _DIGEST.fullmatch(self.identity) else f"{self.home}/{self.key}"
        told = f"{self.identity}\0{self.size_bytes}\0{where}"
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()

    def ranges(self) -> Ranges:
        """Return it as a file that is read by ranges; only of one that is far."""
        return Ranges(opened(self.home), self.key, self.identity, self.size_bytes)

    def describe(self, leaf: int = 0) -> Header:
        """Return what picture *leaf*, from 0, of it is; only its header is read.

        Raises:
            RequestError: it cannot be read, or is no image.
        """
        if not self.far:
            return describe_page(self.path, leaf)
        return describe_leaf(self.ranges(), leaf)

    @contextlib.contextmanager
    def at_hand(self, folder: Path) -> Iterator[Original]:
        """Have it as a file of this machine: itself, or a copy in *folder* that is gone afterwards.

        Raises:
            Replaced: it is another one by now.
            RequestError: as stores do.
        """
        if not self.far:
            yield self
            return
        with beside(folder / "copy") as aside:
            ending = PurePosixPath(self.key).suffix.lower()
            copy = aside / f"scan{ending if _ENDING.fullmatch(ending) else ''}"
            self.copy_to(copy)
            yield Original.of(copy)

    def copy_to(self, target: Path) -> None:
        """Write all of it to *target*.

        Raises:
            Replaced: it is another one by now.
            RequestError: as stores do.
        """
        if isinstance(self.home, Path):
            shutil.copyfile(self.path, target)
            self.check()
            return
        download(opened(self.home), self.key, target, self.size_bytes, self.identity)
        if target.stat().st_size != self.size_bytes:
            raise BrokenSource(f"{self.key} ends early")

    def check(self) -> None:
        """Raise Replaced where the file on this machine is another one by now."""
        if identity_of(self.path.stat()) != self.identity:
            raise Replaced(_CHANGED)
