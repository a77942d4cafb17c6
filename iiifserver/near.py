"""What this process read of a store lately, so that it need not be asked for again; bounded.

Only bytes of which it is known what they are of are kept: of an object that is called by its
content, and never changes, or of one version of an object. A folder of this machine is read as it
is: the system keeps what was read of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from .cache import Memory
from .stores import Home, Piece, Store, opened, shown

_Where: TypeAlias = tuple[Home, str, int, int, str]
_OVERHEAD_BYTES = 500
_LARGEST_SHARE = 8  # no piece takes more than this part of the memory


class Pieces:
    """Pieces of stores in memory, *most_bytes* of them; the least recently used go."""

    def __init__(self, most_bytes: int) -> None:
        self._memory: Memory[_Where, Piece] = Memory(
            most_bytes, lambda piece: len(piece.body) + _OVERHEAD_BYTES
        )
        self._largest = most_bytes // _LARGEST_SHARE
        self.get = self._memory.get

    def put(self, where: _Where, piece: Piece) -> None:
        """Keep a piece, unless it would take the place of too many others."""
        if len(piece.body) <= self._largest:
            self._memory.put(where, piece)


class Near:
    """Reads one store, and keeps in *memory* what it read, which others may share."""

    def __init__(self, home: Home, memory: Pieces | None = None, hosts: Sequence[str] = ()) -> None:
        self.home = home
        self.hosts = tuple(hosts)
        self._memory = memory if isinstance(home, str) else None

    @property
    def name(self) -> str:
        """What messages call the store."""
        return shown(self.home)

    @property
    def far(self) -> bool:
        """Whether reading it means to wait for a network."""
        return isinstance(self.home, str)

    def store(self) -> Store:
        """Return the store, which is opened when it is first used."""
        return opened(self.home, self.hosts)

    def at_hand(self, key: str, offset: int, length: int, identity: str = "") -> bytes | None:
        """Return bytes that are in memory, None where they would have to be read."""
        if self._memory is None:
            return None
        piece = self._memory.get((self.home, key, offset, length, identity))
        return piece.body if piece else None

    def read(self, key: str, offset: int, length: int, identity: str = "") -> Piece:
        """Return bytes of an object: of one version, or if none is named of one that is lasting.

        Raises:
            RequestError: as stores do.
        """
        if self._memory is None:
            return self.store().read(key, offset, length, identity)
        where = (self.home, key, offset, length, identity)
        piece = self._memory.get(where)
        if piece is None:
            piece = self.store().read(key, offset, length, identity)
            self._memory.put(where, piece)
        return piece

    def found(self, key: str, length: int) -> Piece:
        """Return the first bytes of an object as it is now, and keep them as of that version."""
        piece = self.store().read(key, 0, length)
        if self._memory is not None:
            self._memory.put((self.home, key, 0, length, piece.identity), piece)
        return piece


class Lasting(NamedTuple):
    """An object that is called by its content: it never changes."""

    near: Near
    key: str

    def read(self, offset: int, length: int) -> bytes:
        """Return bytes of it."""
        return self.near.read(self.key, offset, length).body
