"""The bytes of answers: pictures made just now, and places read through files that stay open."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from iiifserver.far import FarPlace
from iiifserver.image.kept import note_use
from iiifserver.image.planned import Image, Known
from iiifserver.image.stored import state_of
from iiifserver.opened import OpenFile, Ready
from iiifserver.sources import Place, identity_of

if TYPE_CHECKING:
    from .answers import Answer

_MOST_FILES = 256
_KEPT_S = 10.0
LARGE_BYTES = 1 << 20
"""What is larger is sent piece by piece."""
_PIECE_BYTES = 256 << 10


class Bodies:
    """Reads places for all threads of a process.

    The files of images stay open for ten seconds: opening one costs more than reading a tile from
    it. All are then let go at once, so that what was deleted gives its disk back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._files: dict[tuple[str, str], OpenFile] = {}
        self.recent: dict[object, Answer] = {}
        """Whatever holds files that are open now, and was at hand: let go with them."""

    def at_once(self, place: Place, planned: Known) -> Ready | bytes | None:
        """Return the bytes of a place that is not large, None where a disk has to be waited for.

        Raises:
            OSError: as `of` does.
        """
        if isinstance(place, FarPlace):
            return place.at_hand()
        ready = Ready(self._open(place, planned), place.offset, place.length, place.prefix)
        return ready if ready.at_hand() else None

    def of(self, place: Place | bytes, planned: Known) -> Iterable[bytes]:
        """Return the bytes that answer: large ones piece by piece, others in one.

        Raises:
            OSError: the file is gone, or is another one by now.
        """
        if isinstance(place, bytes):
            return [place]
        if isinstance(place, FarPlace):
            return [place.read()]
        file = self._open(place, planned)
        if place.length > LARGE_BYTES:
            return _Pieces(file, place)
        return [Ready(file, place.offset, place.length, place.prefix).read()]

    def let_go(self) -> None:
        """Close the files that were opened some time ago, where nobody asks any more."""
        if (self._files or self.recent) and self._clock() >= self._until:
            self._files = {}
            self.recent.clear()

    def _open(self, place: Place, planned: Known) -> OpenFile:
        if place is not planned.place:
            # a picture's own file, which is asked for much less often than tiles
            return OpenFile(os.open(place.path, os.O_RDONLY))
        path, now = place.path, self._clock()
        if now >= self._until or len(self._files) >= _MOST_FILES:
            self._files, self._until = {}, now + _KEPT_S
            self.recent.clear()
        key = (path, planned.image.tag)
        file = self._files.get(key)
        if file is None:
            file = self._files[key] = _opened(path, planned.image)
        return file


def _opened(path: str, image: Image) -> OpenFile:
    file, source = OpenFile(os.open(path, os.O_RDONLY)), image.source
    status = os.fstat(file.number)
    replaced = image.stored is not None and state_of(status) != image.stored.states.get(path)
    if source.lasting:
        note_use(path, status)  # of a folder's pyramids those that nobody uses make room
    elif path == str(source.path):
        replaced = replaced or identity_of(status) != source.identity
    if replaced:
        raise OSError(errno.ESTALE, "it was replaced")  # places are those of the file that was
    return file


class _Pieces(Iterator[bytes]):
    """The bytes of a large place, a piece at a time."""

    def __init__(self, file: OpenFile, place: Place) -> None:
        self._file = file
        self._offset = place.offset
        self._left = place.length
        self._prefix = place.prefix

    def __next__(self) -> bytes:
        if self._prefix:
            prefix, self._prefix = self._prefix, b""
            return prefix
        if not self._left:
            raise StopIteration
        piece = os.pread(self._file.number, min(self._left, _PIECE_BYTES), self._offset)
        if not piece:
            raise OSError(errno.ESTALE, "it ends early")
        self._offset += len(piece)
        self._left -= len(piece)
        return piece

    def close(self) -> None:
        """Read no further, as WSGI says when a client has left."""
        self._left = 0
