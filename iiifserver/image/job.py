"""Work as values that travel to a render process, and what takes them there."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from iiifserver.errors import Replaced
from iiifserver.sources import Place, identity_of

from .cost import cost_ms, of_eighth_ms, turned_ms
from .open import Header
from .plan import Box, Plan
from .request import Rotation

_MOST_PACKED = 256


@dataclass(frozen=True, slots=True)
class Encoding:
    """How pictures are written; qualities from 1 to 100, `background` as red, green, blue."""

    jpeg_quality: int = 85
    jpeg_subsampling: str = "auto"
    jpeg_progressive: bool = False
    webp_quality: int = 80
    avif_quality: int = 60
    background: tuple[int, int, int] = (255, 255, 255)
    keep_profile: bool = False


class Job(Protocol):
    """Work for a render process: a value that is sent there and run."""

    @property
    def name(self) -> str:
        """What errors call the source."""
        ...

    @property
    def key(self) -> str:
        """What is computed: jobs of equal keys have equal results, and are run once."""
        ...

    @property
    def source(self) -> str:
        """The file and its identity: what is set aside if it kills render processes."""
        ...

    @property
    def cost_ms(self) -> float:
        """Milliseconds of computing, estimated before anything is decoded."""
        ...

    @property
    def keep(self) -> str | None:
        """Where `cache.Directory.path` wants the result, None where it is not kept."""
        ...

    def run(self) -> bytes:
        """Return the result, or raise a RequestError."""
        ...


@dataclass(frozen=True, slots=True)
class State:
    """What the render processes do and did; `waiting` and `running` are names of jobs by lane.

    Of each lane: how many jobs came to an end, how long they took, and what they were thought to.
    """

    started: int = 0
    finished: int = 0
    failed: int = 0
    refused: int = 0
    joined: int = 0
    deaths: int = 0
    timeouts: int = 0
    waiting_small: int = 0
    waiting_whole: int = 0
    waiting_background: int = 0
    finished_background: int = 0
    landed_small: int = 0
    landed_whole: int = 0
    landed_background: int = 0
    taken_small_ms: int = 0
    taken_whole_ms: int = 0
    taken_background_ms: int = 0
    foreseen_small_ms: int = 0
    foreseen_whole_ms: int = 0
    foreseen_background_ms: int = 0
    running: tuple[str, ...] = ()
    running_background: tuple[str, ...] = ()
    set_aside: tuple[str, ...] = ()
    kept_entries: int = 0
    kept_bytes: int = 0


class Renderer(Protocol):
    """What runs jobs, in this process or others."""

    def render(self, job: Job) -> Place | bytes:
        """Return the job's result, where it is kept or as it is.

        Raises:
            Busy: there is no room for this work now, or it took too long.
            SetAside: the job's source has killed render processes before.
            RequestError: whatever the job raised.
        """
        ...

    def begin(self, job: Job) -> bool:
        """Have the job run some time, behind all others; return False where there is no room.

        A `render` of an equal job waits for this one. One that failed is not begun again for an
        hour.
        """
        ...

    def state(self) -> State:
        """Return what is going on, and what has happened since the start."""
        ...


def fits_tile(plan: Plan, encoding: Encoding) -> bool:
    """Return whether *plan* is made of a stored tile: gray, mirrored, by quarters, as JPEG."""
    upright = plan.rotation.degrees % 90 == 0
    jpeg = plan.format == "jpg" and not encoding.jpeg_progressive
    return upright and jpeg and plan.quality != "bitonal"


def bytes_of(answer: Place | bytes) -> bytes:
    """Return what was rendered, wherever it is; OSError where it is gone."""
    return answer.read() if isinstance(answer, Place) else answer


class Picture(NamedTuple):
    """One picture to make; `identity` tells the file from the one that replaces it, if one can.

    `stored` is the JPEG tile, upright and in colour, that shows just what the plan does; it is
    turned without decoding by the library that is called `lossless`, if there is one.
    """

    name: str
    path: Path
    given: Header | bytes
    plan: Plan
    encoding: Encoding
    identity: str = ""
    keep: str | None = None
    stored: Place | None = None
    lossless: str = ""
    copy_of: str = ""
    """What the file is a passing copy of, in whole or in part; empty if it is none."""
    eighth: str = ""
    """Where the JPEG at an eighth is kept with its sections, if the picture is made of these."""

    @property
    def header(self) -> Header:
        """What the file is; it arrives packed, since a stored tile has no use for it."""
        header: Header = self.given if isinstance(self.given, Header) else _unpacked(self.given)
        return header

    @property
    def source(self) -> str:
        """The file and its identity."""
        return self.copy_of or f"{self.path} {self.identity}"

    @property
    def key(self) -> str:
        """All that the pixels and their encoding depend on; both versions' spellings are one."""
        (x, y, wide, high), width, height, (degrees, mirror), quality, form, _ = self.plan
        pixels = f"{x},{y},{wide},{high} {width},{height} {mirror} {degrees} {quality} {form}"
        return f"{self.source} {pixels} {_spelled(self.encoding)} {self.lossless}"

    @property
    def cost_ms(self) -> float:
        """Milliseconds of decoding, scaling and encoding."""
        if self.stored:
            return turned_ms(self.plan)
        cost = of_eighth_ms if self.eighth else cost_ms
        return cost(self.header, self.plan)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as plain values: classes one by one take longer than all else on the way."""
        given = self.given if isinstance(self.given, bytes) else packed(self.given)
        box, width, height, rotation, *rest = self.plan
        plan = (tuple(box), width, height, tuple(rotation), *rest)
        encoding = _values_of_encoding(self.encoding)
        stored = self.stored and tuple(self.stored)
        about = (self.identity, self.keep, stored, self.lossless, self.copy_of, self.eighth)
        return _arrived, (self.name, str(self.path), given, plan, encoding, *about)

    def run(self) -> bytes:
        """Return the encoded picture.

        Raises:
            BrokenSource: the file cannot be decoded.
            Replaced: it is another file by now, which may be what was decoded.
        """
        from .render import render  # only where it runs: pyvips stays out of web processes

        try:
            return render(self)
        finally:
            self._check()

    def _check(self) -> None:
        try:
            same = not self.identity or identity_of(self.path.stat()) == self.identity
        except OSError:
            same = False
        if not same:
            raise Replaced(f"{self.name} was replaced while it was read")


_values_of_encoding = attrgetter(*(each.name for each in fields(Encoding)))


def _arrived(
    name: str,
    path: str,
    given: bytes,
    plan: tuple[Any, ...],
    encoding: tuple[Any, ...],
    identity: str,
    keep: str | None,
    stored: tuple[Any, ...] | None,
    lossless: str,
    copy_of: str,
    eighth: str,
) -> Picture:
    box, width, height, rotation, *rest = plan
    return Picture(
        name,
        _path(path),
        given,
        Plan(Box(*box), width, height, Rotation(*rotation), *rest),
        _encoding(*encoding),
        identity,
        keep,
        Place(*stored) if stored else None,
        lossless,
        copy_of,
        eighth,
    )


# many pictures of few files are made in one way
_path = lru_cache(_MOST_PACKED)(Path)
_encoding = lru_cache(_MOST_PACKED)(Encoding)


@lru_cache(_MOST_PACKED)
def _spelled(encoding: Encoding) -> str:
    return repr(encoding)


def packed(header: Header) -> bytes:
    """Return a header as it travels, for `Picture.given`: the same for all pictures of a file."""
    return pickle.dumps(header, pickle.HIGHEST_PROTOCOL)


def _unpacked(given: bytes) -> Any:
    return pickle.loads(given)  # noqa: S301 - our own
