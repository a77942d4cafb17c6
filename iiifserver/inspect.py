"""What an image is, how fast it will be served and why, and what would make it faster.

A tile and an overview are really served, by the code and by a render process of the kind that the
server has; nothing that was made before is used but what stands ready, and nothing is kept.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from .config import Config
from .edition import current
from .errors import ConfigurationError
from .image.broker import Bounds
from .image.broker.pool import Pool
from .image.build import build
from .image.cost import cost_ms
from .image.form import Form, needs_pyramid
from .image.headers import Header
from .image.job import bytes_of
from .image.making import BuildPyramid, StoreTiles
from .image.masters import Masters
from .image.planned import Image
from .image.request import ImageRequest
from .image.service import Images
from .near import Pieces
from .routing import with_prefixes
from .sources import File, Folder, Listed, Sources, identity_of

Way = Literal["stored tile", "region decode", "whole decode"]
_TIMES = 3
_OVERVIEW = 400
_SLOW_MS = 100.0
_REASONS: dict[Way, str] = {
    "stored tile": "its bytes stand ready and are sent as they are",
    "region decode": "only the part that is asked for is decoded, from the nearest level",
    "whole decode": "all that stands before the part that is asked for is decoded with it",
}


@dataclass(frozen=True, slots=True)
class Served:
    """How one request is answered, and what that took."""

    what: str
    request: str
    way: Way
    reason: str
    measured_ms: float
    foreseen_ms: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found out of one image."""

    identifier: str
    file: str
    facts: dict[str, object]
    served: tuple[Served, ...]
    advice: tuple[str, ...]


def inspect(name: str, config: Config) -> Findings:
    """Return what is known of the image *name*: a file, or an identifier of what is served.

    Raises:
        RequestError: there is none, or it cannot be read; as answers of the server would say.
        ConfigurationError: *name* is no file, and nothing is served.
    """
    is_file = _is_file(name, config)
    with _looked_at(name, config) as (identifier, images, pool):
        image = images.describe(identifier)
        lacks = _lacking(image, config, pool)
        requests = {"a tile in the middle": _tile(image), "an overview": _overview(image)}
        served = [
            _served(what, text, identifier, images)
            for what, text in requests.items()
        ]  # fmt: skip
        return Findings(
            image.source.identifier,
            str(image.source.path),
            dict(_facts(image.header, image)),
            tuple(served),
            tuple(_advice(image, served, lacks, is_file=is_file, config=config)),
        )


def fix(name: str, config: Config) -> str:
    """Make what *name* lacks to be served fast, and return what was done, in words.

    A file gets a pyramid beside it; what is served gets its own where the server looks for it.

    Raises:
        RequestError: it cannot be read.
        ConfigurationError: only a publication can make it, or there is a file in the way.
    """
    form = Form.of(config)
    if _is_file(name, config):
        path = Path(name)
        with _looked_at(name, config) as (identifier, images, _):
            if not needs_pyramid(images.describe(identifier).header, 0, form):
                return "it needs no pyramid"
        target = path.with_name(f"{path.stem}.pyramid.tif")
        if target.exists():
            raise ConfigurationError(f"{target} is there already")
        build(path, 0, identity_of(path.stat()), target, form)
        return f"{target} was made: serve it in place of {path.name}"
    with _looked_at(name, config) as (identifier, images, pool):
        job = _lacking(images.describe(identifier), config, pool)
        if job is None:
            return "nothing is missing"
        pool.render(job)
        whole = isinstance(job, BuildPyramid)
        return "its pyramid was made" if whole else "its edge tiles and thumbnails were made"


def _lacking(image: Image, config: Config, pool: Pool) -> BuildPyramid | StoreTiles | None:
    """Return what has to be made so that all tiles of *image* stand ready."""
    if image.stored is not None:
        return None
    return Masters(config, pool).lacking(image.source, image.header)


def _is_file(name: str, config: Config) -> bool:
    return Path(name).is_file() and not _is_in_folder(name, config)


def _is_in_folder(name: str, config: Config) -> bool:
    return bool(config.folder) and (Path(config.folder) / name).is_file()


def _sources(config: Config) -> Sources:
    folder, home = config.folder, config.home
    others: Sources = Folder(Path(folder)) if folder else current(home).images
    return with_prefixes(others, config, Pieces(config.store_memory_mib << 20))


