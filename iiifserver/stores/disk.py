"""A folder as a store: files are written aside, and get their names whole."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from iiifserver.errors import Away, BrokenSource, NotFound, Replaced

from .pieces import Key, Piece, identity_of

ASIDE = ".aside-"
"""How the names of files begin that are being written."""


class Disk:
    """The files below *folder*."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """What messages call it."""
        return str(self.folder)

    def read(self, key: str, offset: int, length: int, identity: str = "") -> Piece:
        """Return bytes of a file."""
        try:
            with (self.folder / key).open("rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                body = os.pread(file.fileno(), length, offset)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise NotFound(f"{self.folder} has no {key}") from error
        except OSError as error:
            raise BrokenSource(f"{self.folder / key}: {error.strerror}") from error
        found = identity_of(status)
        if identity and found != identity:
            raise Replaced(f"{key} was replaced")
        return Piece(body, status.st_size, found)

    def create(self, key: str, body: bytes) -> None:
        """Make a file of *body*; raise FileExistsError where there is one."""
        create(self.folder / key, body)

    def put_file(self, key: str, path: Path) -> None:
        """Make a copy of the file at *path*."""
        target = self.folder / key
        with _aside(target) as aside:
            shutil.copyfile(path, aside)
            with aside.open("rb") as file:
                os.fsync(file.fileno())
            aside.replace(target)
        _settle(target.parent)

    def list(self, prefix: str, after: str = "") -> Iterator[Key]:
        """Yield the files below the folder *prefix*, by their names."""
        found = []
        for where, _, names in os.walk(self.folder / prefix):
            below = Path(where).relative_to(self.folder)
            found += [f"{below / name}" for name in names if not name.startswith(ASIDE)]
        for key in sorted(found):
            with contextlib.suppress(FileNotFoundError):  # another was faster
                if key > after:
                    status = (self.folder / key).stat()
                    yield Key(key, status.st_size, status.st_mtime, identity_of(status))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete files."""
        for key in keys:
            (self.folder / key).unlink(missing_ok=True)

    def reachable(self) -> None:
        """Return if the folder is there."""
        if not self.folder.is_dir():
            raise Away(f"{self.folder} is not there")


def create(path: Path, body: bytes) -> None:
    """Make a file of *body*, whole or not at all.

    Raises:
        FileExistsError: there is one already.
    """
    with _aside(path) as aside:
        with aside.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(aside)
    _settle(path.parent)


@contextlib.contextmanager
def _aside(target: Path) -> Iterator[Path]:
    """Yield a new file beside *target*, and leave nothing of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=ASIDE)
    os.fchmod(handle, 0o644)  # a server may run as another user
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _settle(folder: Path) -> None:
    """Have a folder's names written to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
