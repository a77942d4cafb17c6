"""A file as a stream, for loaders that would otherwise map all of it into memory."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import pyvips

_PIPE_BYTES = 1 << 20  # what a decoder takes in ten milliseconds
_PIECE_BYTES = 64 << 10
_PAUSE_S = 0.003


def streamed(path: Path, before: bytes = b"", start: int = 0) -> Any:
    """Return the file as a source that libvips reads from the beginning, a piece at a time.

    It is read from the byte *start* on, after what comes *before* that.

    libvips maps a JPEG that it opens by name, so that what was read of it counts as memory of the
    process: 150 MB of a scan of 600 megapixels, five times what decoding it takes.
    """
    if sys.platform != "linux" and not before:  # pipes hold too little there
        return pyvips.Source.new_from_file(str(path))
    try:
        file = path.open("rb", buffering=0)
        file.seek(start)
    except OSError as error:
        raise pyvips.Error("unable to open for read", f"{path}: {error.strerror}") from error
    try:
        reads, writes = os.pipe()
    except OSError as error:
        file.close()
        raise pyvips.Error("unable to open a pipe", str(error.strerror)) from error
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a user may have too much in pipes already
            fcntl.fcntl(writes, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            os.set_blocking(writes, False)
    try:
        threading.Thread(target=_feed, args=(before, file, writes), daemon=True).start()
    except RuntimeError as error:
        for each in (reads, writes):
            os.close(each)
        file.close()
        raise pyvips.Error("unable to start a thread", str(error)) from error
    try:
        return pyvips.Source.new_from_descriptor(reads)
    finally:
        os.close(reads)  # the source has its own


def _feed(before: bytes, file: IO[bytes], pipe: int) -> None:
    """Write *before* and the rest of *file* into *pipe*; sooner done where no more is read.

    A full pipe is left alone for a moment: to write whenever a page of it was read would cost the
    decoder a fifth of its time.
    """
    try:
        _write(before, pipe)
        while _moved(file, pipe):
            pass
    except OSError:  # its reader has gone, or the disk fails: it ends early then
        pass
    finally:
        os.close(pipe)
        file.close()


def _write(data: bytes, pipe: int) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(pipe, left) :]
        except BlockingIOError:
            time.sleep(_PAUSE_S)


def _moved(file: IO[bytes], pipe: int) -> bool:
    """Move some of *file*, or wait; return whether there is more."""
    if sys.platform != "linux":
        piece = file.read(_PIECE_BYTES)
        _write(piece, pipe)
        return bool(piece)
    try:
        return os.splice(file.fileno(), pipe, _PIPE_BYTES) > 0
    except BlockingIOError:
        time.sleep(_PAUSE_S)
        return True
