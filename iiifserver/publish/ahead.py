"""The pyramids of a folder that is served as it is, made before anybody looks.

They are those that the server would make at the first look, and lie where it looks for them. What
does not fit beside what is there is left for those who look: nothing is thrown out for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from iiifserver.config import Config
from iiifserver.errors import ConfigurationError, IiifServerError, InvalidExhibition, Mistake
from iiifserver.image.aside import sweep_aside
from iiifserver.image.cost import check_cost
from iiifserver.image.job import Job, State
from iiifserver.image.kept import Kept
from iiifserver.image.making import BuildPyramid
from iiifserver.image.masters import FOLDER, Masters
from iiifserver.sources import Folder, Source

from .jobs import Workers, run, workers_of
from .progress import Progress

_BYTES_A_PIXEL = 0.5  # of the pyramids and sidecars of most scans


class Ready(NamedTuple):
    """How many pictures have all that they need, and how many would not fit."""

    ready: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Ahead:
    """The making of what a file of a folder lacks, as a value that travels."""

    first: Source
    """Its only picture, or the first page of a document."""
    document: str
    """The name of the document; empty if it is none."""
    config: Config

    def __call__(self) -> Ready:
        """Return how many of its pictures are ready now."""
        masters = Masters(self.config, _Here())
        fit = [self._is_ready(page, masters) for page in self._pictures(masters)]
        return Ready(sum(fit), len(fit) - sum(fit))

    def _pictures(self, masters: Masters) -> Iterator[Source]:
        if not self.document:
            yield self.first
            return
        for leaf in range(len(masters.pages(self.first))):
            yield replace(self.first, identifier=f"{self.document}/{leaf + 1}", leaf=leaf)

    def _is_ready(self, picture: Source, masters: Masters) -> bool:
        source = masters.served(picture)
        header = masters.header(source)
        check_cost("it", header, self.config)
        job = masters.lacking(source, header)
        if isinstance(job, BuildPyramid):
            held, wanted = job.kept.held_bytes(), header.width * header.height * _BYTES_A_PIXEL
            if held + wanted > job.kept.most_bytes:
                return False
        if job:
            job.run()
        return True


class _Here:
    """Does in this process what a server has done by others."""

    def render(self, job: Job) -> bytes:
        """Return the job's result."""
        return job.run()

    def begin(self, job: Job) -> bool:
        """Leave it."""
        return False

    def state(self) -> State:
        """Return that there is nothing."""
        return State()


def make_ahead(
    config: Config, *, workers: Workers | None = None, progress: Progress | None = None
) -> Ready:
    """Make what the scans in `config.folder` lack; return how it stands then.

    Interrupted or killed at any moment, those that are done stay, and the next call makes the rest.

    Raises:
        InvalidExhibition: scans that cannot be decoded, all of them.
        ConfigurationError: there is nobody to do it, or it is switched off.
    """
    if not config.folder_pyramids_mib:
        raise ConfigurationError("folder_pyramids_mib = 0: no pyramids of folders are kept")
    kept = Kept(config.data / FOLDER, config.folder_pyramids_mib << 20)
    sweep_aside(kept.folder)
    jobs = _jobs(config)
    if not jobs:
        return Ready()
    counts, mistakes = [], []
    with nullcontext(workers) if workers else workers_of(config, kept.folder) as staff:
        outcomes = (progress or Progress()).each(run(jobs, staff), len(jobs), "scans")
        with contextlib.closing(outcomes):
            for name, outcome in outcomes:
                if isinstance(outcome, IiifServerError):
                    why = str(outcome).removeprefix(f"{name}: ")
                    mistakes.append(Mistake("Images", name, name, why))
                else:
                    counts.append(outcome)
    if mistakes:
        raise InvalidExhibition(mistakes)
    return Ready(*map(sum, zip(*counts, strict=True)))


def _jobs(config: Config) -> dict[str, Ahead]:
    folder = Folder(Path(config.folder))
    names = folder.names()
    pictures = {name: Ahead(folder.find(name), "", config) for name in names.images}
    pages = {name: Ahead(folder.find(f"{name}/1"), name, config) for name in names.documents}
    return pictures | pages