@contextmanager
def _looked_at(name: str, config: Config) -> Iterator[tuple[str, Images, Pool]]:
    """Yield the identifier and the images with render processes of their own."""
    sources: Sources
    if _is_file(name, config):
        path = Path(name).absolute()
        # as it is, without a folder's pyramids
        name, sources = path.name, Listed({path.name: File(path)})
        config = replace(config, folder="")
    else:
        sources = _sources(config)
    config = replace(config, derived_mib=0)
    with closing(Pool(Bounds.of(config))) as pool:
        yield name, Images(sources, config, pool), pool


def _facts(header: Header, image: Image) -> Iterator[tuple[str, object]]:
    full = header.levels[0]
    yield "format", header.format
    yield "bytes", image.source.size_bytes or "not asked for"  # of a published pyramid in a store
    yield "width", header.width
    yield "height", header.height
    yield "megapixels", round(header.width * header.height / 1e6, 1)
    yield "bits", header.bits
    yield "bands", header.bands
    colours = header.bands - header.alpha
    yield "colours", {1: "gray", 3: "RGB", 4: "CMYK"}.get(colours, f"{colours} bands")
    yield "alpha", header.alpha
    yield "profile", header.profile
    yield "orientation", header.orientation
    yield "compression", "lossless" if header.lossless else "lossy"
    yield "tiles", f"{full.tile_width} x {full.tile_height}" if full.tile_width else "none"
    yield "levels", [f"{level.width} x {level.height}" for level in header.levels]
    yield "tiles advertised", f"{image.tile.width} x {image.tile.height}"
    yield "sidecar", image.stored is not None
    yield "decoder memory MiB", header.decode_bytes >> 20
    yield "decoded in strips", header.streams


def _tile(image: Image) -> str:
    """Return the request of a whole tile, as near to the middle as there is one."""
    (width, height), tile = image.dimensions, image.tile
    x = width // 2 // tile.width * tile.width
    y = height // 2 // tile.height * tile.height
    across, down = min(tile.width, width - x), min(tile.height, height - y)
    return f"{x},{y},{across},{down}/{across},{down}/0/default.jpg"


def _overview(image: Image) -> str:
    longest = max(image.dimensions)
    return f"full/{'max' if longest <= _OVERVIEW else f'!{_OVERVIEW},{_OVERVIEW}'}/0/default.jpg"


def _served(what: str, text: str, identifier: str, images: Images) -> Served:
    asked = ImageRequest.parse(3, *text.split("/"))
    taken = []
    for _ in range(_TIMES + 1):
        started = time.perf_counter()
        planned = images.plan(identifier, asked)
        body = bytes_of(images.answer(planned).body)
        taken.append((time.perf_counter() - started) * 1000)
    way = _way(planned.image.header, stored=planned.place is not None)
    return Served(
        what, text, way, _REASONS[way],
        measured_ms=round(statistics.median(taken[1:]), 2),  # the first had to start a process
        foreseen_ms=0.0 if planned.place else round(cost_ms(planned.image.header, planned.plan), 1),
        size_bytes=len(body),
    )  # fmt: skip


def _way(header: Header, *, stored: bool) -> Way:
    if stored:
        return "stored tile"
    tiled = header.levels[0].tile_width or header.format == "jp2"
    return "region decode" if tiled else "whole decode"


def _advice(
    image: Image, served: list[Served], lacks: object, *, is_file: bool, config: Config
) -> Iterator[str]:
    header = image.header
    if all(each.way == "stored tile" for each in served):
        yield "nothing: every tile that a viewer asks for stands ready"
    elif is_file and needs_pyramid(header, image.source.leaf, Form.of(config)):
        yield "make a pyramid: --fix puts one beside it; published or in a folder it gets one"
    elif isinstance(lacks, BuildPyramid):
        yield "--fix makes its pyramid now; the server makes it at the first look"
    elif lacks:
        yield "--fix makes its edge tiles and thumbnails now; the server does at the first look"
    elif needs_pyramid(header, image.source.leaf, Form.of(config)):
        yield "publish it again: it has no pyramid"
    elif max(each.measured_ms for each in served) > _SLOW_MS:
        yield "nothing: it is served from its own tiles; its compression is slow to decode"
    else:
        yield "nothing: it is small enough to be served as it is"
    if header.decode_bytes > config.max_decoder_mib << 19:
        yield "decoding it takes more than half of max_decoder_mib: mind larger ones of its kind"
