"""Pictures of one document that lies in a bucket, made together: it is fetched once for many.

One that kills its process must not take the others with it: then each is made alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from iiifserver.errors import Away, ConfigurationError, IiifServerError
from iiifserver.image.original import Original

from .jobs import Job, Movable, Workers, run

_MOST = 40
"""Pictures that one worker makes of a document before another may have the next."""


class Made(Protocol):
    """The making of one picture, as a value."""

    @property
    def original(self) -> Original:
        """What it is made of."""
        ...

    @property
    def target(self) -> Path:
        """What it is called."""
        ...

    def of(self, original: Original) -> Made:
        """Return the same made of another file."""
        ...

    def __call__(self) -> Path:
        """Make it."""
        ...


@dataclass(frozen=True, slots=True)
class Leaves:
    """The making of several pictures of one document."""

    made: tuple[Made, ...]

    def within(self, folder: Path) -> Leaves:
        """Return the same work, done in another folder as far as it leaves nothing there."""
        return replace(self, made=tuple(_within(each, folder) for each in self.made))

    def __call__(self) -> list[Path | IiifServerError]:
        """Return the outcome of each, after fetching the document."""
        first = self.made[0]
        with first.original.at_hand(first.target.parent) as own:
            return [_outcome(each.of(own)) for each in self.made]


def _within(made: Made, folder: Path) -> Any:
    return made.within(folder) if isinstance(made, Movable) else made


def _outcome(made: Made) -> Path | IiifServerError:
    try:
        return made()
    except (ConfigurationError, Away):
        raise  # it is not the picture that is at fault
    except IiifServerError as error:
        return error


def run_together(
    jobs: Mapping[str, Made], workers: Workers
) -> Iterator[tuple[str, Path | IiifServerError]]:
    """Yield the name and the outcome of each job, as `run` does."""
    together = {names[0]: names for names in _documents(jobs)}
    rest = {name for names in together.values() for name in names}
    work: dict[str, Job[Any]] = {name: job for name, job in jobs.items() if name not in rest}
    work |= {name: Leaves(tuple(map(jobs.__getitem__, each))) for name, each in together.items()}
    alone: dict[str, Job[Path]] = {}
    for name, outcome in run(work, workers):
        names = together.get(name, ())
        if not names:
            yield name, outcome
        elif isinstance(outcome, IiifServerError):
            alone |= {each: jobs[each] for each in names}
        else:
            yield from zip(names, outcome, strict=True)
    if alone:
        yield from run(alone, workers)


def _documents(jobs: Mapping[str, Made]) -> Iterator[Sequence[str]]:
    """Yield the names of jobs that have a far document in common, some of them at a time."""
    names: defaultdict[Original, list[str]] = defaultdict(list)
    for name, job in jobs.items():
        if job.original.far:
            names[job.original].append(name)
    for each in names.values():
        parts = [each[start : start + _MOST] for start in range(0, len(each), _MOST)]
        yield from (part for part in parts if len(part) > 1)
