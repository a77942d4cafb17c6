"""What a scan is, whole: its checksum, the pictures in it, and whether all its pixels decode.

Runs in a render process, which a damaged or hostile file can kill without harm. Of a scan in a
bucket nothing but headers is read, unless its pixels are to be decoded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import orjson

from iiifserver.errors import BrokenSource, Busy, RequestError

from .headers.window import Read
from .job import Encoding, Picture
from .jp2 import read_jp2
from .open import Header, container, count_leaves, describe
from .original import Original
from .plan import Dimensions, Limits, make_plan
from .request import ImageRequest

_OVERVIEW = ImageRequest.parse(3, "full", "!16,16", "0", "default.jpg")
_STRIP_ROWS = 1024
_READS = 8  # at a time, of scans that are far


class Facts(NamedTuple):
    """What was found out of a file; sizes are in pixels as shown, one of each picture in it."""

    checksum: str
    sizes: tuple[tuple[int, int], ...] = ()
    problem: str = ""
    """Why it cannot be shown; empty if it can."""


@dataclass(frozen=True, slots=True)
class Examination:
    """A file to look at; every pixel is decoded if *decode*, else headers only are read."""

    name: str
    scan: Original
    decode: bool = True
    folder: Path = Path()
    """Where a copy of a scan that is far may lie while its pixels are decoded."""

    def facts(self) -> Facts:
        """Return what was found out; what is wrong with the file is one of its facts."""
        checksum, sizes, problem = "", [], ""
        try:
            checksum = self.scan.checksum()
            for size in self._sizes():
                sizes.append(size)  # noqa: PERF402 - those before the problem are kept
        except Busy as error:  # the store is at fault, or another scan is there by now
            checksum, problem = "", str(error)
        except RequestError as error:
            problem = str(error).removeprefix(f"{self.name} ").removeprefix(f"{self.name}: ")
            problem = f"page {len(sizes) + 1}: {problem}" if sizes else problem
        except OSError as error:
            problem = error.strerror or str(error)
        return Facts(checksum, tuple(sizes), problem)

    def _sizes(self) -> Iterator[tuple[int, int]]:
        if self.scan.far and not self.decode:
            from .containers import page_sizes

            yield from page_sizes(self.scan.ranges())
            return
        with self.scan.at_hand(self.folder) as own:
            yield from self._sizes_in(own.path)

    def _sizes_in(self, path: Path) -> Iterator[tuple[int, int]]:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:

            def read(offset: int, length: int) -> bytes:
                file.seek(offset)
                return file.read(length)

            match container(read(0, 64)):
                case "pdf":
                    yield from self._pdf(path)
                case "heic":
                    yield from self._heic(path)
                case None:
                    yield from self._pictures(path, read, size_bytes)

    def _pdf(self, path: Path) -> Iterator[tuple[int, int]]:
        from .containers import draw_pdf_page, pdf_page_pixels, pdf_page_sizes

        for leaf, points in enumerate(pdf_page_sizes(path)):
            if self.decode:
                draw_pdf_page(path, leaf, (16, 16), (0, 0, 16, 16))
            yield pdf_page_pixels(points)

    def _heic(self, path: Path) -> Iterator[tuple[int, int]]:
        from .containers import describe_page, read_heic

        if self.decode:
            read_heic(path)
        header = describe_page(path)
        yield header.width, header.height

    def _pictures(self, path: Path, read: Read, size_bytes: int) -> Iterator[tuple[int, int]]:
        for leaf in range(count_leaves(read, size_bytes)):
            header = describe(read, size_bytes, leaf)
            if self.decode:
                self._decode(path, header)
            yield header.width, header.height

    def _decode(self, path: Path, header: Header) -> None:
        """Decode every stored pixel, a strip or a stream at a time."""
        if header.format == "jp2":
            width, height = header.levels[0].width, header.levels[0].height
            for top in range(0, height, _STRIP_ROWS):
                read_jp2(path, 0, (0, top, width, min(height, top + _STRIP_ROWS)))
            return
        from .render import render  # only where it runs: it loads libvips

        # the levels of a JPEG are all made from the same bytes, those of a pyramid are not
        levels = header.levels if header.format == "jpeg" else header.levels[:1]
        size = Dimensions(header.width, header.height)
        plan = make_plan(_OVERVIEW, size, Limits())
        if not render(Picture(self.name, path, replace(header, levels=levels), plan, Encoding())):
            raise BrokenSource(f"{self.name} has no picture")


@dataclass(frozen=True, slots=True)
class Examinations:
    """Files to look at one after the other: a job, for sending a small one costs as much."""

    files: tuple[Examination, ...]
    cost_ms: float = 0.0  # not known: every process may take it
    keep: str | None = None

    @property
    def name(self) -> str:
        """What errors call the file at hand."""
        return self.files[0].name

    @property
    def source(self) -> str:
        """All files: which of them kills a process is found out by looking at each alone."""
        return " ".join(f"{file.scan.home}/{file.scan.key}" for file in self.files)

    @property
    def key(self) -> str:
        """The files, and how closely they are looked at."""
        return repr(self.files)

    def run(self) -> bytes:
        """Return the `Facts` of each file, as JSON."""
        return orjson.dumps(all_facts(self.files), default=list)


def all_facts(files: Sequence[Examination]) -> list[Facts]:
    """Return what was found out of each; several are read at a time where that means to wait."""
    if any(file.decode or not file.scan.far for file in files):
        return [file.facts() for file in files]
    with ThreadPoolExecutor(_READS) as threads:
        return list(threads.map(Examination.facts, files))


def facts_of(answer: bytes) -> list[Facts]:
    """Return the facts that `Examinations.run` returned."""
    return [
        Facts(checksum, tuple((width, height) for width, height in sizes), problem)
        for checksum, sizes, problem in orjson.loads(answer)
    ]
