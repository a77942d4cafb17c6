"""A large JPEG at an eighth, with its sections: what answers until its pyramid is there.

A viewer that opens a scan asks for an overview and several coarse tiles at one time. Each of them
needs all of the scan to be decoded, and never more of it than an eighth. So that is decoded once,
by several cores, and kept among the made pictures. Known by then, and kept with it, is where
sections of the scan begin: finer pictures are decoded from there, not from the beginning.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from iiifserver.cache import Directory, length_of
from iiifserver.errors import Replaced
from iiifserver.far import FarSource
from iiifserver.sources import Place, Source, identity_of

from .cost import cost_ms, eighth_ms, of_eighth_ms
from .geometry import crop_for
from .headers import Header
from .job import Renderer
from .plan import Plan
from .planned import Planned

SCALE = 8
_LEAST_SHARES = 4  # as many have to find room among the made pictures
_AGAIN_S = 60.0
_EDITION = 1  # raised when something else is kept
_LEAST_PIXELS, _MOST_PIXELS = 12_000_000, 2_000_000_000


def is_kept(header: Header) -> bool:
    """Return whether the scan is kept at an eighth."""
    kept = _LEAST_PIXELS <= header.width * header.height <= _MOST_PIXELS
    return header.format == "jpeg" and header.bands in (1, 3) and kept


def place_of(source: Source, derived: Directory) -> str | None:
    """Return where a scan is kept at an eighth, None where nothing is kept."""
    return derived.path(source.identifier, f"{source.identity}-eighth-{_EDITION}")


def is_of_eighth(header: Header, plan: Plan) -> bool:
    """Return whether a picture of a JPEG is made of nothing but the scan at an eighth."""
    pieces = crop_for(header, plan.box, plan.width, plan.height).pieces
    return all(header.levels[piece.level].scale == SCALE for piece in pieces)


def _size_bytes(header: Header) -> int:
    level = next(level for level in header.levels if level.scale == SCALE)
    return level.width * level.height * header.bands


@dataclass(frozen=True, slots=True)
class Eighth:
    """Decoding a JPEG at an eighth: its samples, row by row, gray or red, green, blue.

    Behind them is where its sections begin, if it has some: `render.sections`.
    """

    name: str
    path: Path
    header: Header
    identity: str
    keep: str | None

    @property
    def key(self) -> str:
        """What equal jobs have in common."""
        return f"eighth {self.source}"

    @property
    def source(self) -> str:
        """The file and its identity."""
        return f"{self.path} {self.identity}"

    @property
    def cost_ms(self) -> float:
        """Milliseconds of decoding."""
        return eighth_ms(self.header)

    def run(self) -> bytes:
        """Return the samples, and what is behind them.

        Raises:
            BrokenSource: the file cannot be decoded.
            Replaced: it is another file by now, which may be what was decoded.
        """
        from .render import eighth  # only where it runs: pyvips stays out of web processes

        samples = eighth(self.name, self.path, self.header)
        try:
            same = identity_of(self.path.stat()) == self.identity
        except OSError:
            same = False
        if not same:
            raise Replaced(f"{self.name} was replaced while it was read")
        return samples


class Eighths:
    """Those that are kept, and the wish for those that are not there yet."""

    def __init__(
        self, derived: Directory, renderer: Renderer, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._derived = derived
        self._renderer = renderer
        self._clock = clock
        self._not_before = -math.inf

    def cost_ms(self, planned: Planned) -> float:
        """Return the milliseconds that the picture will take if it is made of its file now."""
        where = self._place(planned)
        cost = of_eighth_ms if where and self._serves(where, planned) else cost_ms
        return cost(planned.image.header, planned.plan)

    def find(self, planned: Planned) -> str:
        """Return where the eighth is that the picture is made of, after having it made.

        Empty where the picture is made of the scan itself.

        Raises:
            RequestError: as `Renderer.render` does.
        """
        where = self._place(planned)
        if not where:
            return ""
        if not os.path.exists(where):  # noqa: PTH110 - often asked
            if self._clock() < self._not_before or not self._is_worth_it(planned):
                return ""
            image = planned.image
            source = image.source
            job = Eighth(source.identifier, source.path, image.header, source.identity, where)
            if not isinstance(self._renderer.render(job), Place):
                # no room on the disk: to try at once again would be all of the work for nothing
                self._not_before = self._clock() + _AGAIN_S
                return ""
        return where if self._serves(where, planned) else ""

    def _is_worth_it(self, planned: Planned) -> bool:
        """Return whether it is made for this picture, if it is not there yet."""
        header, plan = planned.image.header, planned.plan
        if is_of_eighth(header, plan):
            return True
        with_it = eighth_ms(header) + of_eighth_ms(header, plan)
        return header.streams and cost_ms(header, plan) > with_it

    def _serves(self, where: str, planned: Planned) -> bool:
        """Return whether the picture is made of what is at *where*, by what that holds."""
        header, length = planned.image.header, length_of(where)
        if length is None:
            return False
        has_sections = length > _size_bytes(header)
        return has_sections or is_of_eighth(header, planned.plan)

    def _place(self, planned: Planned) -> str | None:
        image = planned.image
        header = image.header
        if isinstance(image.source, FarSource) or image.stored is not None or not is_kept(header):
            return None
        if _size_bytes(header) > self._derived.most_bytes // _LEAST_SHARES:
            return None  # it would be swept away before it is of use
        return place_of(image.source, self._derived)
