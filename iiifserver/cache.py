"""What is kept: values by key in memory, made pictures in a directory; the least recently used go.

Both are bounded. A directory is shared by all processes of a server, and by servers: an entry is
written aside and gets its name whole, and whoever reads it checks it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import struct
import threading
import time
import zlib
from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from .config import Config
from .opened import OpenFile, Ready
from .sources import Place

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_HEAD = struct.Struct(">8sIQ")  # what it is, the checksum of the rest, how long the rest is
_MARK = b"iiifkept"
_PIECE_BYTES = 256 << 10  # checked at a time: a large entry is never held whole
_TOUCHED_S = 60.0  # the time of use is written no oftener: many read the same tile
MOST_OPEN = 1_024
"""Entries whose files a `Reader` keeps open."""
_CHECKED_S = 10.0
_ABANDONED_S = 3_600.0
_MOST_DIGESTS = 8_192
_BLOCK_BYTES = 4_096  # what a file system gives even to the smallest
_FILLING, _AFTER = 0.95, 0.9  # of its bounds: when a directory is swept, and what it holds then
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
_ASIDE, _GONE = ".aside-", ".gone-"


class Memory(Generic[K, V]):
    """A bounded table that threads may share; *most* counts what *weight* does, else entries."""

    def __init__(self, most: int, weight: Callable[[V], int] = lambda _: 1) -> None:
        self._most = most
        self._weight = weight
        self._held = 0
        self._values: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        """Return what is kept under *key*, None where nothing is."""
        value = self._values.get(key)
        if value is not None:
            try:
                self._values.move_to_end(key)
            except KeyError:  # another thread has dropped it meanwhile
                return None
        return value

    def put(self, key: K, value: V) -> None:
        """Keep *value*, unless it alone is more than is ever kept."""
        weight = self._weight(value)
        if weight > self._most:
            return
        with self._lock:
            if key in self._values:
                self._held -= self._weight(self._values.pop(key))
            self._values[key] = value
            self._held += weight
            while self._held > self._most:
                _, gone = self._values.popitem(last=False)
                self._held -= self._weight(gone)

    def drop(self, key: K) -> None:
        """Forget what is kept under *key*."""
        with self._lock:
            gone = self._values.pop(key, None)
            if gone is not None:
                self._held -= self._weight(gone)


class Held(NamedTuple):
    """What a directory holds, in entries and in bytes of disk."""

    entries: int
    size_bytes: int

    def more(self, size_bytes: int) -> Held:
        """Return what it is with one entry more."""
        return Held(self.entries + 1, self.size_bytes + _on_disk(size_bytes))


@dataclass(frozen=True, slots=True)
class Directory:
    """Bytes by identifier and key below *folder*; a bound of 0 keeps nothing.

    Whoever wants other bytes for an identifier takes another key: an entry never changes. Those
    of one identifier lie in one folder of their own. Bounds hold after `sweep`.
    """

    folder: Path
    most_bytes: int
    most_entries: int

    @classmethod
    def of(cls, config: Config) -> Directory:
        """Return the directory of made pictures that *config* names."""
        return cls(config.data / "derived", config.derived_mib << 20, config.derived_entries)

    @property
    def on(self) -> bool:
        """Whether anything is kept at all."""
        return bool(self.most_bytes and self.most_entries)

    def is_full(self, held: Held) -> bool:
        """Return whether nothing more may be kept."""
        return held.entries >= self.most_entries or held.size_bytes >= self.most_bytes

    def is_filling(self, held: Held) -> bool:
        """Return whether it is time to sweep."""
        most_entries, most_bytes = self.most_entries * _FILLING, self.most_bytes * _FILLING
        return held.entries > most_entries or held.size_bytes > most_bytes

    def path(self, identifier: str, key: str) -> str | None:
        """Return where `write` should put the bytes of *key*, None where nothing is kept."""
        return self._path(identifier, key) if self.on else None

    def get(self, identifier: str, key: str) -> Place | None:
        """Return the bytes of *key*, None where there are none that can be read.

        What is not as it was written is deleted, to be made anew.
        """
        if not self.on:
            return None
        return find(self._path(identifier, key))

    def purge(self, identifier: str) -> int:
        """Forget all that is kept of *identifier*; return how many entries that were."""
        return self._forget(self.folder / _digest(identifier))

    def purge_all(self) -> int:
        """Forget everything; return how many entries that were."""
        return sum(self._forget(folder) for folder in _folders(self.folder))

    def sweep(self) -> Held:
        """Delete what was used longest ago, where little room is left; return what is left.

        A tenth of both bounds is free then. What others left when they were killed is deleted too.
        """
        self._tidy()
        used, sizes = array("q"), array("q")
        for _, status in _entries(self.folder):
            used.append(status.st_mtime_ns)
            sizes.append(_on_disk(status.st_size))
        held = Held(len(sizes), sum(sizes))
        if self.is_filling(held):
            held = self._delete_until(_last_to_go(used, sizes, self._after()))
        return held

    def _after(self) -> Held:
        return Held(int(self.most_entries * _AFTER), int(self.most_bytes * _AFTER))

    def _delete_until(self, last_ns: int) -> Held:
        """Delete what was not used after *last_ns*; return what is left."""
        entries = size_bytes = 0
        for path, status in _entries(self.folder):
            if status.st_mtime_ns <= last_ns:
                with contextlib.suppress(OSError):
                    path.unlink()
            else:
                entries += 1
                size_bytes += _on_disk(status.st_size)
        for folder in _folders(self.folder):
            with contextlib.suppress(OSError):  # something is left in it, or was just put there
                folder.rmdir()
        return Held(entries, size_bytes)

    def _path(self, identifier: str, key: str) -> str:
        return f"{self.folder}/{_digest(identifier)}/{_digest(key)}"

    def _forget(self, folder: Path) -> int:
        """Delete *folder*, at once for those who look and then in peace."""
        gone = self.folder / f"{_GONE}{os.urandom(8).hex()}"
        try:
            folder.rename(gone)
        except OSError:
            return 0
        count = sum(not name.startswith(_ASIDE) for name in _names(gone))
        shutil.rmtree(gone, ignore_errors=True)
        return count

    def _tidy(self) -> None:
        """Delete what was being written or deleted by those who were killed."""
        abandoned = time.time() - _ABANDONED_S
        for name in _names(self.folder):
            if name.startswith(_GONE):
                shutil.rmtree(self.folder / name, ignore_errors=True)
        for folder in _folders(self.folder):
            for name in _names(folder):
                with contextlib.suppress(OSError):
                    left = folder / name
                    if name.startswith(_ASIDE) and left.stat().st_mtime < abandoned:
                        left.unlink()


class Reader:
    """Finds the entries of *directory* for all threads of a process, those that many ask for.

    An entry is read and checked when it is first asked for, and again some seconds later or when
    the system says that its file is another one: adding up the bytes takes longer than reading
    them. Until then its file stays open.
    """

    def __init__(self, directory: Directory, clock: Callable[[], float] = time.monotonic) -> None:
        self._directory = directory
        self._clock = clock
        self._checked: dict[tuple[str, str], tuple[Ready, tuple[int, ...]]] = {}
        self._until = 0.0
        self.recent: dict[object, Any] = {}
        """Whatever holds entries that are open now, and were at hand: let go with them."""

    def find(self, identifier: str, key: str, most_bytes: int) -> Ready | None:
        """Return the bytes of *key*; None where they have to be waited for, or are more.

        What has to be waited for, or is not as it was written, is for `Directory.get` to see.

        Raises:
            FileNotFoundError: there are none.
        """
        now, name = self._clock(), (identifier, key)
        if now >= self._until or len(self._checked) >= MOST_OPEN:
            self._checked, self._until = {}, now + _CHECKED_S
            self.recent.clear()
        ready = self._known(name, most_bytes)
        if ready is None:
            path = self._directory.path(identifier, key)
            if path is None:
                raise FileNotFoundError(errno.ENOENT, "nothing is kept", key)
            try:
                ready, _ = self._checked[name] = self._check(path, most_bytes)
            except OSError as error:
                if error.errno == errno.ENOENT:
                    raise
        return ready

    def let_go(self) -> None:
        """Close the files that were opened some time ago, where nobody asks any more."""
        if (self._checked or self.recent) and self._clock() >= self._until:
            self._checked = {}
            self.recent.clear()

    def _known(self, name: tuple[str, str], most_bytes: int) -> Ready | None:
        """Return an entry that was found whole, None where it has to be looked at again."""
        if name not in self._checked:
            return None
        ready, identity = self._checked[name]
        with contextlib.suppress(OSError):
            same = _identity(os.fstat(ready.file.number)) == identity
            if same and ready.length <= most_bytes and ready.at_hand():
                return ready
        del self._checked[name]
        self.recent.clear()  # or its file would stay open, and not be counted
        return None

    def _check(self, path: str, most_bytes: int) -> tuple[Ready, tuple[int, ...]]:
        """Open an entry and read it; raise OSError if it is none, or larger."""
        file = OpenFile(os.open(path, os.O_RDONLY))
        status = os.fstat(file.number)
        ready = Ready(file, _HEAD.size, status.st_size - _HEAD.size)
        if ready.length > most_bytes:
            raise OSError(errno.EFBIG, "it is larger", path)
        if ready.length < 0 or not ready.at_hand() or not _is_whole(file.number, status.st_size):
            raise OSError(errno.EIO, "it is not as it was written, or not at hand", path)
        _touch(file.number, status.st_mtime)
        return ready, _identity(os.fstat(file.number))


def find(path: str) -> Place | None:
    """Return the bytes of the entry at *path*, as `Directory.get` does."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        status = os.fstat(handle)
        if _is_whole(handle, status.st_size):
            _touch(handle, status.st_mtime)
            return Place(path, _HEAD.size, status.st_size - _HEAD.size)
    except OSError:
        return None
    finally:
        os.close(handle)
    with contextlib.suppress(OSError):
        Path(path).unlink()
    return None


