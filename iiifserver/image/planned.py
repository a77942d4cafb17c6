"""What is known of a request for pixels before one of them is touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from iiifserver.sources import Place, Source

from .headers import Header
from .names import Names
from .plan import Dimensions, Plan
from .request import OutputFormat
from .stored import Stored


@dataclass(frozen=True, slots=True)
class Image:
    """An image that can be served: the file that answers, and what its header says."""

    source: Source
    header: Header
    dimensions: Dimensions
    """Width and height as shown."""
    tile: Dimensions
    """The tile size to advertise."""
    tag: str
    """Tells its pictures from those of any other file or settings."""
    stored: Stored | None
    """What stands ready of it, None as long as there is no sidecar."""
    names: Names | None
    """How its tiles are called that stand ready."""
    packed: bytes
    """The header as it travels with a job."""


class Planned(NamedTuple):
    """A request that can be answered, the strong ETag of its answer, and that, if it is stored."""

    image: Image
    plan: Plan
    etag: str
    place: Place | None

    @property
    def canonical(self) -> str:
        """The request's one spelling, four segments without the identifier."""
        return self.plan.canonical

    @property
    def format(self) -> OutputFormat:
        """The format of the answer."""
        return self.plan.format


class StoredTile(NamedTuple):
    """What `Planned` is of others, of a tile that was found by its name."""

    image: Image
    canonical: str
    etag: str
    place: Place
    format: OutputFormat = "jpg"

    @classmethod
    def of(cls, image: Image, numbers: Sequence[str], place: Place) -> StoredTile:
        """Return the tile of *image* that *numbers* name and that stands ready at *place*."""
        x, y, wide, high, width, height = numbers
        size = "max" if width == wide and height == high else f"{width},{height}"
        canonical = f"{x},{y},{wide},{high}/{size}/0/default.jpg"
        etag = f"{image.tag}-{x}.{y}.{wide}.{high}-{width}.{height}-0-default.jpg"
        return cls(image, canonical, etag, place)


Known = Planned | StoredTile


class Answer(NamedTuple):
    """A picture: where it stands ready, or its bytes; and what it is the answer to."""

    planned: Planned
    body: Place | bytes
