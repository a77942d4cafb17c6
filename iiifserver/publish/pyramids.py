"""The pyramids that an edition needs: those that are missing are made, all others stay."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from iiifserver.config import Config
from iiifserver.edition import pyramid_path
from iiifserver.errors import IiifServerError, InvalidExhibition, Mistake
from iiifserver.image.aside import sweep_aside
from iiifserver.image.form import Form

from .jobs import Workers, processes, run
from .progress import Progress


class Wanted(NamedTuple):
    """The picture of a scan that a pyramid is made from, and what messages call the scan."""

    shown: str
    path: Path
    leaf: int
    state: str
    """Of the file when its checksum was taken, as `identity_of` tells."""


@dataclass(frozen=True, slots=True)
class Build:
    """The making of one pyramid, as a value that travels to another process."""

    scan: Wanted
    target: Path
    form: Form

    def __call__(self) -> Path:
        """Return where the pyramid is, after making it."""
        from iiifserver.image.build import build  # it loads libvips

        build(self.scan.path, self.scan.leaf, self.scan.state, self.target, self.form)
        return self.target


def make_pyramids(
    wanted: Mapping[str, Wanted],
    config: Config,
    *,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> None:
    """Make the pyramids that are not there yet, by their names.

    Interrupted or killed at any moment, those that are done stay, and the next call makes the rest.

    Raises:
        InvalidExhibition: scans of which no pyramid can be made, all of them.
    """
    folder = pyramid_path(config.data, "")
    sweep_aside(folder)
    there = _names(folder)
    form = Form.of(config)
    missing = {
        name: Build(scan, folder / name, form) for name, scan in wanted.items() if name not in there
    }
    outcomes = run(missing, workers or processes(config))
    mistakes = [
        _mistake(wanted[name], outcome)
        for name, outcome in (progress or Progress()).each(outcomes, len(missing), "pyramids")
        if isinstance(outcome, IiifServerError)
    ]
    if mistakes:
        raise InvalidExhibition(mistakes)


def sweep(data: Path, kept: Collection[str]) -> int:
    """Delete all pyramids but those that are *kept*; return how many.

    Nobody may be publishing: what is just being made is named by no edition yet.
    """
    folder = pyramid_path(data, "")
    sweep_aside(folder)
    gone = [name for name in _names(folder) if name.endswith(".tif") and name not in kept]
    for name in gone:
        (folder / name).unlink(missing_ok=True)
    return len(gone)


def _names(folder: Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()  # noqa: PTH208 - names only


def _mistake(scan: Wanted, error: IiifServerError) -> Mistake:
    page = f" (page {scan.leaf + 1})" if scan.leaf else ""
    return Mistake("Images", scan.shown, scan.shown, f"{scan.shown}{page}: {error}")