def length_of(path: str) -> int | None:
    """Return how many bytes the entry at *path* has, as its file says; None where there is none."""
    try:
        return os.stat(path).st_size - _HEAD.size  # noqa: PTH116 - often asked
    except OSError:
        return None


def used_last(path: str) -> None:
    """Have the entry at *path* go first when room is needed: nobody wants it any more."""
    with contextlib.suppress(OSError):  # it has gone already
        os.utime(path, (0, 0))


def write(body: bytes, path: str | Path) -> Place:
    """Write an entry aside and then give it its name, where `Directory.path` said; return it.

    Raises:
        OSError: it cannot be written; nothing is left of it.
    """
    path = str(path)
    folder = path.rpartition("/")[0]
    aside = f"{folder}/{_ASIDE}{os.urandom(8).hex()}"
    try:
        handle = os.open(aside, _NEW, 0o600)
    except FileNotFoundError:
        Path(folder).mkdir(parents=True, exist_ok=True)
        handle = os.open(aside, _NEW, 0o600)
    try:
        try:
            _write_all(handle, _HEAD.pack(_MARK, zlib.crc32(body), len(body)), body)
        finally:
            os.close(handle)
        os.replace(aside, path)  # noqa: PTH105 - often done
    except OSError:
        with contextlib.suppress(OSError):
            Path(aside).unlink()
        raise
    return Place(path, _HEAD.size, len(body))


