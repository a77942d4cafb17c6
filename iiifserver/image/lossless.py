"""JPEG tiles mirrored, turned and made gray without decoding them, where libturbojpeg is there.

Blocks of coefficients change their places and signs, and gray is the luma that is stored: nothing
is lost a second time, and it takes two thirds of the time. The library is the system's, of
TurboJPEG 2 or 3, and optional; docs/decisions/0012-turned-without-decoding.md.

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
from collections.abc import Iterator
from typing import Any

from iiifserver.errors import Busy

VARIABLE = "IIIF_LOSSLESS"
"""Environment variable: the name of the library that a server has found, empty without one."""

LARGEST_PIXELS = 4_096 * 4_096
"""What is larger is no tile."""
# one name in all versions so far
_NAMES = ("libturbojpeg.so.0", "libturbojpeg.0.dylib", "libturbojpeg.dylib")
_FUNCTIONS = ("tjInitTransform", "tjTransform", "tjDecompressHeader3", "tjGetErrorCode", "tjFree")
_START_S = 20.0
_PERFECT, _GRAY, _WITHOUT_MARKERS = 1, 8, 64
_STOP_ON_WARNING, _LIMIT_SCANS = 8_192, 32_768
# by quarter turns clockwise; ROT90 of what was mirrored is TRANSVERSE, and so on
_TURNS = (0, 5, 6, 7)
_MIRRORED_TURNS = (1, 4, 2, 3)
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
    handle = library.tjInitTransform()
    if not handle:
        return None
    made, made_bytes = ctypes.c_void_p(), ctypes.c_ulong()
    turns = _MIRRORED_TURNS if mirror else _TURNS
    options = _PERFECT | _WITHOUT_MARKERS | (_GRAY if gray else 0)
    transform = _Transform(operation=turns[quarters % 4], options=options)
    try:
        # before it takes memory by what the header says
        if _size(library, handle, jpeg) != size:
            return None
        flags = _STOP_ON_WARNING | _LIMIT_SCANS
        asked = (1, ctypes.byref(made), ctypes.byref(made_bytes), ctypes.byref(transform), flags)
        if library.tjTransform(handle, jpeg, len(jpeg), *asked) or not made:
            return None
        return ctypes.string_at(made, made_bytes.value)
    finally:
        library.tjFree(made)
        library.tjDestroy(handle)


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


def _size(library: Any, handle: int, jpeg: bytes) -> tuple[int, int] | None:
    numbers = [ctypes.c_int() for _ in range(4)]  # width, height, subsampling, colours
    pointers = [ctypes.byref(each) for each in numbers]
    if library.tjDecompressHeader3(handle, jpeg, len(jpeg), *pointers):
        return None
    return numbers[0].value, numbers[1].value


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
    library.tjInitTransform.argtypes, library.tjInitTransform.restype = (), handle
    library.tjDestroy.argtypes, library.tjDestroy.restype = (handle,), number
    library.tjFree.argtypes, library.tjFree.restype = (ctypes.c_void_p,), None
    stream = (handle, ctypes.c_char_p, ctypes.c_ulong)
    library.tjDecompressHeader3.argtypes = (*stream, numbers, numbers, numbers, numbers)
    library.tjDecompressHeader3.restype = number
    library.tjTransform.argtypes = (
        *stream,
        number,
        ctypes.POINTER(ctypes.c_void_p),
        ctypes.POINTER(ctypes.c_ulong),
        ctypes.POINTER(_Transform),
        number,
    )
    library.tjTransform.restype = number


@functools.cache
def _tell_once(name: str) -> None:
    _log.error("libturbojpeg was replaced while the server runs (%s): start it anew", name)


if __name__ == "__main__":
    print(here())
