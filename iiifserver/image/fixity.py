"""Whether a pyramid and its sidecar are still the bytes that were written.

What is sent of them is sent as it is: a checksum for each tile would cost a third of what a tile
does. So their checksums are taken when they are made, kept in the sidecar, and compared when the
operator asks.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from typing import IO, Any

from iiifserver.errors import RequestError

_HEAD = struct.Struct("<8sII")  # as `stored` has it
_PIECE_BYTES = 4 << 20
UNKNOWN = "its checksum was never taken: an older program made it"


def checksum(file: IO[Any]) -> int:
    """Return the CRC-32 of what is in *file*, from where it is read next."""
    found = 0
    while piece := file.read(_PIECE_BYTES):
        found = zlib.crc32(piece, found)
    return found


def damage(sidecar: str, picture: str | None, opened: Callable[[str], IO[Any]]) -> str | None:
    """Return what is wrong with a sidecar or its pyramid *picture*, None where they are whole.

    *opened* opens what is called so. `UNKNOWN` where nobody can tell. Without *picture* it is the
    file of somebody else, and only the sidecar is looked at.
    """
    name = sidecar
    try:
        with opened(sidecar) as file:
            magic, length, expected = _HEAD.unpack(file.read(_HEAD.size))
            body = file.read(length)
            if not magic.startswith(b"tiles ") or zlib.crc32(body) != expected:
                return f"{sidecar}: its index is damaged"
            checks = json.loads(body.partition(b"\n")[0]).get("checks")
            if checks is None:
                return UNKNOWN
            if checksum(file) != checks[1]:
                return f"{sidecar}: its tiles are damaged"
        if picture is not None and checks[0] is not None:
            name = picture
            with opened(picture) as file:
                if checksum(file) != checks[0]:
                    return f"{picture}: its tiles are damaged"
    except (OSError, RequestError) as error:
        return f"{name}: {getattr(error, 'strerror', None) or error}"
    except (ValueError, struct.error):
        return f"{sidecar}: it is no sidecar"
    return None
