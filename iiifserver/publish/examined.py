"""Scans opened and verified, in processes that a damaged file can kill without harm.

They are those of this machine, or of the cluster that makes pyramids too. What was found out of a
file is remembered below the data folder as long as its size, its time of change and its inode stay,
in a bucket its version; what is remembered may be deleted, and is found out again.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import orjson

from iiifserver.config import PROCESSES, Config
from iiifserver.edition import pyramid_path
from iiifserver.errors import IiifServerError, RequestError
from iiifserver.homes import Home
from iiifserver.image.aside import sweep_aside
from iiifserver.image.broker import Bounds
from iiifserver.image.broker.pool import Pool
from iiifserver.image.examine import Examination, Examinations, Facts, all_facts, facts_of
from iiifserver.image.job import Job, bytes_of
from iiifserver.machine import Machine
from iiifserver.publish import jobs
from iiifserver.publish.folders import Found, ScanFile
from iiifserver.publish.progress import Progress
from iiifserver.sources import Place

_TIMEOUT_S = 300.0  # a scan of 600 megapixels takes about ten seconds
_BATCH, _BATCH_BYTES = 25, 2 << 20
_HEADER_BYTES = 64 << 10
_MOST_MEMORIES = 64
_FORMAT = 1
_REMEMBER_EVERY_S, _REMEMBER_SHARE = 60.0, 20  # and no more than a twentieth of the time


_Found: TypeAlias = Generator[tuple[ScanFile, Facts], None, None]


class Known(NamedTuple):
    """What is remembered of a file; `decoded` is False where only headers were read."""

    identity: str
    decoded: bool
    facts: Facts


class Workers(Protocol):
    """Processes that run jobs; any number of threads may ask at once."""

    def render(self, job: Job) -> Place | bytes:
        """Return the job's result, or raise a RequestError."""
        ...

    def close(self) -> None:
        """Stop the processes."""
        ...


def examine(
    found: Found,
    images: Home,
    config: Config,
    *,
    decode: bool = True,
    workers: Callable[[Bounds], Workers] = Pool,
) -> Found:
    """Return *found* with the facts of every scan; all pixels are decoded if *decode*.

    What is wrong with a file is one of its facts; nothing is raised for it. Interrupted or killed,
    what was found out until a moment before is remembered.
    """
    memory = _memory(config.data, images)
    known = _recall(memory)
    scans = [scan for files in found.scans.values() for scan in files]
    unknown = [scan for scan in scans if not _is_known(scan, known.get(scan.shown), decode=decode)]
    now = {scan.shown: known[scan.shown] for scan in scans if scan.shown in known}
    why = f"it is larger than copies_mib = {config.copies_mib} allows to fetch"
    large = [scan for scan in unknown if _is_too_large(scan, config)]
    now |= {scan.shown: Known(scan.identity, decode, Facts("", (), why)) for scan in large}
    unknown = [scan for scan in unknown if not _is_too_large(scan, config)]
    if decode:
        sweep_aside(_copies(config))
    here = config.executor == PROCESSES
    facts_found = (
        _found_out(unknown, config, workers, decode=decode)
        if here
        else _found_elsewhere(unknown, config, images, decode=decode)
    )
    keep_at = time.monotonic() + _REMEMBER_EVERY_S
    try:
        with contextlib.closing(facts_found):
            for scan, facts in facts_found:
                now[scan.shown] = Known(scan.identity, decode, facts)
                if time.monotonic() > keep_at:
                    keep_at = _remember_in_time(memory, now)
    finally:
        if now != known:
            _remember(memory, now)
    examined = {
        folder: tuple(replace(scan, facts=now[scan.shown].facts) for scan in files)
        for folder, files in found.scans.items()
    }
    return Found(examined, found.mistakes)


def _is_known(scan: ScanFile, known: Known | None, *, decode: bool) -> bool:
    return known is not None and known.identity == scan.identity and (known.decoded or not decode)


def _found_out(
    scans: Sequence[ScanFile],
    config: Config,
    workers: Callable[[Bounds], Workers],
    *,
    decode: bool,
) -> _Found:
    """Yield the facts of each scan, in their order, worked out on all cores."""
    if not scans:
        return
    batches = list(_batches(scans, decode=decode))
    processes = min(max(int(Machine.here().cores), 1), len(batches))
    pool = workers(Bounds(processes, 1, _TIMEOUT_S, config.render_memory_mib << 20))

    def look(batch: Sequence[ScanFile]) -> list[Facts]:
        job = Examinations(_examinations(batch, config, decode=decode))
        try:
            return facts_of(bytes_of(pool.render(job)))
        except RequestError as error:
            if len(batch) > 1:  # one of them: each has to be tried alone
                return [facts for scan in batch for facts in look([scan])]
            return [Facts("", (), str(error).removeprefix(f"{job.name}: "))]

    def in_turn() -> Iterator[tuple[ScanFile, Facts]]:
        for batch, facts in zip(batches, threads.map(look, batches), strict=True):
            yield from zip(batch, facts, strict=True)

    threads = ThreadPoolExecutor(processes)
    try:
        yield from Progress().each(in_turn(), len(scans), "scans")
    finally:
        threads.shutdown(cancel_futures=True)  # interrupted: only what has begun is finished
        pool.close()


