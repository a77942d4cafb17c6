"""The pyramids and sidecars that an edition needs: what is missing is made, all else stays.

A scan that is served as it is has only a sidecar: the tiles that its file does not have, and
thumbnails. In a store, which servers read that have no scans, it is copied beside its sidecar; and
so it is anywhere where scans lie in a bucket. Whoever makes something of such a scan fetches it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import NamedTuple, Self

from iiifserver.config import Config
from iiifserver.edition import PYRAMIDS, SIDECAR, pyramid_key, pyramid_path, sidecar_name
from iiifserver.errors import BrokenSource, IiifServerError, InvalidExhibition, Mistake
from iiifserver.homes import Home
from iiifserver.image.aside import beside, place, sweep_aside
from iiifserver.image.containers import describe_page
from iiifserver.image.form import Form
from iiifserver.image.original import Original
from iiifserver.image.stored import read_stored
from iiifserver.stores import opened

from .jobs import Workers, workers_of
from .leaves import run_together
from .progress import Progress

_MADE = re.compile(r"[^/]+\.(?:tif|tiles)|[0-9a-f]{32}\.[a-z0-9]{2,5}")


class Wanted(NamedTuple):
    """The picture of a scan that is to be served, and what messages call the scan."""

    shown: str
    original: Original
    """As it was when its checksum was taken."""
    leaf: int = 0
    copied: bool = False
    """Whether it is served as it is, from a copy."""


@dataclass(frozen=True, slots=True)
class _Making:
    """What is made of a scan, as a value that travels to another process."""

    scan: Wanted
    target: Path
    form: Form

    @property
    def original(self) -> Original:
        """What it is made of."""
        return self.scan.original

    def of(self, original: Original) -> Self:
        """Return the same made of another file."""
        return replace(self, scan=self.scan._replace(original=original))


class Build(_Making):
    """The making of one pyramid and its sidecar."""

    def __call__(self) -> Path:
        """Return where the pyramid is, after making what is missing."""
        from iiifserver.image.build import Sidecar, build  # they load libvips
        from iiifserver.image.storing import store

        target = self.target
        sidecar = Sidecar(target.with_name(sidecar_name(target.name)), target.name)
        with contextlib.suppress(FileNotFoundError, BrokenSource):  # absent, or damaged since
            store(target, describe_page(target), sidecar.identity, sidecar.target, self.form)
            return target
        with self.original.at_hand(target.parent) as own:
            build(own.path, self.scan.leaf, own.identity, target, self.form, sidecar=sidecar)
        return target


class Store(_Making):
    """The making of the sidecar of a scan that is served as it is."""

    def __call__(self) -> Path:
        """Return where the sidecar is, after making it."""
        from iiifserver.image.storing import store

        self.original.check()
        path = self.original.path
        store(path, describe_page(path), self.original.identity, self.target, self.form)
        return self.target


class Copy(_Making):
    """The copying of a scan that is served as it is, and the making of its sidecar."""

    def __call__(self) -> Path:
        """Return where the copy is, after making both."""
        from iiifserver.image.storing import store

        target = self.target
        with beside(target) as folder:
            made = folder / target.name
            self.original.copy_to(made)
            place((made, target))
        sidecar = target.with_name(sidecar_name(target.name))
        store(target, describe_page(target), target.name, sidecar, self.form)
        return target


@dataclass(frozen=True, slots=True)
class Sent:
    """The making of what is served of a scan, and its way into a store: nothing stays here."""

    made: Build | Copy
    home: str

    @property
    def original(self) -> Original:
        """What it is made of."""
        return self.made.original

    @property
    def target(self) -> Path:
        """What it is called."""
        return self.made.target

    def of(self, original: Original) -> Self:
        """Return the same made of another file."""
        return replace(self, made=self.made.of(original))

    def within(self, folder: Path) -> Self:
        """Return the same work, done in another folder."""
        return replace(self, made=replace(self.made, target=folder / self.target.name))

    def __call__(self) -> Path:
        """Return what it is called; its sidecar is sent last, and tells that both are there."""
        target, store = self.target, opened(self.home)
        sweep_aside(target.parent)  # what was left by those who were killed on this machine
        with beside(target) as folder:
            made = replace(self.made, target=folder / target.name)()
            for path in (made, made.with_name(sidecar_name(made.name))):
                store.put_file(pyramid_key(path.name), path)
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
        made = run_together(missing, staff)
        outcomes = (progress or Progress()).each(made, len(missing), "pyramids")
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
    folders = [each.original.path.parent for each in wanted.values() if not each.original.far]
    scans = Path(os.path.commonpath(folders)) if folders else None
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
    original = scan.original
    return target.name in there and bool(read_stored(target, original.path, original.identity))


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
