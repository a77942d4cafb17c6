"""The scans of an exhibition as the Image API will publish them, from their headers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from iiifserver.config import Config
from iiifserver.errors import InvalidExhibition, Mistake, RequestError
from iiifserver.image.service import Images
from iiifserver.records import Exhibition
from iiifserver.sources import Listed

from .memory import Scan


class File(NamedTuple):
    """The scan of one page: its file below the folder of scans, and the rights to it."""

    name: str
    rights: str | None
    leaf: int = 0
    """Which of the pictures in the file, from 0."""


class _NoPixels:
    """A renderer for those who only read headers."""

    def render(self, job: object) -> bytes:
        """Refuse: publishing needs no picture."""
        raise NotImplementedError(job)


def files_of(exhibition: Exhibition) -> dict[str, File]:
    """Return the scan of each page by its identifier in the Image API."""
    return {
        page.image: File(
            f"{record.identifier}/{page.file}", record.rights or exhibition.rights, page.leaf
        )
        for record in exhibition.records
        for page in record.pages
    }


def look_at(
    files: Mapping[str, File], root: Path, config: Config, known: Mapping[str, Scan]
) -> dict[str, Scan]:
    """Return what the header of each scan says, by its identifier; what is *known* is not read.

    A scan is known if its size, time of change and inode are.

    Raises:
        InvalidExhibition: scans that cannot be read, all of them.
    """
    listed = Listed({name: (root / file.name, file.rights) for name, file in files.items()})
    images = Images(listed, config, _NoPixels())
    found: dict[str, Scan] = {}
    mistakes: list[Mistake] = []
    for name, file in files.items():
        if file.leaf:
            reason = f"{file.name}: picture {file.leaf + 1} of a file cannot be served yet"
            mistakes.append(Mistake("Images", "", file.name, reason))
            continue
        try:
            identity = _identity(f"{root}/{file.name}")
            scan = known.get(file.name)
            unchanged = scan if scan and scan.identity == identity else None
            found[name] = unchanged or _read(name, identity, images)
        except (RequestError, OSError) as error:
            mistakes.append(Mistake("Images", "", file.name, f"{file.name}: {_why(error)}"))
    if mistakes:
        raise InvalidExhibition(mistakes)
    return found


def _identity(path: str) -> str:
    status = os.stat(path)  # noqa: PTH116 - one a page, and there may be many
    return f"{status.st_size:x}-{status.st_mtime_ns:x}-{status.st_ino:x}"


def _read(name: str, identity: str, images: Images) -> Scan:
    image = images.describe(name)
    sizes = tuple((size.width, size.height) for size in images.sizes(image))
    return Scan(identity, *image.dimensions, sizes)


def _why(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
