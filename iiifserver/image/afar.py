"""Pictures in stores: what stands ready of them, and the bytes that a render process needs.

A render process opens files. Of a tiled TIFF it gets one that has the directories and the tiles
that its picture is made of, and nothing else: holes take no disk. Any other file is fetched whole,
once, into a folder that is bounded. Waiting for a network is the web worker's; it is told before
who makes the picture, so that no render process stands idle.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from iiifserver.cache import Memory
from iiifserver.config import Config
from iiifserver.errors import BrokenSource, Busy, SourceTooLarge
from iiifserver.far import FarPlace, FarSource
from iiifserver.homes import Home
from iiifserver.near import Near
from iiifserver.sources import Place
from iiifserver.stores import download, opened

from .geometry import crop_for
from .headers import Header
from .headers.tiff import read_directories, read_subdirectories, take_tags
from .headers.window import Window
from .kept import note_use
from .plan import Plan
from .request import OutputFormat
from .stored import Stored, directories_in, parsed, read_stored

FOLDER = "copies"
"""In the server's data: whole files that were fetched."""
_ASIDE = ".aside-"
_FETCHES = 4  # at a time, by one process
_PATIENCE_S = 60.0  # of a request that waits for one
_READS = 8  # at a time, for one picture
_TOGETHER_BYTES = 16 << 10  # a smaller hole is read, too: a request costs more
_ABANDONED_S = 3_600.0
_TAGS_BYTES = 32 << 20  # of directories in memory
_LOCKS = 64


@dataclass(frozen=True, slots=True, eq=False)
class FarStored(Stored):
    """What stands ready of a picture in a store; its sidecar is there, too, or on this machine."""

    near: Near
    version: str
    """Of a picture that may be replaced."""
    here: str
    """Where its sidecar is on this machine; empty if it is in the store."""

    def tile(self, place: int, output_format: OutputFormat) -> Place | None:
        """Return the bytes of the tile at *place* among all, levels and rows in their order."""
        found = Stored.tile(self, place, output_format)
        return self.reached(found) if found else None

    def whole(self, width: int, height: int) -> Place | None:
        """Return the JPEG of the whole picture in a size."""
        found = Stored.whole(self, width, height)
        return self.reached(found) if found else None

    def reached(self, place: Place) -> Place:
        """Return a place of the picture or of its sidecar as one that can be read."""
        return place if place.path == self.here else FarPlace.of(place, self.near, self.version)


def read_far(source: FarSource) -> FarStored | None:
    """Return what stands ready of *source*, as its sidecar says; None if nothing does.

    A sidecar in the store is read by one range read.

    Raises:
        Busy: the store does not answer.
    """
    near = source.near
    assert near is not None  # noqa: S101 - who makes one names its store
    if source.stored:
        with contextlib.suppress(OSError):
            note_use(str(source.stored), source.stored.stat())
        here = str(source.stored)
        found = read_stored(source.stored, source.path, source.identity, source.size_bytes)
    else:
        found, here = _in_store(source, near) if source.sidecar else None, ""
    if found is None:
        return None
    values = {name: getattr(found, name) for name in Stored.__slots__}
    return FarStored(**values, near=near, version=source.version, here=here)


def _in_store(source: FarSource, near: Near) -> Stored | None:
    store, key = near.store(), source.sidecar
    size_bytes = 0

    def read(offset: int, length: int) -> bytes:
        nonlocal size_bytes
        piece = store.read(key, offset, length)
        size_bytes = piece.size_bytes
        return piece.body

    return parsed(read, lambda: size_bytes, source.identity, None, (key, source.key))


class Fetch(NamedTuple):
    """The fetching of a whole file, as a value that travels to a render process."""

    home: Home
    hosts: tuple[str, ...]
    key: str
    version: str
    target: Path
    most_bytes: int

    def __call__(self, until_s: float = float("inf")) -> Path:
        """Return where the copy is, after fetching it unless it is there.

        Raises:
            SourceTooLarge: it is larger than all copies may be.
            Busy: it is not there at *until_s*, by the clock.
        """
        with contextlib.suppress(FileNotFoundError):
            note_use(str(self.target), self.target.stat())
            return self.target
        self.target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(self.target, until_s):
            if not self.target.exists():
                self._fetch(until_s)
        return self.target

    def _fetch(self, until_s: float) -> None:
        handle, name = tempfile.mkstemp(dir=self.target.parent, prefix=_ASIDE)
        os.close(handle)
        aside = Path(name)
        try:
            store = opened(self.home, self.hosts)
            download(store, self.key, aside, self.most_bytes, self.version, until_s)
            make_room(self.target.parent, self.most_bytes - aside.stat().st_size)
            aside.replace(self.target)
        finally:
            aside.unlink(missing_ok=True)


