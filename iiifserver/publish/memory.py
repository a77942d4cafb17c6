"""What the last publication found out, so that the next one need not: headers and documents.

Nothing depends on it but time: it is no part of an edition, and may be deleted. It is written now
and then on the way, so that a publication that was killed is finished by the next one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson


class Scan(NamedTuple):
    """A header that was read: of which content, and what the Image API publishes of it."""

    identity: str
    width: int
    height: int
    sizes: tuple[tuple[int, int], ...]
    pyramid: str = ""
    """The name of the pyramid that it is served from; empty if it is served as it is."""
    tiles: str = ""
    """The name of its sidecar."""
    copied: bool = False
    """Whether what is called its pyramid is a copy of it: it is served as it is."""

    @property
    def shown(self) -> tuple[int, int, tuple[tuple[int, int], ...]]:
        """What documents show of it."""
        return self.width, self.height, self.sizes


class Made(NamedTuple):
    """Documents that were made: from what, and where they are."""

    inputs: str
    base_url: str
    content: str
    object: str


class Memory(NamedTuple):
    """Scans and documents by their identifiers."""

    scans: Mapping[str, Scan]
    units: Mapping[str, Made]


def recall(data: Path, settings: str) -> Memory:
    """Return what is remembered under *settings*; nothing where they were others."""
    nothing = Memory({}, {})
    try:
        held: dict[str, Any] = orjson.loads(_path(data).read_bytes())
        if held["settings"] != settings:
            return nothing
        scans = {
            name: Scan(identity, width, height, tuple((w, h) for w, h in sizes), *made)
            for name, (identity, width, height, sizes, *made) in held["scans"].items()
        }
        return Memory(scans, {name: Made(*values) for name, values in held["units"].items()})
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return nothing  # absent, or damaged: everything is found out again


def remember(data: Path, settings: str, memory: Memory) -> None:
    """Replace what is remembered."""
    path = _path(data)
    body = orjson.dumps(
        {"settings": settings, "scans": memory.scans, "units": memory.units}, default=tuple_as_list
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".aside-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
        Path(name).replace(path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 - it is a name


def tuple_as_list(value: object) -> list[object]:
    """Return a NamedTuple as orjson takes it."""
    if isinstance(value, tuple):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _path(data: Path) -> Path:
    return data / "memory.json"
