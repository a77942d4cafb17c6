"""Which file answers for a source, and what is made in the background so that it answers fast.

A slow scan in a folder (a large JPEG, a flat TIFF, JPEG 2000, a PDF's page ...) is answered
directly at first. Meanwhile its pyramid and sidecar are made, once, and answer from then on. They
are named by the scan's name and identity: a replaced file never meets what was made of the one
before. What is published has its pyramids; a sidecar that is missing there is made in the same way.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from iiifserver.cache import Directory, Memory
from iiifserver.config import Config
from iiifserver.errors import Busy, NotFound, RequestError
from iiifserver.far import FarSource
from iiifserver.sources import Place, Source

from .afar import Copies
from .eighth import place_of
from .form import Form, needs_pyramid, pyramid_name, tile_of
from .headers import Header
from .job import Renderer
from .kept import PYRAMID, SIDECAR, Kept
from .making import BuildPyramid, Contents, StoreTiles, headers_of
from .open import container, describe
from .plan import Dimensions

FOLDER = "folder-pyramids"
"""In the server's data: apart from what is published, which nobody may make room in."""
_MOST_PAGES = 20_000  # whose headers are kept in memory
_MOST_ASKED = 10_000
_ASK_EVERY_S = 10.0
_LARGEST_FETCHED = 512 << 20
_PATIENCE_MS = 600.0  # a picture that takes no longer is made directly
_log = logging.getLogger(__name__)
# so many times as long may the pyramid take, which answers all that follows; the second where it is
# being made already, so that some of that time is over, and decoding beside it would delay it
_MOST_TIMES, _MOST_TIMES_BEGUN = 2, 4


