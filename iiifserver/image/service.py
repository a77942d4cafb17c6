"""What the server knows of its images: `describe`, `plan` (cheap, no pixel) and `render`.

Headers are read once and kept, bounded, under the identity of the file: a replaced file is read
anew. Pixels are made elsewhere, by whatever `Renderer` was given.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from iiifserver.cache import Memory
from iiifserver.config import Config, background_rgb
from iiifserver.errors import BrokenSource, SourceTooLarge
from iiifserver.sources import Source, Sources

from .info import DEFAULT_TILE, listed_sizes
from .job import Encoding, Job, Picture
from .open import Header, describe
from .plan import Dimensions, Limits, Plan, make_plan
from .request import ImageRequest

MOST_HEADERS = 20_000
"""Headers kept in memory, about 1 kB each."""
EDITION_OF_PIXELS = "1"
"""Part of every ETag: raised when the same request begins to give other pixels."""


class Renderer(Protocol):
    """What runs jobs, in this process or another."""

    def render(self, job: Job) -> bytes:
        """Return the job's result."""
        ...


@dataclass(frozen=True, slots=True)
class Image:
    """An image that can be served: its file and what its header says."""

    source: Source
    header: Header

    @property
    def dimensions(self) -> Dimensions:
        """Width and height as shown."""
        return Dimensions(self.header.width, self.header.height)

    @property
    def tile(self) -> Dimensions:
        """The tile size to advertise: the file's own where it is tiled."""
        return tile_of(self.header)


@dataclass(frozen=True, slots=True)
class Planned:
    """A request that can be answered, and the strong ETag of its answer."""

    image: Image
    plan: Plan
    etag: str


class Images:
    """The images of one server."""

    def __init__(self, sources: Sources, config: Config, renderer: Renderer) -> None:
        self.limits = limits_of(config)
        self._sources = sources
        self._renderer = renderer
        self._encoding = encoding_of(config)
        self._config = config
        self._headers: Memory[tuple[str, str], Header] = Memory(MOST_HEADERS)
        self._settings = repr((EDITION_OF_PIXELS, self._encoding, self.limits))

    def find(self, identifier: str) -> Source:
        """Return the file of *identifier*, or raise NotFound."""
        return self._sources.find(identifier)

    def describe(self, identifier: str) -> Image:
        """Return the image of *identifier*, after reading no more than its header.

        Raises:
            NotFound: nothing has this name.
            BrokenSource: the file is not an image that we read.
            SourceTooLarge: decoding it would cost more than the settings allow.
        """
        source = self._sources.find(identifier)
        key = (source.identifier, source.identity)
        header = self._headers.get(key)
        if header is None:
            header = self._read(source)
            self._headers.put(key, header)
        return Image(source, header)

    def sizes(self, image: Image) -> tuple[Dimensions, ...]:
        """Return the sizes that the image's info.json lists, the smallest first."""
        return tuple(listed_sizes(image.dimensions, image.tile, self.limits))

    def plan(self, identifier: str, request: ImageRequest) -> Planned:
        """Return what *request* means for the image; no pixel is touched.

        Raises:
            RequestError: as `describe` and `plan.make_plan` do.
        """
        image = self.describe(identifier)
        plan = make_plan(request, image.dimensions, self.limits)
        # both versions share one entry: the canonical spelling depends on the version
        text = repr((image.source.identifier, image.source.identity, self._settings, _pixels(plan)))
        return Planned(image, plan, hashlib.blake2b(text.encode(), digest_size=16).hexdigest())

    def render(self, planned: Planned) -> bytes:
        """Return the encoded picture.

        Raises:
            BrokenSource: the file ends early or cannot be decoded.
            Busy: there is no room for this work now, or it took too long.
        """
        source, header = planned.image.source, planned.image.header
        picture = Picture(source.identifier, source.path, header, planned.plan, self._encoding)
        return self._renderer.render(picture)

    def _read(self, source: Source) -> Header:
        try:
            header = describe(source.read, source.size_bytes)
        except BrokenSource as error:
            why = f"{source.identifier}: {error}"
            raise BrokenSource(why, parameter="identifier") from error
        check_cost(source.identifier, header, self._config)
        return header


def check_cost(name: str, header: Header, config: Config) -> None:
    """Raise SourceTooLarge if decoding a scan would cost more than *config* allows."""
    pixels, most_pixels = header.width * header.height, config.max_source_pixels
    if pixels > most_pixels:
        why = f"{name} has {pixels:,} pixels; {most_pixels:,} are allowed"
        raise SourceTooLarge(why, parameter="identifier")
    if header.decode_bytes > config.max_decoder_mib << 20:
        why = (
            f"{name} would need {header.decode_bytes >> 20:,} MiB to decode; "
            f"{config.max_decoder_mib:,} are allowed"
        )
        raise SourceTooLarge(why, parameter="identifier")


def tile_of(header: Header) -> Dimensions:
    """Return the tile size to advertise: the file's own where it is tiled."""
    stored = header.tile_size
    own = stored and min(stored) >= 128 and max(stored) <= 2048
    return Dimensions(*stored) if stored and own else DEFAULT_TILE


def limits_of(config: Config) -> Limits:
    """Return the limits that *config* sets on pictures."""
    return Limits(config.max_width, config.max_height, config.max_area, config.upscaling)


def encoding_of(config: Config) -> Encoding:
    """Return how *config* wants pictures written."""
    return Encoding(
        jpeg_quality=config.jpeg_quality,
        jpeg_subsampling=config.jpeg_subsampling,
        jpeg_progressive=config.jpeg_progressive,
        webp_quality=config.webp_quality,
        avif_quality=config.avif_quality,
        background=background_rgb(config.background),
        keep_profile=config.profile == "keep",
    )


def _pixels(plan: Plan) -> tuple[object, ...]:
    quality = "default" if plan.quality == "color" else plan.quality
    return (plan.box, plan.width, plan.height, plan.rotation, quality, plan.format)
