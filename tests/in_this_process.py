"""A renderer that needs no other process."""

from __future__ import annotations

from typing import Any

from iiifserver.cache import write
from iiifserver.image.job import State
from iiifserver.sources import Place


class InThisProcess:
    """Runs jobs where they are; what is begun in the background never comes to an end."""

    def __init__(self) -> None:
        self.begun: list[Any] = []

    def render(self, job: Any) -> Place | bytes:
        made = job.run()
        return write(made, job.keep) if job.keep else made

    def begin(self, job: Any) -> bool:
        self.begun.append(job)
        return True

    def state(self) -> State:
        return State()