@dataclass(frozen=True, slots=True)
class _Look:
    """Files to look at, as a value that travels to whatever executor there is."""

    files: tuple[Examination, ...]

    def within(self, folder: Path) -> _Look:
        """Return the same work, done in another folder."""
        return _Look(tuple(replace(file, folder=folder) for file in self.files))

    def __call__(self) -> list[Facts]:
        """Return the facts of each."""
        return all_facts(self.files)


def _found_elsewhere(
    scans: Sequence[ScanFile], config: Config, images: Home, *, decode: bool
) -> _Found:
    """Yield the facts of each scan as they come, worked out by the setting `executor`."""
    if scans:
        shared = images.resolve() if isinstance(images, Path) else None
        with jobs.workers_of(config, shared, written=False) as staff:
            found = _looked_at(list(_batches(scans, decode=decode)), staff, config, decode=decode)
            yield from Progress().each(found, len(scans), "scans")


def _looked_at(
    batches: Sequence[Sequence[ScanFile]], staff: jobs.Workers, config: Config, *, decode: bool
) -> Iterator[tuple[ScanFile, Facts]]:
    """Yield the facts of the scans of each batch; where one ends badly, each is tried alone."""
    named = {batch[0].shown: batch for batch in batches}
    looks = {
        name: _Look(_examinations(batch, config, decode=decode)) for name, batch in named.items()
    }
    single: list[Sequence[ScanFile]] = []
    for name, outcome in jobs.run(looks, staff):
        batch = named[name]
        if not isinstance(outcome, IiifServerError):
            yield from zip(batch, outcome, strict=True)
        elif len(batch) > 1:
            single += [[scan] for scan in batch]
        else:
            yield batch[0], Facts("", (), str(outcome))
    if single:
        yield from _looked_at(single, staff, config, decode=decode)


def _examinations(
    batch: Sequence[ScanFile], config: Config, *, decode: bool
) -> tuple[Examination, ...]:
    folder = _copies(config)
    return tuple(Examination(scan.shown, scan.original, decode, folder) for scan in batch)


def _copies(config: Config) -> Path:
    """Return where scans lie that are fetched to be looked at."""
    return pyramid_path(config.data, "")


def _is_too_large(scan: ScanFile, config: Config) -> bool:
    return scan.original.far and scan.size_bytes > config.copies_mib << 20


def _batches(scans: Sequence[ScanFile], *, decode: bool) -> Iterator[list[ScanFile]]:
    """Yield *scans* in their order, those together of which little is to be read."""
    batch: list[ScanFile] = []
    held_bytes = 0
    for scan in scans:
        header_only = scan.original.far and not decode
        read_bytes = min(scan.size_bytes, _HEADER_BYTES) if header_only else scan.size_bytes
        if batch and (len(batch) >= _BATCH or held_bytes + read_bytes > _BATCH_BYTES):
            yield batch
            batch, held_bytes = [], 0
        batch.append(scan)
        held_bytes += read_bytes
    yield batch


# -- what is remembered


def _memory(data: Path, images: Home) -> Path:
    where = images.resolve() if isinstance(images, Path) else images
    name = hashlib.sha256(os.fsencode(where)).hexdigest()[:16]
    return data / "examined" / f"{name}.json"


def _recall(path: Path) -> dict[str, Known]:
    """Return what is remembered, nothing where that is damaged."""
    try:
        held = orjson.loads(path.read_bytes())
        if held["format"] != _FORMAT:
            return {}
        return {
            name: Known(
                str(identity),
                bool(decoded),
                Facts(str(checksum), tuple((int(w), int(h)) for w, h in sizes), str(problem)),
            )
            for name, (identity, decoded, (checksum, sizes, problem)) in held["scans"].items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _remember_in_time(path: Path, known: Mapping[str, Known]) -> float:
    """Replace what is remembered; return when to do so again: of many scans it takes a while."""
    began = time.monotonic()
    _remember(path, known)
    now = time.monotonic()
    return now + max(_REMEMBER_EVERY_S, _REMEMBER_SHARE * (now - began))


def _remember(path: Path, known: Mapping[str, Known]) -> None:
    """Replace what is remembered; what ended without a checksum is tried again the next time."""
    scans = {name: each for name, each in known.items() if each.facts.checksum}
    body = orjson.dumps({"format": _FORMAT, "scans": scans}, default=list)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".aside-")
    with os.fdopen(handle, "wb") as file:
        file.write(body)
    Path(aside).replace(path)
    others = sorted(path.parent.glob("*.json"), key=lambda each: each.stat().st_mtime)
    for old in others[:-_MOST_MEMORIES]:
        with contextlib.suppress(OSError):
            old.unlink()
