"""From a folder of sheets, and scans in a folder or a bucket, to the current edition."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from iiifserver import edition as editions
from iiifserver.config import Config
from iiifserver.edition import Edition
from iiifserver.errors import ConfigurationError, InvalidExhibition
from iiifserver.homes import Home, shown
from iiifserver.presentation.pages import site_page
from iiifserver.records import Exhibition, with_unreviewed
from iiifserver.upgrading import highest_numbers

from .check import Review, pages_file, review
from .diff import counted, details, in_words
from .documents import Unit, units_of
from .edition import (
    Index,
    Published,
    Store,
    Unwritten,
    Write,
    alone,
    index_of,
    relink,
    writing,
)
from .examined import examine
from .folders import Found
from .layout import Remembered
from .memory import Made, Memory, Scan, recall
from .objects import Packed, pack, relinked
from .pages import keep as keep_pages
from .progress import Progress
from .pyramids import make_pyramids
from .scans import File, files_of, look_at, pyramids_of, settings_of

DEFAULT_BASE_URL = "http://127.0.0.1:8182"
"""Where `iiifserver serve` listens unless told otherwise."""
_REMEMBER_EVERY_S = 5.0
_VALUES_A_COLLECTION = 100_000


Look = Callable[[Found, Home, Config], Found]
"""Completes what was found in a folder of scans by what the scans themselves say."""


def examine_headers(found: Found, images: Home, config: Config) -> Found:
    """Return *found* with the facts of every scan, in processes that can die without harm.

    Pixels are verified by whoever decodes them: `check`, and what makes pyramids.
    """
    return examine(found, images, config, decode=False)


@dataclass(frozen=True, slots=True)
class Draft:
    """An edition that is not the current one yet, and the index of the one that is."""

    index: Index
    before: Index | None
    exhibition: Exhibition
    review: Review


def publish(
    folder: Path,
    scans: Home,
    config: Config,
    write: Write | None = None,
    look: Look = examine_headers,
) -> str:
    """Make the exhibition in *folder* the current edition; return what happened, in words.

    Interrupted at any moment, the edition before it stays the current one, and the next call
    finishes the work.

    Raises:
        InvalidExhibition: its sheets have mistakes, or scans cannot be read; nothing has changed.
    """
    store = Store(config.home, write, config.data)
    with writing(config.home), _few_collections():
        draft = _draft_with_pages(folder, scans, config, store, look)
        done = store.switch(draft.index)
    return _words(draft, done)


def preview(folder: Path, scans: Home, config: Config, look: Look = examine_headers) -> list[str]:
    """Return what `publish` would change: a sentence, then the names; no edition is written.

    Raises:
        InvalidExhibition: as `publish` does.
    """
    with _few_collections():
        draft = _draft(folder, scans, config, Unwritten(config.home), look)
    return [in_words(draft.before, draft.index), *details(draft.before, draft.index)]


@contextlib.contextmanager
def _few_collections() -> Iterator[None]:
    """Let Python look for garbage less often.

    Of 10,000 records a million values are made, and they stay: looking through them time and again
    took a third of a publication.
    """
    before = gc.get_threshold()
    gc.set_threshold(_VALUES_A_COLLECTION, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def linked(config: Config, listening: str) -> tuple[Config, str | None]:
    """Return *config* with the base_url of what is published, and what was done for that.

    An edition that was published without a base_url follows the server, which listens at
    *listening*; one that was published with a base_url moves only to another one that is set.

    Raises:
        ConfigurationError: nothing is published.
    """
    edition = editions.current(config.home)
    if config.store:
        return _as_published(config, edition), None
    follows = edition.follows_server and not config.base_url
    base_url = config.base_url or (listening if follows else edition.base_url)
    moved = relink(config.data, base_url, follows_server=follows)
    said = f"addresses moved from {edition.base_url} to {base_url}" if moved else None
    return replace(config, base_url=base_url), said


def _as_published(config: Config, edition: Edition) -> Config:
    """Return *config* with the base_url of an edition in a store, which no server moves.

    Raises:
        ConfigurationError: another one is set.
    """
    base_url = config.base_url or edition.base_url
    if base_url != edition.base_url:
        why = f"base_url = {base_url!r}, but what is in {shown(config.home)} is at"
        raise ConfigurationError(f"{why} {edition.base_url!r}: iiifserver relink {base_url}")
    return replace(config, base_url=base_url)


def _draft_with_pages(folder: Path, scans: Home, config: Config, store: Store, look: Look) -> Draft:
    """Return a draft whose pages are kept: begun again if another publisher kept some meanwhile.

    Without that, two would give one identifier to two pages.
    """
    path = pages_file(folder)
    while True:
        before = _bytes(path)
        draft = _draft(folder, scans, config, store, look)
        with alone(config.data):
            if _bytes(path) == before:
                keep_pages(path, draft.review.layout.kept)
                return draft


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def make_pyramids_of(
    folder: Path, scans: Home, config: Config, look: Look = examine_headers
) -> str:
    """Make the pyramids that an edition of the exhibition in *folder* needs, and nothing else.

    Return what was done, in words.

    Raises:
        InvalidExhibition: as `publish` does.
    """
    with writing(config.home), _few_collections():
        found, exhibition = _reviewed(folder, scans, config, look, _current_index(config.home))
        files = files_of(exhibition, found.layout)
        known = recall(config.data, settings_of(_root(scans), config)).scans
        seen = look_at(files, config, known)
        wanted = dict(pyramids_of(files, seen))
        made = make_pyramids(wanted, config)
    return f"{counted(made, 'pyramid')} made, {len(wanted) - made:,} were there"


def _reviewed(
    folder: Path, scans: Home, config: Config, look: Look, before: Index | None
) -> tuple[Review, Exhibition]:
    """Return the exhibition in *folder*, and all that can be said of it."""
    highest = before.get("highest", {}) if before else {}
    published = _remembered(before["images"], highest) if before else {}
    found = review(folder, scans, lambda names: look(names, scans, config), published)
    if found.exhibition is None:
        raise InvalidExhibition(found.mistakes)
    return found, found.exhibition


def _draft(folder: Path, scans: Home, config: Config, store: Store, look: Look) -> Draft:
    before = _current_index(config.home)
    highest = before.get("highest", {}) if before else {}
    found, exhibition = _reviewed(folder, scans, config, look, before)
    if config.show_unreviewed:
        exhibition = with_unreviewed(exhibition)
    base_url = config.base_url or (before["base_url"] if before else DEFAULT_BASE_URL)
    follows = not config.base_url and (before is None or before["follows_server"])
    root = _root(scans)
    files = files_of(exhibition, found.layout)
    settings = settings_of(root, config)
    memory = recall(config.data, settings)
    seen = look_at(files, config, memory.scans)
    store.make(dict(pyramids_of(files, seen)), config)

    def keep(made: Mapping[str, Made]) -> None:
        if Memory(seen, made) != memory:
            store.keep(settings, Memory(seen, made))

    units = list(units_of(exhibition, seen))
    made = _make(units, memory.units, base_url, store, keep)
    index = index_of(
        base_url,
        {unit.identifier: _entry(unit, made[unit.identifier]) for unit in units},
        root,
        {name: _image(file, seen[name]) for name, file in files.items()},
        site_page(exhibition),
        follows_server=follows,
        highest=highest_numbers(files, highest),
        before=before,
    )
    return Draft(index, before, exhibition, found)


def _root(scans: Home) -> Home:
    """Return where *scans* are, whatever is the working directory."""
    return scans.resolve() if isinstance(scans, Path) else scans


def _remembered(
    images: Mapping[str, Mapping[str, str | None]], highest: Mapping[str, int]
) -> dict[str, Remembered]:
    """Return what an index tells of pages, by record."""
    shown: dict[str, dict[str, list[str]]] = {}
    for name, image in images.items():
        record, _, file = (image["file"] or "").partition("/")
        page = name.removeprefix(f"{record}-")
        shown.setdefault(record, {}).setdefault(file, []).append(page)
    return {
        record: Remembered(
            highest.get(record, 0),
            {file: pages[0] for file, pages in shown.get(record, {}).items() if len(pages) == 1},
        )
        for record in {*shown, *highest}
    }


def _current_index(home: Home) -> Index | None:
    found = editions.numbers(home)
    try:
        return editions.read_index(home, found[-1]) if found else None
    except ConfigurationError:
        return None  # of another format: everything is made anew


def _make(
    units: Iterable[Unit],
    known: Mapping[str, Made],
    base_url: str,
    store: Store,
    keep: Callable[[Mapping[str, Made]], None],
) -> dict[str, Made]:
    """Return where the documents of *units* are, after making those that are not there."""
    made, missing = {}, []
    for unit in units:
        there = known.get(unit.identifier)
        same = there and (there.inputs, there.base_url) == (unit.inputs, base_url)
        if there and same and store.has(there.object):
            made[unit.identifier] = there
        else:
            missing.append(unit)
    keep_at = time.monotonic() + _REMEMBER_EVERY_S
    for unit in Progress().each(missing, len(missing), "records and chapters"):
        packed = _packed(unit, known.get(unit.identifier), base_url, store)
        store.put(packed)
        made[unit.identifier] = Made(unit.inputs, base_url, packed.content, packed.digest)
        if time.monotonic() > keep_at:
            keep({**known, **made})
            keep_at = time.monotonic() + _REMEMBER_EVERY_S
    keep(made)
    return made


def _packed(unit: Unit, known: Made | None, base_url: str, store: Store) -> Packed:
    """Return the documents of *unit*: moved where only base_url is another, else built."""
    if known and known.inputs == unit.inputs and store.has(known.object):
        return relinked(store.unit(known.object), base_url)
    return pack(*unit.build(), base_url)


def _entry(unit: Unit, made: Made) -> dict[str, str]:
    return {"kind": unit.kind, "content": made.content, "object": made.object}


def _image(file: File, scan: Scan) -> dict[str, str | None]:
    made = {"pyramid": scan.pyramid or None, "tiles": scan.tiles}
    return {"file": file.name, "rights": file.rights, **made}


def _words(draft: Draft, done: Published) -> str:
    exhibition = draft.exhibition
    records = list(exhibition.records)
    pages = sum(len(record.pages) for record in records)
    state = "published" if done.changed else "unchanged"
    holds = ", ".join(
        counted(count, kind)
        for count, kind in (
            (len(exhibition.chapters), "chapter"),
            (len(records), "record"),
            (pages, "page"),
        )
    )
    said = f"{exhibition.identifier}: edition {done.number} {state}: {holds}"
    if done.changed and draft.before:
        said += f"; {in_words(draft.before, draft.index)}"
    warnings = sum(mistake.severity == "warning" for mistake in draft.review.mistakes)
    return f"{said}; {counted(warnings, 'warning')}: iiifserver check" if warnings else said
