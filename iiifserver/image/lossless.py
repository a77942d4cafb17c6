"""JPEG tiles mirrored, turned and made gray without decoding them, where libturbojpeg is there.

Blocks of coefficients change their places and signs, and gray is the luma that is stored: nothing
is lost a second time, and it takes two thirds of the time. Where a part of a block would come to
the other side, what is stored is moved instead, chroma at its own size (`planes`, `joined`). The
library is the system's, of TurboJPEG 2 or 3, and optional;
docs/decisions/0012-turned-without-decoding.md.

Its bytes are others than those that decoding and encoding give, so whoever makes an ETag has to
know of it: a server looks for the library once, in a process of its own (`found`), and tells all
others what it is called. That name is a digest of what it makes of one small picture.
"""

from __future__ import annotations

import base64
import ctypes
import functools
import hashlib
import logging
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from iiifserver.errors import Busy

VARIABLE = "IIIF_LOSSLESS"
"""Environment variable: the name of the library that a server has found, empty without one."""

LARGEST_PIXELS = 4_096 * 4_096
"""What is larger is no tile."""
# one name in all versions so far
_NAMES = ("libturbojpeg.so.0", "libturbojpeg.0.dylib", "libturbojpeg.dylib")
_FUNCTIONS = (
    "tjInitTransform",
    "tjTransform",
    "tjInitDecompress",
    "tjDecompressHeader3",
    "tjDecompressToYUVPlanes",
    "tjInitCompress",
    "tjCompressFromYUVPlanes",
    "tjGetErrorCode",
    "tjFree",
)
_START_S = 20.0
_PERFECT, _GRAY, _WITHOUT_MARKERS = 1, 8, 64
_STRICT = 8_192 | 32_768  # to stop on a warning, and to limit scans
_EXACT = 4_096  # the slower and better of two transforms, as for all else
# by quarter turns clockwise; ROT90 of what was mirrored is TRANSVERSE, and so on
_TURNS = (0, 5, 6, 7)
_MIRRORED_TURNS = (1, 4, 2, 3)
_LUMA_AND_CHROMA = 1
# columns and rows of luma to one of chroma, by what turbojpeg.h calls them: 444, 422, 420, 440
_SHARED = {0: (1, 1), 1: (2, 1), 2: (2, 2), 4: (1, 2)}
_PROBE = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABsSFBcUERsXFhceHBsgKEIrKCUlKFE6PTBCYFVlZF9VXVtqeJmB"
    "anGQc1tdhbWGkJ6jq62rZ4C8ybqmx5moq6T/2wBDARweHigjKE4rK06kbl1upKSkpKSkpKSkpKSkpKSkpKSk"
    "pKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKSkpKT/wAARCAAgACADASIAAhEBAxEB/8QAFwABAQEBAAAA"
    "AAAAAAAAAAAAAwQCBf/EAB8QAAICAgMAAwAAAAAAAAAAAAADAQIRMRIhYUFxof/EABkBAAIDAQAAAAAAAAAA"
    "AAAAAAMFAAECBv/EABwRAAICAwEBAAAAAAAAAAAAAAEDAAIRITESsf/aAAwDAQACEQMRAD8A4NFDUV4MtRSt"
    "RVB6kW2T0T4PRHg8UivWMyLRdp8+jVgupx0xippk6lFMU4xGNybSoeq83/ANGGq9dM55bNwVpGrSZ6roaF5n"
    "jGhar+I2DNwBgc+xipk//9k="
)
_log = logging.getLogger(__name__)

Buffer = Any  # `collections.abc.Buffer` of Python 3.12


