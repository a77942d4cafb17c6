"""The scans of an exhibition as the Image API will publish them, from their headers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import NamedTuple

from iiifserver.config import Config
from iiifserver.edition import sidecar_name
from iiifserver.errors import InvalidExhibition, Mistake, RequestError
from iiifserver.image.containers import describe_page
from iiifserver.image.form import Form, needs_pyramid, pyramid_name, tile_of
from iiifserver.image.info import listed_sizes
from iiifserver.image.plan import Dimensions
from iiifserver.image.service import check_cost, limits_of
from iiifserver.records import Exhibition

from .layout import Layout
from .memory import Scan
from .pyramids import Wanted


class File(NamedTuple):
    """The scan of one page: its file below the folder of scans, and the rights to it."""

    name: str
    rights: str | None
    leaf: int = 0
    """Which of the pictures in the file, from 0."""
    checksum: str = ""
    state: str = ""
    """Of the file when its checksum was taken: its size, time of change and inode."""

    @property
    def identity(self) -> str:
        """Another one means other pixels."""
        return f"{self.checksum}-{self.leaf}"


def files_of(exhibition: Exhibition, layout: Layout) -> dict[str, File]:
    """Return the scan of each page by its identifier in the Image API."""
    return {
        page.image: File(
            f"{record.identifier}/{page.file}",
            record.rights or exhibition.rights,
            page.leaf,
            slot.leaf.checksum,
            slot.scan.identity if slot.scan else "",
        )
        for record in exhibition.records
        for page, slot in zip(record.pages, layout.slots[record.identifier], strict=True)
    }


def look_at(
    files: Mapping[str, File], root: Path, config: Config, known: Mapping[str, Scan]
) -> dict[str, Scan]:
    """Return what the header of each scan says, by its identifier; what is *known* is not read.

    Raises:
        InvalidExhibition: scans that cannot be read, all of them.
    """
    found: dict[str, Scan] = {}
    mistakes: list[Mistake] = []
    for name, file in files.items():
        scan = known.get(name)
        try:
            unchanged = scan if scan and scan.identity == file.identity else None
            found[name] = unchanged or _read(file, root, config)
        except RequestError as error:
            mistakes.append(Mistake("Images", "", file.name, f"{file.name}: {error}"))
    if mistakes:
        raise InvalidExhibition(mistakes)
    return found


def settings_of(root: Path, config: Config) -> str:
    """Return all but the files that decides what `look_at` finds."""
    costs = (config.max_source_pixels, config.max_decoder_mib)
    stored = (config.store,) if config.store else ()
    return repr((str(root), limits_of(config), Form.of(config), costs, *stored))


def pyramids_of(
    files: Mapping[str, File], scans: Mapping[str, Scan], root: Path
) -> Iterator[tuple[str, Wanted]]:
    """Yield the name of each pyramid, or sidecar alone, and what it is made from."""
    for name, file in files.items():
        needed = scans[name].pyramid or scans[name].tiles
        copied = scans[name].copied
        yield needed, Wanted(file.name, root / file.name, file.leaf, file.state, copied)


def _read(file: File, root: Path, config: Config) -> Scan:
    header = describe_page(root / file.name, file.leaf)
    check_cost("it", header, config)
    form = Form.of(config)
    needed = needs_pyramid(header, file.leaf, form)
    tile = Dimensions(form.tile, form.tile) if needed else tile_of(header)
    sizes = listed_sizes(Dimensions(header.width, header.height), tile, limits_of(config))
    pyramid = pyramid_name(file.checksum, file.leaf, form) if needed else ""
    # copies of a scan share a pyramid; served as they are, each has a sidecar
    alone = pyramid_name(f"{file.checksum} {file.name}", file.leaf, form)
    copied = bool(config.store) and not pyramid
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