def _write_all(handle: int, head: bytes, body: bytes) -> None:
    """Write both at once; a large body may take more than one call."""
    left = memoryview(body)[max(os.writev(handle, (head, body)) - len(head), 0) :]
    while left:
        left = left[os.write(handle, left) :]


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """Return what tells that an open file is as it was, and that it still has a name."""
    return status.st_mtime_ns, status.st_size, status.st_nlink


@lru_cache(_MOST_DIGESTS)
def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _is_whole(handle: int, size_bytes: int) -> bool:
    """Return whether an entry is as it was written."""
    piece = os.read(handle, min(size_bytes, _PIECE_BYTES))
    if len(piece) < _HEAD.size:
        return False
    mark, checksum, length = _HEAD.unpack_from(piece)
    if mark != _MARK or length != size_bytes - _HEAD.size:
        return False
    found, left = zlib.crc32(memoryview(piece)[_HEAD.size :]), size_bytes - len(piece)
    while left and (piece := os.read(handle, min(left, _PIECE_BYTES))):
        found, left = zlib.crc32(piece, found), left - len(piece)
    return not left and bool(found == checksum)


def _touch(handle: int, used_s: float) -> None:
    if abs(time.time() - used_s) > _TOUCHED_S:
        with contextlib.suppress(OSError):  # a disk that is only read
            os.utime(handle)


def _names(folder: Path) -> list[str]:
    """Return what is in a folder, nothing where another process has deleted it."""
    try:
        return os.listdir(folder)  # noqa: PTH208 - names only
    except FileNotFoundError:
        return []


def _folders(root: Path) -> Iterator[Path]:
    """Yield the folder of each identifier, none where nothing was ever kept."""
    with contextlib.suppress(FileNotFoundError), os.scandir(root) as found:
        for entry in found:
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _entries(root: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for folder in _folders(root):
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as found:
            for entry in found:
                with contextlib.suppress(FileNotFoundError):  # another process was faster
                    if not entry.name.startswith("."):
                        yield Path(entry.path), entry.stat(follow_symlinks=False)


def _on_disk(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _last_to_go(used: array[int], sizes: array[int], room: Held) -> int:
    """Return the time of use of the last entry that has to go so that *room* holds the rest."""
    entries, size_bytes, last_ns = len(sizes), sum(sizes), -1
    for place in sorted(range(len(used)), key=used.__getitem__):
        if entries <= room.entries and size_bytes <= room.size_bytes:
            break
        entries, size_bytes, last_ns = entries - 1, size_bytes - sizes[place], used[place]
    return last_ns
