"""The pyramids and sidecars that an edition needs: what is missing is made, all else stays.

A scan that is served as it is has only a sidecar: the tiles that its file does not have, and
thumbnails. In a store, which servers read that have no scans, it is copied beside its sidecar.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import NamedTuple

from iiifserver.config import Config
from iiifserver.edition import PYRAMIDS, SIDECAR, pyramid_key, pyramid_path, sidecar_name
from iiifserver.errors import BrokenSource, IiifServerError, InvalidExhibition, Mistake
from iiifserver.homes import Home
from iiifserver.image.aside import beside, place, sweep_aside
from iiifserver.image.containers import describe_page
from iiifserver.image.form import Form
from iiifserver.image.stored import read_stored
from iiifserver.sources import identity_of
from iiifserver.stores import opened

from .jobs import Workers, run, workers_of
from .progress import Progress

_MADE = re.compile(r"[^/]+\.(?:tif|tiles)|[0-9a-f]{32}\.[a-z0-9]{2,5}")


class Wanted(NamedTuple):
    """The picture of a scan that is to be served, and what messages call the scan."""

    shown: str
    path: Path
    leaf: int
    state: str
    """Of the file when its checksum was taken, as `identity_of` tells."""
    copied: bool = False
    """Whether it is served as it is, from a copy."""


@dataclass(frozen=True, slots=True)
class Build:
    """The making of one pyramid and its sidecar, as a value that travels to another process."""

    scan: Wanted
    target: Path
    form: Form

    def __call__(self) -> Path:
        """Return where the pyramid is, after making what is missing."""
        from iiifserver.image.build import build  # it loads libvips

        with contextlib.suppress(FileNotFoundError, BrokenSource):  # absent, or damaged since
            self._store()
            return self.target
        scan = self.scan
        build(scan.path, scan.leaf, scan.state, self.target, self.form)
        self._store()
        return self.target

    def _store(self) -> None:
        from iiifserver.image.storing import store

        target = self.target
        sidecar = target.with_name(sidecar_name(target.name))
        store(target, describe_page(target), target.name, sidecar, self.form)


@dataclass(frozen=True, slots=True)
class Store:
    """The making of the sidecar of a scan that is served as it is."""

    scan: Wanted
    target: Path
    form: Form

    def __call__(self) -> Path:
        """Return where the sidecar is, after making it."""
        from iiifserver.image.storing import store

        path, state = self.scan.path, self.scan.state
        if identity_of(path.stat()) != state:
            raise BrokenSource("it was replaced while it was read: publish again")
        store(path, describe_page(path), state, self.target, self.form)
        return self.target


@dataclass(frozen=True, slots=True)
class Copy:
    """The copying of a scan that is served as it is, and the making of its sidecar."""

    scan: Wanted
    target: Path
    form: Form

    def __call__(self) -> Path:
        """Return where the copy is, after making both."""
        from iiifserver.image.storing import store

        scan, target = self.scan, self.target
        with beside(target) as folder:
            made = folder / target.name
            shutil.copyfile(scan.path, made)
            if identity_of(scan.path.stat()) != scan.state:
                raise BrokenSource("it was replaced while it was read: publish again")
            place(made, target)
        sidecar = target.with_name(sidecar_name(target.name))
        store(target, describe_page(target), target.name, sidecar, self.form)
        return target


@dataclass(frozen=True, slots=True)
class Sent:
    """The making of what is served of a scan, and its way into a store: nothing stays here."""

    made: Build | Copy
    home: str

    def __call__(self) -> Path:
        """Return where it was; its sidecar is sent last, and tells that both are there."""
        target = self.made()
        store = opened(self.home)
        for path in (target, target.with_name(sidecar_name(target.name))):
            store.put_file(pyramid_key(path.name), path)
            path.unlink()
        return target


def make_pyramids(
    wanted: Mapping[str, Wanted],
    config: Config,
    *,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> int:
    """Make what is not there yet, by its name: a pyramid and its sidecar, or a sidecar alone.

    Return how many were missing. Interrupted or killed at any moment, those that are done stay,
    and the next call makes the rest.

    Raises:
        InvalidExhibition: scans that cannot be decoded, all of them.
        ConfigurationError: there is nobody to do it, or no room.
    """
    home = config.home
    folder = pyramid_path(home if isinstance(home, Path) else config.data, "")
    sweep_aside(folder)
    there = _names(home)
    form = Form.of(config)
    missing = {
        name: _job(scan, folder / name, form, home)
        for name, scan in wanted.items()
        if not _is_made(scan, folder / name, there)
    }
    if not missing:
        return 0
    mistakes = []
    with nullcontext(workers) if workers else _workers(config, folder, wanted) as staff:
        outcomes = (progress or Progress()).each(run(missing, staff), len(missing), "pyramids")
        with contextlib.closing(outcomes):  # interrupted: before there are no workers any more
            for name, outcome in outcomes:
                if isinstance(outcome, IiifServerError):
                    mistakes.append(_mistake(wanted[name], outcome))
    if mistakes:
        raise InvalidExhibition(mistakes)
    return len(missing)


def _workers(
    config: Config, folder: Path, wanted: Mapping[str, Wanted]
) -> AbstractContextManager[Workers]:
    """Have workers that see what they need: the scans, and *folder* if that is where all goes."""
    if isinstance(config.home, Path):
        return workers_of(config, folder)
    scans = Path(os.path.commonpath([scan.path.parent for scan in wanted.values()]))
    return workers_of(config, scans, written=False)


def _job(scan: Wanted, target: Path, form: Form, home: Home) -> Build | Store | Copy | Sent:
    if target.suffix == SIDECAR:
        return Store(scan, target, form)
    made = (Copy if scan.copied else Build)(scan, target, form)
    return made if isinstance(home, Path) else Sent(made, home)


def _is_made(scan: Wanted, target: Path, there: set[str]) -> bool:
    """Return whether nothing is missing; a sidecar alone is of a file that may have been moved."""
    if target.suffix != SIDECAR:
        return {target.name, sidecar_name(target.name)} <= there
    return target.name in there and read_stored(target, scan.path, scan.state) is not None


def is_made(key: str) -> bool:
    """Return whether it is the name of something that is made here: all else is left alone."""
    return _MADE.fullmatch(key.removeprefix(f"{PYRAMIDS}/")) is not None


def _names(home: Home) -> set[str]:
    """Return the names of what is there."""
    if isinstance(home, Path):
        folder = pyramid_path(home, "")
        return set(os.listdir(folder)) if folder.is_dir() else set()  # noqa: PTH208 - names only
    return {PurePath(key.key).name for key in opened(home).list(PYRAMIDS)}


def _mistake(scan: Wanted, error: IiifServerError) -> Mistake:
    page = f" (page {scan.leaf + 1})" if scan.leaf else ""
    return Mistake("Images", scan.shown, scan.shown, f"{scan.shown}{page}: {error}")
