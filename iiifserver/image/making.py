"""What is made of scans in the background, as jobs for a render process.

Each is done whole or not at all, and done already is done at once: whoever asks twice, or asks
again after a process was killed, gets the same files.
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import orjson

from iiifserver.cache import used_last
from iiifserver.errors import BrokenSource, RequestError
from iiifserver.sources import identity_of

from .afar import Fetch
from .aside import sweep_aside
from .form import Form
from .headers import Header
from .kept import PYRAMID, SIDECAR, Kept

_SAY_EVERY_S = 3.0
_BYTES_A_PIXEL = 5  # of samples that are laid down 3, of a pyramid of noise 2
_EDGES_MS = 500.0  # the edge tiles and thumbnails of a pyramid that has the others
# a megapixel, to decode it and to write it with all its halves
_BUILD_MS = {
    "jp2": 280.0,
    "heic": 80.0,
    "avif": 60.0,
    "pdf": 60.0,
    "webp": 40.0,
    "png": 30.0,
    "jpeg": 8.0,
}
_OTHERS_MS = 12.0
_PROGRESSIVE_MS = 25.0
_MOST_THREADS = 4
_log = logging.getLogger(__name__)


def build_ms(header: Header) -> float:
    """Return the milliseconds of computing that a scan's pyramid takes, at most about."""
    megapixels = header.width * header.height / 1e6
    if header.format == "jpeg" and not header.streams:
        return 100 + megapixels * _PROGRESSIVE_MS
    return 100 + megapixels * _BUILD_MS.get(header.format, _OTHERS_MS)


@dataclass(frozen=True, slots=True)
class Contents:
    """Reading what pictures a PDF or a HEIC holds, which only their own libraries know."""

    name: str
    path: Path
    state: str
    cost_ms: float = 50.0
    keep: str | None = None

    @property
    def key(self) -> str:
        """What equal jobs have in common."""
        return f"contents {self.source}"

    @property
    def source(self) -> str:
        """The file and its identity."""
        return f"{self.path} {self.state}"

    def run(self) -> bytes:
        """Return the headers of all its pictures, for `headers_of`; raise BrokenSource."""
        from .containers import describe_pages  # it loads their libraries

        try:
            return orjson.dumps([header.as_json() for header in describe_pages(self.path)])
        except BrokenSource as error:
            raise BrokenSource(f"{self.name}: {error}", parameter="identifier") from error


def headers_of(answer: bytes) -> tuple[Header, ...]:
    """Return the headers that `Contents.run` returned."""
    return tuple(Header.from_json(each) for each in orjson.loads(answer))


@dataclass(frozen=True, slots=True)
class StoreTiles:
    """Making the sidecar of a picture that has none, or one that does not fit it."""

    name: str
    picture: Path
    header: Header
    identity: str
    target: Path
    form: Form
    keep: str | None = None
    kept: Kept | None = None
    """The folder in which it has to fit, if that is bounded."""
    fetch: Fetch | None = None
    """How the picture comes here first, where it is in a store."""

    @property
    def key(self) -> str:
        """What equal jobs have in common."""
        return f"tiles {self.identity} {self.target}"

    @property
    def source(self) -> str:
        """The file and its identity."""
        return f"{self.picture} {self.identity}"

    @property
    def cost_ms(self) -> float:
        """Milliseconds of making what stands in no tile of the file; all of it, if it has none."""
        return 20.0 + (_EDGES_MS if self.header.tile_size else build_ms(self.header))

    def run(self) -> bytes:
        """Return nothing, after making it; raise BrokenSource."""
        from .stored import read_stored
        from .storing import store

        picture = self.fetch() if self.fetch else self.picture
        if read_stored(self.target, picture, self.identity) is None:
            store(picture, self.header, self.identity, self.target, self.form)
            if self.kept:
                self.kept.make_room(self.target.stem)
        return b""


@dataclass(frozen=True, slots=True)
class BuildPyramid:
    """Making the pyramid and the sidecar of a scan, named *stem*, among those that are kept."""

    name: str
    path: Path
    leaf: int
    state: str
    header: Header
    stem: str
    kept: Kept
    form: Form
    keep: str | None = None
    fetch: Fetch | None = None
    """How the scan comes here first, where it is in a store."""
    eighth: str | None = None
    """Where it is kept at an eighth, if it is: that serves nobody any more."""

    @property
    def key(self) -> str:
        """What equal jobs have in common."""
        return f"pyramid {self.stem}"

    @property
    def source(self) -> str:
        """The making of a pyramid of the file: where that kills, pictures of it may be made."""
        return self.key

    @property
    def cost_ms(self) -> float:
        """Milliseconds of decoding the whole scan, and of encoding it with all its halves."""
        return build_ms(self.header)

    def run(self) -> bytes:
        """Return nothing, after making them; what is used least makes room.

        Raises:
            BrokenSource: it cannot be decoded, or its pyramid does not fit.
        """
        if self.kept.find(self.stem):
            return b""
        try:
            self.kept.folder.mkdir(parents=True, exist_ok=True)
            sweep_aside(self.kept.folder)
            self._make()
        except (RequestError, OSError) as error:
            why = str(error) if isinstance(error, RequestError) else error.strerror or str(error)
            _log.warning("no pyramid of %s: %s", self.name, why)
            raise BrokenSource(f"{self.name}: {why}", parameter="identifier") from error
        return b""

    def _make(self) -> None:
        from .build import Sidecar, build  # it loads libvips

        self._check_room()
        started = time.monotonic()
        pyramid = self.kept.path(self.stem, PYRAMID)
        path, state = self.path, self.state
        if self.fetch:
            path = self.fetch()
            state = identity_of(path.stat())
        seen = _Progress(self._shown())
        build(
            path,
            self.leaf,
            state,
            pyramid,
            self.form,
            sidecar=Sidecar(self.kept.path(self.stem, SIDECAR), self.stem),
            seen=seen,
            threads=_threads(),
        )
        gone = self.kept.make_room(self.stem)
        if not self.kept.find(self.stem):
            raise BrokenSource("its pyramid is larger than folder_pyramids_mib allows")
        if self.eighth:
            used_last(self.eighth)
        took_s = time.monotonic() - started
        _log.info("%s: made in %.1f s; %d others made room", self._shown(), took_s, gone)

    def _shown(self) -> str:
        return f"pyramid of {self.name} ({self.header.width:,} x {self.header.height:,})"

    def _check_room(self) -> None:
        """Raise unless the disk has room for the samples that are laid down, and the pyramid."""
        wanted = self.header.width * self.header.height * _BYTES_A_PIXEL
        free = shutil.disk_usage(self.kept.folder).free
        if free < wanted:
            raise BrokenSource(
                f"{wanted >> 20:,} MiB may be needed on the disk, {free >> 20:,} are free"
            )


def _threads() -> int:
    """Return how many threads may decode: there is one process for all that is made here."""
    return min(os.cpu_count() or 1, _MOST_THREADS)


class _Progress:
    """Says now and then how much is done."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._next = time.monotonic() + _SAY_EVERY_S

    def __call__(self, percent: int) -> None:
        """Take notice that *percent* of the work are done."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SAY_EVERY_S
            _log.info("%s: %d %%", self._shown, percent)