class Copies:
    """What this machine has of pictures in stores, while and after it is needed."""

    def __init__(self, config: Config) -> None:
        self._folder = config.data / FOLDER
        self._most_bytes = config.copies_mib << 20
        self._fetching = threading.BoundedSemaphore(_FETCHES)
        self._tags: Memory[tuple[str, str], Window] = Memory(
            _TAGS_BYTES, lambda window: window.total_bytes + 2_000
        )

    def fetch(self, source: FarSource) -> Fetch:
        """Return how the whole of *source* is fetched."""
        near = source.near
        assert near is not None  # noqa: S101 - who makes one names its store
        name = hashlib.blake2b(f"{near.home}\0{source.key}\0{source.identity}".encode())
        ending = Path(source.key).suffix.lower()[:6]
        target = self._folder / f"{name.hexdigest()[:32]}{ending}"
        version = source.version
        return Fetch(near.home, near.hosts, source.key, version, target, self._most_bytes)

    def whole(self, source: FarSource) -> Path:
        """Return where a copy of *source* is, after waiting for it.

        Raises:
            Busy: it takes long, or too many others are being fetched.
        """
        fetch = self.fetch(source)
        if fetch.target.exists():
            return fetch()
        if not self._fetching.acquire(timeout=_PATIENCE_S / 4):
            raise Busy(f"{source.identifier}: too many files are being fetched", retry_after_s=10)
        try:
            return fetch(time.monotonic() + _PATIENCE_S)
        finally:
            self._fetching.release()

    @contextlib.contextmanager
    def enough(
        self,
        source: FarSource,
        header: Header,
        plan: Plan,
        stored: Stored | None,
        tile: Place | None,
    ) -> Iterator[tuple[Path, Place | None]]:
        """Yield a file that has what *plan* needs: if it is made of the stored *tile*, that.

        Raises:
            RequestError: as stores do.
        """
        if tile:
            with self._passing() as path:
                body = tile.read()
                path.write_bytes(body)
                yield path, Place(str(path), 0, len(body))
        elif header.format == "tiff" and header.levels[0].tile_width:
            with self._passing() as path:
                self._put_together(source, header, plan, stored, path)
                yield path, None
        else:
            yield self.whole(source), None

    @contextlib.contextmanager
    def _passing(self) -> Iterator[Path]:
        """Yield a file that is gone afterwards."""
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._folder, prefix=_ASIDE)
        os.close(handle)
        try:
            yield Path(name)
        finally:
            Path(name).unlink(missing_ok=True)

    def _put_together(
        self, source: FarSource, header: Header, plan: Plan, stored: Stored | None, path: Path
    ) -> None:
        """Write the directories of a TIFF and the tiles that *plan* needs to where they belong."""
        window = self._directories(source, stored)
        spans = _together(_tiles(window, header, plan))
        if sum(length for _, length in spans) > self._most_bytes:
            raise SourceTooLarge(f"{source.identifier}: more is needed than copies_mib allows")
        with path.open("r+b") as file, ThreadPoolExecutor(_READS) as pool:
            file.truncate(window.size_bytes)
            for offset, body in window.spans():
                os.pwrite(file.fileno(), body, offset)
            reads = pool.map(lambda span: (span[0], source.read_exactly(*span)), spans)
            for offset, body in reads:
                os.pwrite(file.fileno(), body, offset)

    def _directories(self, source: FarSource, stored: Stored | None) -> Window:
        """Return a window that has read all directories of a TIFF, or has them from its sidecar."""
        key = (source.key, source.identity)
        window = self._tags.get(key)
        if window is None:
            window = Window(source.read, source.size_bytes, _in_sidecar(source, stored))
            take_tags(window)
            self._tags.put(key, window)
        return window


def _in_sidecar(source: FarSource, stored: Stored | None) -> list[tuple[int, bytes]]:
    """Return what the sidecar says of the directories; nothing where it is older, or damaged."""
    if not isinstance(stored, FarStored) or stored.directories is None:
        return []
    try:
        return list(directories_in(stored.reached(stored.directories).read()))
    except (ValueError, OSError, BrokenSource):
        return []


def make_room(folder: Path, most_bytes: int) -> None:
    """Delete the copies that were used longest ago until the rest fits into *most_bytes*."""
    abandoned = time.time() - _ABANDONED_S
    found = []
    for entry in os.scandir(folder):
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat()
            if not entry.name.startswith("."):
                found.append((status.st_atime_ns, status.st_size, entry.path))
            elif entry.name.startswith(_ASIDE) and status.st_mtime < abandoned:
                Path(entry.path).unlink(missing_ok=True)
    held = sum(size for _, size, _ in found)
    for _, size_bytes, path in sorted(found):
        if held <= most_bytes:
            break
        Path(path).unlink(missing_ok=True)
        held -= size_bytes


def _tiles(window: Window, header: Header, plan: Plan) -> list[tuple[int, int]]:
    """Return offset and length of each tile of a TIFF that has pixels which *plan* needs."""
    crop = crop_for(header, plan.box, plan.width, plan.height)
    pages = list(read_directories(window))
    found = []
    for number in {piece.level for piece in crop.pieces}:
        level = header.levels[number]
        page = pages[level.page]
        if level.subifd >= 0:
            page = list(read_subdirectories(page, 330))[level.subifd]
        across, down = level.tile_width, level.tile_height
        columns, rows = -(-level.width // across), -(-level.height // down)
        offsets = page.integers(324, 0, page.count(324))
        lengths = page.integers(325, 0, page.count(325))
        for piece in crop.pieces:
            if piece.level != number:
                continue
            x, y, width, height = piece.box
            for row in range(y // down, min(-(-(y + height) // down), rows)):
                for column in range(x // across, min(-(-(x + width) // across), columns)):
                    # where each band has tiles of its own, those of all bands
                    places = range(row * columns + column, len(offsets), columns * rows)
                    found += [(offsets[place], lengths[place]) for place in places]
    return [span for span in dict.fromkeys(found) if span[1]]


def _together(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return *spans* in order, those that lie near each other as one."""
    joined: list[tuple[int, int]] = []
    for offset, length in sorted(spans):
        if joined and offset <= sum(joined[-1]) + _TOGETHER_BYTES:
            start, before = joined[-1]
            joined[-1] = start, max(before, offset + length - start)
        else:
            joined.append((offset, length))
    return joined


@contextlib.contextmanager
def _locked(target: Path, until_s: float) -> Iterator[None]:
    """Let one process at a time fetch *target*."""
    number = int(target.stem[:4], 16) % _LOCKS
    with (target.parent / f".lock-{number}").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise Busy("the file is being fetched", retry_after_s=10) from None
                time.sleep(0.05)
        yield
