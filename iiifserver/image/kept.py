"""What was made of a folder's scans: files on a disk of bounded size, the least used goes first.

Each scan has one stem: `{stem}.tif` is its pyramid, `{stem}.tiles` its sidecar. Web workers and
render processes share the folder; nobody waits for anybody, and what is gone is made again.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

PYRAMID, SIDECAR = ".tif", ".tiles"
_USED_EVERY_S = 600
_NAME = re.compile(r"([0-9a-f]{32})\.(tif|tiles)")


def note_use(path: str, status: os.stat_result) -> None:
    """Note that the file at *path*, of which *status* was told just now, is used.

    The time of access is set by us: disks are often mounted so that reading does not.
    """
    now = time.time_ns()
    if now - status.st_atime_ns > _USED_EVERY_S * 10**9:
        with suppress(OSError):  # it is another's, or gone
            os.utime(path, ns=(now, status.st_mtime_ns))


class _Made(NamedTuple):
    """The files of one stem, and when one of them was last asked for, in nanoseconds."""

    stem: str
    size_bytes: int
    used_ns: int


@dataclass(frozen=True, slots=True)
class Kept:
    """The folder, and the bytes that it may hold."""

    folder: Path
    most_bytes: int

    def find(self, stem: str) -> os.stat_result | None:
        """Return what the disk says of the pyramid *stem*, None if it has none; note its use."""
        path = os.path.join(self.folder, stem + PYRAMID)  # noqa: PTH118 - often asked
        try:
            status = os.stat(path)  # noqa: PTH116
        except OSError:  # a disk that fails has none either: the scan answers
            return None
        note_use(path, status)
        return status

    def path(self, stem: str, ending: str) -> Path:
        """Return where a file of *stem* is, or would be."""
        return self.folder / f"{stem}{ending}"

    def drop(self, stem: str) -> int:
        """Delete the files of *stem*; return how many there were."""
        there = [path for each in (PYRAMID, SIDECAR) if (path := self.path(stem, each)).exists()]
        for path in there:
            path.unlink(missing_ok=True)
        return len(there)

    def make_room(self, stem: str) -> int:
        """Delete what is used least until the rest fits; return how many stems went.

        *stem*, which was just made, stays, unless it alone is too large.
        """
        made = sorted(self._made(), key=lambda each: (each.stem == stem, each.used_ns))
        held, gone = sum(each.size_bytes for each in made), 0
        for each in made:
            if held <= self.most_bytes:
                break
            self.drop(each.stem)
            held -= each.size_bytes
            gone += 1
        return gone

    def held_bytes(self) -> int:
        """Return how much there is now."""
        return sum(each.size_bytes for each in self._made()) if self.folder.is_dir() else 0

    def _made(self) -> list[_Made]:
        found: dict[str, _Made] = {}
        for entry in os.scandir(self.folder):
            name = _NAME.fullmatch(entry.name)
            if not name:
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            before = found.get(name[1], _Made(name[1], 0, 0))
            found[name[1]] = _Made(
                name[1],
                before.size_bytes + status.st_size,
                max(before.used_ns, status.st_atime_ns),
            )
        return list(found.values())
