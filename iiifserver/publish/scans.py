"""The scans of an exhibition as the Image API will publish them, from their headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath
from typing import NamedTuple

from iiifserver.config import Config
from iiifserver.edition import sidecar_name
from iiifserver.errors import InvalidExhibition, Mistake, RequestError
from iiifserver.homes import Home
from iiifserver.image.cost import check_cost
from iiifserver.image.form import Form, needs_pyramid, pyramid_name, tile_of
from iiifserver.image.info import listed_sizes
from iiifserver.image.original import Original
from iiifserver.image.plan import Dimensions
from iiifserver.image.service import limits_of
from iiifserver.records import Exhibition

from .layout import Layout
from .memory import Scan
from .progress import Progress
from .pyramids import Wanted

_READS = 16  # at a time, of scans that are far


class File(NamedTuple):
    """The scan of one page: its file below the folder of scans, and the rights to it."""

    name: str
    original: Original
    """As it was when its checksum was taken."""
    rights: str | None
    leaf: int = 0
    """Which of the pictures in the file, from 0."""
    checksum: str = ""

    @property
    def identity(self) -> str:
        """Another one means other pixels."""
        return f"{self.checksum}-{self.leaf}"


def files_of(exhibition: Exhibition, layout: Layout) -> dict[str, File]:
    """Return the scan of each page by its identifier in the Image API."""
    return {
        page.image: File(
            f"{record.identifier}/{page.file}",
            slot.scan.original,
            record.rights or exhibition.rights,
            page.leaf,
            slot.leaf.checksum,
        )
        for record in exhibition.records
        for page, slot in zip(record.pages, layout.slots[record.identifier], strict=True)
        if slot.scan  # without one it is a mistake
    }


def look_at(
    files: Mapping[str, File], config: Config, known: Mapping[str, Scan]
) -> dict[str, Scan]:
    """Return what the header of each scan says, by its identifier; what is *known* is not read.

    Raises:
        InvalidExhibition: scans that cannot be read, all of them.
    """
    found = {
        name: scan
        for name, scan in known.items()
        if name in files and scan.identity == files[name].identity
    }
    mistakes: list[Mistake] = []
    missing = {name: file for name, file in files.items() if name not in found}
    for name, scan in _read_all(missing, config):
        if isinstance(scan, Scan):
            found[name] = scan
        else:
            file = files[name].name
            mistakes.append(Mistake("Images", "", file, f"{file}: {scan}"))
    if mistakes:
        raise InvalidExhibition(mistakes)
    return {name: found[name] for name in files}


def _read_all(
    files: Mapping[str, File], config: Config
) -> Iterator[tuple[str, Scan | RequestError]]:
    """Yield what each header says, or why it cannot be read; several wait for a network at once."""

    def read(file: File) -> Scan | RequestError:
        try:
            return _read(file, config)
        except RequestError as error:
            return error

    near = {name: file for name, file in files.items() if not file.original.far}
    far = {name: file for name, file in files.items() if file.original.far}
    yield from zip(near, map(read, near.values()), strict=True)
    with ThreadPoolExecutor(_READS) as threads:
        found = zip(far, threads.map(read, far.values()), strict=True)
        yield from Progress().each(found, len(far), "headers")


def settings_of(root: Home, config: Config) -> str:
    """Return all but the files that decides what `look_at` finds."""
    costs = (config.max_source_pixels, config.max_decoder_mib)
    stored = (config.store,) if config.store else ()
    return repr((str(root), limits_of(config), Form.of(config), costs, *stored))


def pyramids_of(
    files: Mapping[str, File], scans: Mapping[str, Scan]
) -> Iterator[tuple[str, Wanted]]:
    """Yield the name of each pyramid, or sidecar alone, and what it is made from."""
    for name, file in files.items():
        needed = scans[name].pyramid or scans[name].tiles
        yield needed, Wanted(file.name, file.original, file.leaf, scans[name].copied)


def _read(file: File, config: Config) -> Scan:
    header = file.original.describe(file.leaf)
    check_cost("it", header, config)
    form = Form.of(config)
    needed = needs_pyramid(header, file.leaf, form)
    tile = Dimensions(form.tile, form.tile) if needed else tile_of(header)
    sizes = listed_sizes(Dimensions(header.width, header.height), tile, limits_of(config))
    pyramid = pyramid_name(file.checksum, file.leaf, form) if needed else ""
    # copies of a scan share a pyramid; served as they are, each has a sidecar
    alone = pyramid_name(f"{file.checksum} {file.name}", file.leaf, form)
    # servers of a store have no scans, and none reads buckets that others may change
    copied = not pyramid and (bool(config.store) or file.original.far)
    if copied:
        stem = PurePath(pyramid_name(f"{file.checksum} as it is", file.leaf, form)).stem
        pyramid = f"{stem}{PurePath(file.name).suffix.lower()}"
    return Scan(
        file.identity,
        header.width,
        header.height,
        tuple((size.width, size.height) for size in sizes),
        pyramid,
        sidecar_name(pyramid or alone),
        copied,
    )
