"""Whether what is published is still what was written: every object, pyramid and sidecar."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from iiifserver.edition import numbers, object_path, pyramid_path, read_index, sidecar_name
from iiifserver.errors import ConfigurationError
from iiifserver.image.fixity import UNKNOWN, damage


class Damage(NamedTuple):
    """A file that is not what it was: its path, what is wrong, and whose it is, in words."""

    path: Path
    why: str
    of: str


@dataclass(slots=True)
class Fixity:
    """How many files were looked at, and what was found."""

    objects: int = 0
    pyramids: int = 0
    unknown: int = 0
    """Pyramids of which no checksum was taken."""
    damaged: list[Damage] = field(default_factory=list)


def verify(data: Path) -> Fixity:
    """Return what became of the files that the editions in *data* name; all of them are read.

    Raises:
        ConfigurationError: nothing is published there, or an index cannot be read.
    """
    editions = numbers(data)
    if not editions:
        raise ConfigurationError(f"nothing is published in {data}")
    objects: dict[str, str] = {}
    made: dict[str, tuple[bool, str]] = {}
    for number in editions:
        index = read_index(data, number)
        for name, unit in index["units"].items():
            objects[unit["object"]] = f"the documents of {name or 'the site'}"
        for identifier, image in index["images"].items():
            if pyramid := image.get("pyramid"):
                made[sidecar_name(pyramid)] = True, identifier
            elif tiles := image.get("tiles"):
                made[tiles] = False, identifier
    found = Fixity(objects=len(objects), pyramids=len(made))
    found.damaged += _damaged_objects(data, objects)
    for sidecar, (ours, identifier) in made.items():
        path = pyramid_path(data, sidecar)
        picture = path.with_suffix(".tif")
        why = damage(path, picture if ours else None)
        if why == UNKNOWN:
            found.unknown += 1
        elif why:
            found.damaged.append(Damage(picture if ours else path, why, identifier))
    return found


def _damaged_objects(data: Path, objects: dict[str, str]) -> Iterator[Damage]:
    for digest, name in objects.items():
        path = object_path(data, digest)
        try:
            with path.open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    yield Damage(path, "its bytes are not those that were written", name)
        except OSError as error:
            yield Damage(path, error.strerror or str(error), name)
