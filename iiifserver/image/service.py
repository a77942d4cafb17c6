"""What the server knows of its images: `describe`, `plan` (cheap, no pixel) and `answer`.

Headers are read once and kept, bounded, under the identity of the file: a replaced file is read
anew. What stands ready is answered as a `Place`; other pixels are made elsewhere, by whatever
`Renderer` was given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import lru_cache
from typing import NamedTuple

from iiifserver.cache import Directory, Memory, Reader
from iiifserver.config import Config, background_rgb
from iiifserver.errors import BrokenSource, RequestError
from iiifserver.far import FarSource
from iiifserver.metrics import Counters
from iiifserver.opened import Ready
from iiifserver.sources import Place, Source, Sources

from .afar import Copies, read_far
from .cost import check_cost
from .eighth import Eighths
from .headers import Header
from .info import listed_sizes
from .job import Encoding, Picture, Renderer, bytes_of, fits_tile, packed
from .masters import Masters
from .names import Names
from .plan import Dimensions, Limits, Plan, make_plan
from .planned import Answer, Image, Known, Planned, StoredTile
from .request import ImageRequest
from .stored import Stored, read_stored, stored_at_hand

MOST_HEADERS = 20_000
"""Headers kept in memory, about 1 kB each."""
MOST_IMAGES_BYTES = 16 << 20
"""Memory for images that were asked for lately, with the places of their tiles."""
_MOST_PLANS = 4_096  # that are kept: images of one size have theirs in common
EDITION_OF_PIXELS = "7"
"""Part of every ETag: raised when the same request begins to give other bytes."""


class _Kept(NamedTuple):
    """What was found under an identifier, and in which table."""

    table: object
    found: Source
    image: Image
    settled: bool
    """Whether it stays so as long as the table does: a file that lasts, with its sidecar."""


class Images:
    """The images of one server."""

    def __init__(
        self,
        sources: Sources,
        config: Config,
        renderer: Renderer,
        counters: Counters | None = None,
        lossless: str = "",
    ) -> None:
        self._counters = counters or Counters()
        # what turns tiles without decoding them, by the name that its bytes give it
        self._lossless = lossless if config.lossless_turns else ""
        self.limits = limits_of(config)
        self._sources = sources
        self._renderer = renderer
        self._encoding = encoding_of(config)
        self._config = config
        self._headers: Memory[tuple[str, str], Header] = Memory(MOST_HEADERS)
        self._images: Memory[str, _Kept] = Memory(MOST_IMAGES_BYTES, _memory_bytes)
        self._derived = Directory.of(config)
        self._reader = Reader(self._derived)
        self.recent = self._reader.recent
        """Whatever holds what `kept` has returned and that is still open."""
        self._copies = Copies(config)
        self._masters = Masters(config, renderer, copies=self._copies)
        self._eighths = Eighths(self._derived, renderer)
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
        image = self.known(identifier)
        self._counters.event("looked" if image is None else "known")
        if image is None:
            table = self._sources.table()
            image = self._described(identifier, self._found(identifier, table), table)
        return image

    def page_count(self, document: str) -> int:
        """Return how many pages the PDF *document* has, after a render process has read it.

        Raises:
            NotFound: nothing has this name.
            BrokenSource: it is damaged, locked, or has too many pages.
        """
        return len(self._masters.pages(self._sources.find(f"{document}/1")))

    def known(self, identifier: str) -> Image | None:
        """Return the image if it was described lately and is still the same: only looked up."""
        kept = self._images.get(identifier)
        if kept is None or kept.table is not self._sources.table():
            return None
        return kept.image if kept.settled or self._still(kept) else None

    def at_hand(self, identifier: str) -> Image | None:
        """Return the image if it is `known`, or can be described without waiting for a disk."""
        image = self.known(identifier)
        if image is not None:
            return image
        table, found = self._sources.table(), self._sources.listed(identifier)
        with suppress(RequestError, OSError):  # it is raised again where it is waited for
            image = self._read_at_hand(found) if found else None
        if found and image:
            self._counters.event("looked")
            self._images.put(identifier, _kept(table, found, image))
        return image

    def wanted(self, identifier: str) -> Image:
        """Return the image, as `describe`, and have made in the background what it lacks."""
        image = self.describe(identifier)
        if image.stored is None:
            self._masters.want(image.source, image.header)
        return image

    def sizes(self, image: Image) -> tuple[Dimensions, ...]:
        """Return the sizes that the image's info.json lists, the smallest first."""
        return tuple(listed_sizes(image.dimensions, image.tile, self.limits))

    def plan(self, identifier: str, request: ImageRequest) -> Planned:
        """Return what *request* means for the image; no pixel is touched.

        Raises:
            RequestError: as `describe` and `plan.make_plan` do.
        """
        return self._planned(self.wanted(identifier), request)

    def plan_known(self, identifier: str, request: ImageRequest) -> Planned | None:
        """Return the same as `plan` if the image is `at_hand`, None if it has to be looked at."""
        image = self.at_hand(identifier)
        return self._planned(image, request) if image else None

    def tile_known(self, identifier: str, numbers: Sequence[str]) -> StoredTile | None:
        """Return the tile that stands ready for a request of version 3, upright, as JPEG.

        *numbers* are as `Names.find` takes them. None where the image is not `at_hand` or has no
        such tile: then there is more to work out.
        """
        image = self.at_hand(identifier)
        if image is None or image.names is None:
            return None
        place = image.names.find(*numbers)
        return None if place is None else StoredTile.of(image, numbers, place)

    def ready(self, planned: Planned) -> Place | None:
        """Return the picture if it stands ready, None if it would have to be made."""
        if planned.place is not None:
            return planned.place
        return self._derived.get(planned.image.source.identifier, planned.etag)

    def kept(self, planned: Known, most_bytes: int) -> Ready | None:
        """Return the picture's bytes if it was made before.

        None, and FileNotFoundError, as from `cache.Reader.find`.
        """
        return self._reader.find(planned.image.source.identifier, planned.etag, most_bytes)

    def let_go(self) -> None:
        """Close files that nobody asks for any more: what was deleted gives its disk back."""
        self._reader.let_go()

    def making(self, planned: Known) -> Picture | None:
        """Return the job that makes a picture of a stored tile here, as `answer` would run it.

        None where it is of something else: then there is more to see to.
        """
        if isinstance(planned, StoredTile) or isinstance(planned.image.source, FarSource):
            return None
        tile = self._tile(planned)
        if tile is None:
            return None
        self._counters.event("made")
        return self._picture(planned, tile)

    def answer(self, planned: Planned) -> Answer:
        """Return the picture, where it stands ready or made just now.

        Raises:
            BrokenSource: the file ends early or cannot be decoded.
            Busy: there is no room for this work now, or it took too long.
        """
        place = self.ready(planned)
        if place is not None:
            self._counters.event("kept" if planned.place is None else "stored")
            return Answer(planned, place)
        self._counters.event("made")
        image, plan = planned.image, planned.plan
        with self._directly(planned) as direct:
            if direct:
                try:
                    return Answer(planned, self._make(planned))
                except BrokenSource:
                    if not self._masters.give_up(image.source):
                        raise
                    self.forget(image.source.identifier)
        # its pyramid was waited for and answers from now on; or was damaged, and answers no more
        tag = _tag(plan, self._lossless)
        planned = _of(self.describe(image.source.identifier), plan, tag)
        place = self.ready(planned)
        return Answer(planned, self._make(planned) if place is None else place)

    def render(self, planned: Planned) -> bytes:
        """Return the picture's bytes, as `answer` does."""
        return bytes_of(self.answer(planned).body)

    def forget(self, identifier: str) -> None:
        """Look at *identifier* anew when it is asked for again: what was found is gone."""
        self._images.drop(identifier)

    def _planned(self, image: Image, request: ImageRequest) -> Planned:
        return _of(image, *_resolved(request, image.dimensions, self.limits, self._lossless))

    def _read_at_hand(self, found: Source) -> Image | None:
        """Return the image if a sidecar says all of it, and the system has that in memory.

        Raises:
            SourceTooLarge: as `describe` does.
            OSError: a disk tells of a fault.
        """
        if isinstance(found, FarSource):
            return None
        source = self._masters.served(found)
        stored = source.stored and stored_at_hand(source.stored, source.path, source.identity)
        if not stored or not self._may_be_stored(source, stored.header):
            return None  # its own file would have to be read, perhaps by another process
        return self._image(source, self._header(source, stored), stored)

    def _still(self, kept: _Kept) -> bool:
        """Return whether looking at an image again would find the same."""
        image = kept.image
        if not kept.found.unchanged():
            return False
        if image.stored is not None or not self._may_be_stored(image.source, image.header):
            return True
        served = self._masters.served(kept.found)
        comes = served.stored is not None and served.stored.exists()
        return served.identity == image.source.identity and not comes

    def _found(self, identifier: str, table: object) -> Source:
        """Return what *identifier* names; a store is not asked again for what it told just now."""
        kept = self._images.get(identifier)
        if kept and isinstance(kept.found, FarSource) and kept.table is table:
            return kept.found if kept.found.unchanged() else self._sources.find(identifier)
        return self._sources.find(identifier)

    def _described(self, identifier: str, found: Source, table: object) -> Image:
        image = self._seen(identifier, found) or self._look_at(found)
        self._images.put(identifier, _kept(table, found, image))
        return image

    def _seen(self, identifier: str, found: Source) -> Image | None:
        """Return what was seen of a picture in a store that another edition has as well."""
        kept = self._images.get(identifier)
        far = isinstance(found, FarSource) and found.lasting
        return kept.image if far and kept and kept.found == found and kept.image.stored else None

    def _look_at(self, found: Source) -> Image:
        source = self._masters.served(found)
        stored: Stored | None = None
        if isinstance(source, FarSource):
            stored = read_far(source)
            source = source.sized(stored.picture_bytes if stored else source.size_bytes)
        elif source.stored is not None:
            stored = read_stored(source.stored, source.path, source.identity)
        try:
            header = self._header(source, stored)
        except BrokenSource:
            if not self._masters.give_up(source):
                raise
            return self._look_at(found)
        if stored and not self._may_be_stored(source, header):
            stored = None
        return self._image(source, header, stored)

    def _image(self, source: Source, header: Header, stored: Stored | None) -> Image:
        # a tile that stands ready has other bytes than one that was made of the same pixels
        ready = stored.check if stored else None
        identity = (source.identity, source.leaf, ready, self._settings)
        tag = hashlib.blake2b(repr(identity).encode(), digest_size=10).hexdigest()
        size = Dimensions(header.width, header.height)
        names = Names(stored, self.limits) if stored else None
        tile, travels = self._masters.tile(source, header), packed(header)
        return Image(source, header, size, tile, tag, stored, names, travels)

    def _may_be_stored(self, source: Source, header: Header) -> bool:
        """Return whether stored pictures may answer: they have no profile."""
        return source.published and not (self._encoding.keep_profile and header.profile)

    def _header(self, source: Source, stored: Stored | None) -> Header:
        key = (source.identifier, source.identity)
        header = self._headers.get(key)
        if header is None:
            header = stored.header if stored else self._read(source)
            check_cost(source.identifier, header, self._config)
            self._headers.put(key, header)
        return header

    def _read(self, source: Source) -> Header:
        try:
            return self._masters.header(source)
        except BrokenSource as error:
            why = f"{source.identifier}: {error}"
            raise BrokenSource(why, parameter="identifier") from error

    def _directly(self, planned: Planned) -> AbstractContextManager[bool]:
        """Say whether to make a picture now: of a stored tile always, else as `Masters` thinks."""
        if self._tile(planned):
            return nullcontext(True)
        image = planned.image
        cost_ms = self._eighths.cost_ms(planned)
        return self._masters.directly(image.source, image.header, cost_ms)

    def _tile(self, planned: Planned) -> Place | None:
        """Return the stored tile that the picture is made of, None if it is made of the file."""
        stored, plan = planned.image.stored, planned.plan
        if stored is None or not fits_tile(plan, self._encoding):
            return None
        return stored.place(plan.box, plan.width, plan.height)

    def _make(self, planned: Planned) -> Place | bytes:
        image, plan, source = planned.image, planned.plan, planned.image.source
        stored, keep = image.stored, self._derived.path(source.identifier, planned.etag)
        name, header, encoding = source.identifier, image.header, self._encoding
        lossless, tile = self._lossless, self._tile(planned)
        if isinstance(source, FarSource):
            with self._copies.enough(source, header, plan, stored, tile) as (path, here):
                copy_of = f"{source.key} {source.identity} {stored is None}"
                picture = Picture(
                    name, path, header, plan, encoding, "", keep, here, lossless, copy_of
                )
                return self._renderer.render(picture)
        return self._renderer.render(self._picture(planned, tile, self._eighths.find(planned)))

    def _picture(self, planned: Planned, tile: Place | None, eighth: str = "") -> Picture:
        image, source = planned.image, planned.image.source
        return Picture(
            source.identifier,
            source.path,
            image.packed if tile else image.header,
            planned.plan,
            self._encoding,
            "" if source.lasting else source.identity,
            self._derived.path(source.identifier, planned.etag),
            tile,
            self._lossless,
            eighth=eighth,
        )


@lru_cache(_MOST_PLANS)
def _resolved(
    request: ImageRequest, image: Dimensions, limits: Limits, lossless: str
) -> tuple[Plan, str]:
    plan = make_plan(request, image, limits)
    return plan, _tag(plan, lossless)


def _tag(plan: Plan, lossless: str) -> str:
    """Return the plan's part of an ETag; the bytes of a turned tile are also the library's."""
    turned = plan.rotation.degrees or plan.rotation.mirror or plan.quality == "gray"
    return f"{plan.pixels}-{lossless}" if turned and lossless else plan.pixels


def _kept(table: object, found: Source, image: Image) -> _Kept:
    lasts = found.lasting and not isinstance(found, FarSource)
    return _Kept(table, found, image, lasts and image.stored is not None)


def _memory_bytes(kept: _Kept) -> int:
    stored, names = kept.image.stored, kept.image.names
    return 3_000 + (stored.memory_bytes if stored else 0) + (names.memory_bytes if names else 0)


def _of(image: Image, plan: Plan, tag: str) -> Planned:
    place = image.stored.find(plan) if image.stored else None
    return Planned(image, plan, f"{image.tag}-{tag}", place)


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
