"""Keeping the directory of made pictures within its bounds: a job, for it may take a while."""

from __future__ import annotations

from dataclasses import dataclass

import orjson

from iiifserver.cache import Directory, Held


@dataclass(frozen=True, slots=True)
class Sweep:
    """Deleting what was used longest ago."""

    directory: Directory
    name: str = "sweeping made pictures"
    cost_ms: float = 100.0
    keep: str | None = None

    @property
    def key(self) -> str:
        """The directory, which nobody asks for by this name."""
        return f"sweep {self.directory.folder}"

    @property
    def source(self) -> str:
        """The directory."""
        return self.key

    def run(self) -> bytes:
        """Return what is left, for `held_of`."""
        return orjson.dumps(list(self.directory.sweep()))


def held_of(answer: bytes) -> Held:
    """Return what `Sweep.run` returned."""
    return Held(*orjson.loads(answer))