class _Transform(ctypes.Structure):
    """`tjtransform` of turbojpeg.h."""

    _fields_ = (
        ("x", ctypes.c_int),
        ("y", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("operation", ctypes.c_int),
        ("options", ctypes.c_int),
        ("given", ctypes.c_void_p),
        ("filter", ctypes.c_void_p),
    )


class Planes(NamedTuple):
    """A JPEG of luma and chroma as it is stored: a byte a sample, row by row.

    One sample of each chroma belongs to *across* columns and *down* rows, 1 or 2. `luma` has all
    that belong to any of the chroma, so perhaps one more each than *width* and *height*.
    """

    width: int
    height: int
    across: int
    down: int
    luma: Buffer
    blue: Buffer
    red: Buffer

    @property
    def columns(self) -> int:
        """Columns of chroma."""
        return -(-self.width // self.across)

    @property
    def rows(self) -> int:
        """Rows of chroma."""
        return -(-self.height // self.down)


def transformed(
    jpeg: bytes, size: tuple[int, int], quarters: int, *, mirror: bool, gray: bool
) -> bytes | None:
    """Return a JPEG mirrored, then turned clockwise by *quarters*, as a baseline JPEG.

    None where that cannot be done without loss: blocks at its edge are not whole, gray is wanted
    of what is not luma and chroma, it is damaged, is not of *size*, or there is no library.
    """
    library = _library()
    if library is None or size[0] * size[1] > LARGEST_PIXELS:
        return None
    turns = _MIRRORED_TURNS if mirror else _TURNS
    options = _PERFECT | _WITHOUT_MARKERS | (_GRAY if gray else 0)
    transform = _Transform(operation=turns[quarters % 4], options=options)
    with _Work(library, library.tjInitTransform) as work:
        # before it takes memory by what the header says
        if _header(library, work.handle, jpeg)[:2] != size:
            return None
        asked = (1, *work.places, ctypes.byref(transform), _STRICT)
        return work.made(library.tjTransform(work.handle, jpeg, len(jpeg), *asked))


def planes(jpeg: bytes, size: tuple[int, int]) -> Planes | None:
    """Return what a JPEG stores.

    None where that are other colours, or chroma at less than half of the size, it is damaged, is
    not of *size*, or there is no library.
    """
    library = _library()
    if library is None or size[0] * size[1] > LARGEST_PIXELS:
        return None
    with _Work(library, library.tjInitDecompress) as work:
        width, height, shared, colours = _header(library, work.handle, jpeg)
        if (width, height) != size or colours != _LUMA_AND_CHROMA or shared not in _SHARED:
            return None
        empty = Planes(width, height, *_SHARED[shared], b"", b"", b"")
        chroma = empty.columns * empty.rows
        lengths = chroma * empty.across * empty.down, chroma, chroma
        stored = [bytearray(length) for length in lengths]
        # of the size of the JPEG, each row right behind the one before it
        asked = (_starts(stored), 0, None, 0, _STRICT)
        if library.tjDecompressToYUVPlanes(work.handle, jpeg, len(jpeg), *asked):
            return None
        return Planes(*empty[:4], *stored)


def joined(stored: Planes, quality: int) -> bytes | None:
    """Return *stored*, whose planes can be written to, as a baseline JPEG of *quality*, 1 to 100.

    None where there is no library.
    """
    library = _library()
    if library is None:
        return None
    width, height, across, down, *each = stored
    shared = next(number for number, found in _SHARED.items() if found == (across, down))
    with _Work(library, library.tjInitCompress) as work:
        asked = (_starts(each), width, None, height, shared, *work.places, quality, _EXACT)
        return work.made(library.tjCompressFromYUVPlanes(work.handle, *asked))


def check(name: str) -> None:
    """Raise Busy unless the library of this process is the one that the server calls *name*."""
    if name != here():
        _tell_once(name)
        raise Busy("the server has to be started anew, since libturbojpeg was replaced")


@functools.cache
def here() -> str:
    """Return what the library of this process is called, "" where there is none."""
    probe = base64.b64decode(_PROBE)
    made = [
        transformed(probe, (32, 32), quarters, mirror=mirror, gray=gray)
        for quarters in range(4)
        for mirror in (False, True)
        for gray in (False, True)
    ]
    stored = planes(probe, (32, 32))
    made.append(stored and joined(stored, 85))
    if not all(made):
        return ""
    return hashlib.blake2b(b"".join(filter(None, made)), digest_size=4).hexdigest()


def found() -> str:
    """Return what the library of this machine is called, after trying it in another process."""
    command = [sys.executable, "-m", "iiifserver.image.lossless"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        told = subprocess.run(  # noqa: S603 - this program
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            env=environment,
            timeout=_START_S,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("libturbojpeg is not used: %s", error)
        return ""
    return told.stdout.decode("ascii", "replace").strip()


class _Work:
    """Something begun with the library, and the JPEG that it wrote, if it did."""

    def __init__(self, library: Any, begin: Any) -> None:
        self._library = library
        self._start, self._length = ctypes.c_void_p(), ctypes.c_ulong()
        self.handle = begin()
        if not self.handle:
            raise MemoryError

    @property
    def places(self) -> tuple[Any, Any]:
        """Where the library notes the address and the length of what it writes."""
        return ctypes.byref(self._start), ctypes.byref(self._length)

    def made(self, fault: int) -> bytes | None:
        """Return what was written, None where the library told of a fault."""
        if fault or not self._start:
            return None
        return ctypes.string_at(self._start, self._length.value)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.tjFree(self._start)
        self._library.tjDestroy(self.handle)


def _starts(stored: Iterable[Buffer]) -> Any:
    """Return where each of the buffers begins, which can be written to and are three."""
    firsts = [ctypes.c_char.from_buffer(each) for each in stored]
    return (ctypes.c_void_p * 3)(*map(ctypes.addressof, firsts))


def _header(library: Any, handle: int, jpeg: bytes) -> tuple[int, int, int, int]:
    """Return width, height, subsampling and colours, as turbojpeg.h numbers them; -1 if damaged."""
    width, height, shared, colours = (ctypes.c_int(-1) for _ in range(4))
    found = tuple(map(ctypes.byref, (width, height, shared, colours)))
    if library.tjDecompressHeader3(handle, jpeg, len(jpeg), *found):
        return -1, -1, -1, -1
    return width.value, height.value, shared.value, colours.value


@functools.cache
def _library() -> Any:
    """Return the library with its functions declared, None where none can be used."""
    return next(_usable(), None)


def _usable() -> Iterator[Any]:
    for name in _NAMES:
        try:
            library: Any = ctypes.CDLL(name)
        except OSError:
            continue
        if all(hasattr(library, each) for each in _FUNCTIONS):  # others are older than 2.0
            _declare(library)
            yield library


def _declare(library: Any) -> None:
    handle, number, numbers = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_int)
    for begin in (library.tjInitTransform, library.tjInitDecompress, library.tjInitCompress):
        begin.argtypes, begin.restype = (), handle
    library.tjDestroy.argtypes, library.tjDestroy.restype = (handle,), number
    library.tjFree.argtypes, library.tjFree.restype = (ctypes.c_void_p,), None
    stream = (handle, ctypes.c_char_p, ctypes.c_ulong)
    library.tjDecompressHeader3.argtypes = (*stream, numbers, numbers, numbers, numbers)
    library.tjDecompressHeader3.restype = number
    starts = ctypes.POINTER(ctypes.c_void_p)
    made = (ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_ulong))
    library.tjDecompressToYUVPlanes.argtypes = (*stream, starts, number, numbers, number, number)
    library.tjDecompressToYUVPlanes.restype = number
    planes = (handle, starts, number, numbers, number, number)
    library.tjCompressFromYUVPlanes.argtypes = (*planes, *made, number, number)
    library.tjCompressFromYUVPlanes.restype = number
    library.tjTransform.argtypes = (
        *stream,
        number,
        *made,
        ctypes.POINTER(_Transform),
        number,
    )
    library.tjTransform.restype = number


@functools.cache
def _tell_once(name: str) -> None:
    _log.error("libturbojpeg was replaced while the server runs (%s): start it anew", name)


if __name__ == "__main__":
    print(here())
