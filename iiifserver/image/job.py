"""Work as values that travel to a render process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from .open import Header
from .plan import Plan


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

    def run(self) -> bytes:
        """Return the result, or raise a RequestError."""
        ...


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture to make."""

    name: str
    path: Path
    header: Header
    plan: Plan
    encoding: Encoding

    def run(self) -> bytes:
        """Return the encoded picture, or raise BrokenSource."""
        from .render import render  # only where it runs: pyvips stays out of web processes

        return render(self)
