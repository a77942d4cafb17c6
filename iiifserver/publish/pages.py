"""The identifiers of pages: given in a sheet, else assigned once and kept in `pages.csv`.

A row of `pages.csv` with a checksum is kept by the program: it remembers which scan a page was.
A scan is known again by its checksum wherever its name went, else by its name; whatever is not
known gets the next number, and the number of a page that is gone is never given again. A row
without a checksum is its author's.
"""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from iiifserver.errors import InvalidValue
from iiifserver.publish.charset import decode
from iiifserver.publish.columns import SHEETS, read_heading

_COLUMNS = ("record", "page", "file", "leaf", "checksum", "gone")


class Leaf(NamedTuple):
    """One picture: a file, or one of several in it; `checksum` is empty while it is not known."""

    file: str
    leaf: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a page; `leaf` counts from 0."""

    record: str
    page: str
    file: str
    leaf: int
    checksum: str
    gone: bool = False


class Assigned(NamedTuple):
    """The pages of one record."""

    pages: tuple[str, ...]
    """Their identifiers, in the order of the leaves."""
    kept: tuple[Kept, ...]
    """All that is to be remembered, pages that are gone too."""
    new: tuple[Kept, ...]
    gone: tuple[Kept, ...]
    """Those that were there before."""


def assign(
    record: str,
    leaves: Sequence[Leaf],
    kept: Sequence[Kept],
    taken: Collection[str] = (),
    highest: int = 0,
) -> Assigned:
    """Return an identifier for each of *leaves*, the same as before for those in *kept*.

    *taken* are identifiers that the record's author gave to other leaves, *highest* is the highest
    number that a page of the record ever had, given or assigned: none up to it is given again.
    """
    rows = [row for row in kept if row.page not in taken]
    found: dict[int, Kept] = {}
    for key in (_wholly, _by_content, _by_name):
        _match(leaves, rows, found, key)
    number = max([highest, *map(_number, (*taken, *(row.page for row in kept)))])
    pages: list[str] = []
    new: list[Kept] = []
    updated: dict[str, Kept] = {}
    for index, leaf in enumerate(leaves):
        row = found.get(index)
        if row is None:
            number += 1
            row = Kept(record, str(number), *leaf)
            new.append(row)
        else:
            checksum = leaf.checksum or row.checksum
            updated[row.page] = Kept(record, row.page, leaf.file, leaf.leaf, checksum)
        pages.append(row.page)
    lost = [row for row in rows if row.page not in updated]
    updated |= {row.page: replace(row, gone=True) for row in lost}
    remembered = (*(updated.get(row.page, row) for row in kept), *new)
    gone = tuple(row for row in lost if not row.gone)
    return Assigned(tuple(pages), remembered, tuple(new), gone)


def _match(
    leaves: Sequence[Leaf],
    rows: Sequence[Kept],
    found: dict[int, Kept],
    key: Callable[[Leaf | Kept], Hashable],
) -> None:
    """Add to *found* the rows that have the same *key* as a leaf, each once, in their order."""
    used = {row.page for row in found.values()}
    waiting: dict[Hashable, list[Kept]] = {}
    for row in reversed(rows):
        if row.page not in used and key(row) is not None:
            waiting.setdefault(key(row), []).append(row)
    for index, leaf in enumerate(leaves):
        if index not in found and waiting.get(key(leaf)):
            found[index] = waiting[key(leaf)].pop()


def _wholly(each: Leaf | Kept) -> Hashable:
    return (each.checksum, each.leaf, each.file) if each.checksum else None


def _by_content(each: Leaf | Kept) -> Hashable:
    return (each.checksum, each.leaf) if each.checksum else None


def _by_name(each: Leaf | Kept) -> Hashable:
    # a page that is gone comes back as itself only, not as another scan of the same name
    return None if isinstance(each, Kept) and each.gone else (each.file, each.leaf)


def _number(page: str) -> int:
    return int(page) if page.isascii() and page.isdigit() else 0


# -- keeping them


def keep(path: Path, kept: Iterable[Kept]) -> bool:
    """Write *kept* into the sheet at *path* and return whether that changed it.

    Rows that others wrote stay as they are, and so do labels in rows of ours.

    Raises:
        ValueError: a scan was not examined, so that its checksum is not known.
    """
    rows = list(kept)
    if not rows:
        return False
    if any(not row.checksum for row in rows):
        raise ValueError("the checksum of a page's scan is not known")
    before = path.read_bytes() if path.exists() else b""
    table, separator = _rows(before)
    places, header = _places(table[0] if table else [])
    waiting = {(row.record, row.page): row for row in rows}
    lines: list[list[str]] = []
    for line in table[1:]:
        cells = _cells(line, places)
        row = waiting.pop((cells["record"], cells["page"]), None) if cells["checksum"] else None
        lines.append(_line(row, line, places) if row else line)
    lines += [_line(row, [], places) for row in waiting.values()]
    target = io.StringIO(newline="")
    ending = "\r\n" if b"\r\n" in before else "\n"
    csv.writer(target, delimiter=separator, lineterminator=ending).writerows([header, *lines])
    mark = b"\xef\xbb\xbf" if _wants_mark(before) else b""
    body = mark + target.getvalue().encode()
    if _rows(before) == _rows(body):
        return False
    _replace(path, body)
    return True


def _wants_mark(before: bytes) -> bool:
    """Return whether the program that wrote the file needs to be told of UTF-8 to read it."""
    try:
        before.decode("utf-8")
    except UnicodeDecodeError:
        return True
    return before.startswith(b"\xef\xbb\xbf")


def _rows(body: bytes) -> tuple[list[list[str]], str]:
    text, _ = decode(body)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(",;\t", key=first.count)
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator)), separator


def _places(header: Sequence[str]) -> tuple[Mapping[str, int], list[str]]:
    """Return where the columns stand that we write, and *header* with those that were not there."""
    places: dict[str, int] = {}
    for index, name in enumerate(header):
        try:
            heading = read_heading(name.strip(), SHEETS["Pages"], None)
        except InvalidValue:
            continue
        if not heading.language:
            places.setdefault(heading.column.name, index)
    missing = [name for name in _COLUMNS if name not in places]
    places |= {name: len(header) + index for index, name in enumerate(missing)}
    return places, [*header, *missing]


def _cells(line: Sequence[str], places: Mapping[str, int]) -> dict[str, str]:
    return {
        name: line[places[name]].strip() if places[name] < len(line) else "" for name in _COLUMNS
    }


def _line(row: Kept, line: Sequence[str], places: Mapping[str, int]) -> list[str]:
    """Return *line* with the values of *row* in their places; the first leaf needs no number."""
    leaf = str(row.leaf + 1) if row.leaf else ""
    values = (row.record, row.page, row.file, leaf, row.checksum, "yes" if row.gone else "")
    cells = [*line, *[""] * (max(places.values()) + 1 - len(line))]
    for name, value in zip(_COLUMNS, values, strict=True):
        cells[places[name]] = value
    return cells


def _replace(path: Path, body: bytes) -> None:
    handle, aside = tempfile.mkstemp(dir=path.parent, prefix=".aside-")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), path.stat().st_mode & 0o777 if path.exists() else 0o644)
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(aside).replace(path)
    finally:
        Path(aside).unlink(missing_ok=True)
