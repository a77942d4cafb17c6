"""Whether a pyramid and its sidecar are still the bytes that were written.

What is sent of them is sent as it is: a checksum for each tile would cost a third of what a tile
does. So their checksums are taken when they are made, kept in the sidecar, and compared when the
operator asks.
"""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path
from typing import IO

_HEAD = struct.Struct("<8sII")  # as `stored` has it
_PIECE_BYTES = 1 << 20
UNKNOWN = "its checksum was never taken: an older program made it"


def checksum(file: IO[bytes]) -> int:
    """Return the CRC-32 of what is in *file*, from where it is read next."""
    found = 0
    while piece := file.read(_PIECE_BYTES):
        found = zlib.crc32(piece, found)
    return found


def damage(sidecar: Path, picture: Path | None) -> str | None:
    """Return what is wrong with a sidecar or its pyramid *picture*, None where they are whole.

    `UNKNOWN` where nobody can tell. Without *picture* it is the file of somebody else, and only
    the sidecar is looked at.
    """
    try:
        with sidecar.open("rb") as file:
            magic, length, expected = _HEAD.unpack(file.read(_HEAD.size))
            body = file.read(length)
            if not magic.startswith(b"tiles ") or zlib.crc32(body) != expected:
                return f"{sidecar.name}: its index is damaged"
            checks = json.loads(body.partition(b"\n")[0]).get("checks")
            if checks is None:
                return UNKNOWN
            if checksum(file) != checks[1]:
                return f"{sidecar.name}: its tiles are damaged"
        if picture is not None and checks[0] is not None:
            with picture.open("rb") as file:
                if checksum(file) != checks[0]:
                    return f"{picture.name}: its tiles are damaged"
    except OSError as error:
        return f"{Path(error.filename or sidecar).name}: {error.strerror}"
    except (ValueError, struct.error):
        return f"{sidecar.name}: it is no sidecar"
    return None