class Masters:
    """The files that answer, and the wishes for those that are not there yet."""

    def __init__(
        self,
        config: Config,
        renderer: Renderer,
        clock: Callable[[], float] = time.monotonic,
        copies: Copies | None = None,
    ) -> None:
        self._copies = copies or Copies(config)
        self._renderer = renderer
        self._clock = clock
        self._form = Form.of(config)
        self._derived = Directory.of(config)
        self._keep_profiles = config.profile == "keep"
        most_bytes = config.folder_pyramids_mib << 20
        kept = Kept(config.data / FOLDER, most_bytes)
        self._kept = kept if (config.folder or config.sources) and most_bytes else None
        self._documents: Memory[tuple[str, str], tuple[Header, ...]] = Memory(_MOST_PAGES, len)
        self._asked: Memory[str, float] = Memory(_MOST_ASKED)
        self._given_up: Memory[str, bool] = Memory(_MOST_ASKED)
        self._at_work: Counter[str] = Counter()
        self._lock = threading.Lock()

    def header(self, source: Source) -> Header:
        """Return what the picture of *source* is; PDF and HEIC are read by a render process.

        Raises:
            BrokenSource: it is no image of a format that we read, or is damaged.
            NotFound: the document has no such page.
        """
        if container(source.read(0, 64)) is None:
            return describe(source.read, source.size_bytes, source.leaf)
        pages = self.pages(source)
        if source.leaf >= len(pages):
            why = f"{source.identifier}: the document has {len(pages)} pages"
            raise NotFound(why, parameter="identifier")
        return pages[source.leaf]

    def pages(self, source: Source) -> tuple[Header, ...]:
        """Return what the pictures of a PDF or a HEIC are, read once.

        Raises:
            BrokenSource: it is damaged, locked, or has too many pages.
        """
        key = (str(source.path), source.identity)
        pages = self._documents.get(key)
        if pages is None:
            path = source.path
            if isinstance(source, FarSource):
                path = self._copies.whole(source)
            answer = self._renderer.render(Contents(source.identifier, path, source.identity))
            pages = headers_of(answer.read() if isinstance(answer, Place) else answer)
            self._documents.put(key, pages)
        return pages

    def served(self, source: Source) -> Source:
        """Return what answers for *source*: its pyramid once it was made, else the scan itself."""
        if self._kept is None or source.published:
            return source
        stem = self._stem(source)
        sidecar = self._kept.path(stem, SIDECAR)
        found = self._kept.find(stem)
        if found is None:
            return replace(source, stored=sidecar)
        pyramid = self._kept.path(stem, PYRAMID)
        return Source(
            source.identifier,
            pyramid,
            found.st_size,
            stem,
            source.rights,
            stored=sidecar,
            lasting=True,
        )

    def give_up(self, source: Source) -> bool:
        """Delete what was made of a scan and proves damaged; return whether it was such a file.

        The scan itself answers again, and its pyramid is made anew; but once only by this process:
        what is damaged a second time is no accident of the disk.
        """
        if self._kept is None or source.path.parent != self._kept.folder:
            return False
        stem = source.path.stem
        if self._given_up.get(stem):
            return False
        self._given_up.put(stem, True)
        _log.warning("%s: its pyramid is damaged and will be made anew", source.identifier)
        self._kept.drop(stem)
        return True

    def tile(self, source: Source, header: Header) -> Dimensions:
        """Return the tile size to advertise: that of the pyramid, also before it is there.

        A viewer that has read info.json asks for the same tiles all the time.
        """
        if self._is_ours(source) and self._gets_pyramid(source, header):
            return Dimensions(self._form.tile, self._form.tile)
        return tile_of(header)

    def want(self, source: Source, header: Header) -> None:
        """Have made what *source* lacks to be answered from what is stored; cheap to ask again."""
        job = self.lacking(source, header)
        if job is None:
            return
        now = self._clock()
        if now >= (self._asked.get(job.key) or now):
            self._asked.put(job.key, now + _ASK_EVERY_S)
            with suppress(Busy):  # no answer fails for what is only wished
                self._renderer.begin(job)

    def lacking(self, source: Source, header: Header) -> BuildPyramid | StoreTiles | None:
        """Return what would have to be made of *source* to answer for it from what is stored."""
        if source.stored is None or (self._keep_profiles and header.profile):
            return None  # what is stored has no profile
        name, identity, ours = source.identifier, source.identity, self._is_ours(source)
        fetch = self._copies.fetch(source) if isinstance(source, FarSource) else None
        if self._kept and ours and self._gets_pyramid(source, header):
            stem = self._stem(source)
            scan = (name, source.path, source.leaf, identity, header)
            eighth = place_of(source, self._derived)
            return BuildPyramid(*scan, stem, self._kept, self._form, fetch=fetch, eighth=eighth)
        if ours and header.width * header.height <= self._form.small_pixels:
            return None  # rendered as fast, and kept then
        if fetch and source.size_bytes > _LARGEST_FETCHED:
            return None  # it is read by ranges, and for its tiles alone all of it would come
        more = (self._kept if ours else None, fetch)
        about = (name, source.path, header, identity, source.stored, self._form)
        return StoreTiles(*about, None, *more)

    @contextmanager
    def directly(self, source: Source, header: Header, cost_ms: float) -> Iterator[bool]:
        """Say, for the length of a `with`, whether to make a picture from the file itself.

        That would take *cost_ms*. If not, its pyramid was waited for, and the same request is to be
        planned again. That is where decoding the scan for this picture, after those of it that are
        just being made, would take long compared with making its pyramid.
        """
        with self._lock:
            self._at_work[source.identity] += 1
            direct_ms = cost_ms * self._at_work[source.identity]
        try:
            yield direct_ms < _PATIENCE_MS or not self._wait(source, header, direct_ms)
        finally:
            with self._lock:
                self._at_work[source.identity] -= 1
                self._at_work += Counter()  # drops what is at nought

    def _wait(self, source: Source, header: Header, direct_ms: float) -> bool:
        """Return whether the pyramid is there, after waiting for it if that is worth it."""
        job = self.lacking(source, header)
        if not isinstance(job, BuildPyramid) or job.cost_ms > _MOST_TIMES_BEGUN * direct_ms:
            return False
        if not self._renderer.begin(job):
            return False
        first = self._renderer.state().running_background
        if first and job.name not in first:
            return False  # who knows how long that of another scan takes
        if not first and job.cost_ms > _MOST_TIMES * direct_ms:
            return False
        try:
            self._renderer.render(job)
        except RequestError:
            return False  # directly, then: it may be that only its pyramid cannot be made
        return True

    def _is_ours(self, source: Source) -> bool:
        """Return whether what answers fast is made here, and not by who publishes."""
        if self._kept is None:
            return False
        return source.stored is None or source.stored.parent == self._kept.folder

    def _gets_pyramid(self, source: Source, header: Header) -> bool:
        """Return whether the picture is served from a pyramid of ours, now or later."""
        if self._kept is None or (self._keep_profiles and header.profile):
            return False
        return needs_pyramid(header, source.leaf, self._form)

    def _stem(self, source: Source) -> str:
        return stem_of(source, self._form)


def stem_of(source: Source, form: Form) -> str:
    """Return the name of what is made of a folder's scan: another file gets another name."""
    made_of = f"{source.identifier}\0{source.identity}"
    return pyramid_name(made_of, source.leaf, form).removesuffix(PYRAMID)
