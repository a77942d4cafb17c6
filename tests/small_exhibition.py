"""A small exhibition in sheets and scans of a few bytes, for those who publish it."""

from __future__ import annotations

import csv
import shutil
import struct
import zlib
from dataclasses import replace
from pathlib import Path

from iiifserver.config import Config
from iiifserver.homes import Home
from iiifserver.image.examine import Examination
from iiifserver.publish.edition import Write
from iiifserver.publish.folders import Found
from iiifserver.publish.publication import publish
from iiifserver.stores import opened

TITLE = "Letters"
RECORDS = ("a1", "a2", "b1")


def png(width: int, height: int, gray: int = 128) -> bytes:
    """Return a picture of one shade."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + body))
        return struct.pack(">I", len(body)) + kind + body + check

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = (b"\0" + bytes([gray]) * width) * height
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def look(found: Found, _images: Home, _config: Config) -> Found:
    """Examine scans in this process: none of ours is hostile, and it is much faster."""
    return Found(
        {
            folder: tuple(
                replace(scan, facts=Examination(scan.shown, scan.original, decode=False).facts())
                for scan in files
            )
            for folder, files in found.scans.items()
        },
        found.mistakes,
    )


class Small:
    """Two chapters, three records, two pages each; the pages of `a2` are listed."""

    def __init__(self, folder: Path) -> None:
        self.sheets, self.scans, self.data = (folder / n for n in ("sheets", "images", "data"))
        self.place: Home = self.scans
        self.sheets.mkdir(parents=True)
        self.titles = {name: f"Record {name}" for name in RECORDS}
        self.summaries = dict.fromkeys(RECORDS, "")
        self.order = list(RECORDS)
        self.files = {"1": "1.png", "2": "2.png"}
        for name in RECORDS:
            (self.scans / name).mkdir(parents=True)
            for page in (1, 2):
                (self.scans / name / f"{page}.png").write_bytes(png(60, 80))
        self.write()

    def write(self, title: str = TITLE) -> None:
        """Write the sheets as the attributes say."""
        text = f'exhibition = "letters"\nlanguages = ["en", "ja"]\ntitle_en = "{title}"\n'
        (self.sheets / "exhibition.toml").write_text(text + 'title_ja = "手紙"\n', "utf-8")
        self._sheet("chapters", [["chapter", "title_en"], ["a", "First"], ["b", "Second"]])
        rows = [
            [name, name[0], self.titles[name], self.summaries[name], "b1" if name == "a1" else ""]
            for name in self.order
        ]
        self._sheet("records", [["record", "chapter", "title_en", "summary_en", "related"], *rows])
        pages = [["a2", page, file] for page, file in self.files.items()]
        self._sheet("pages", [["record", "page", "file"], *pages])

    def put(self, place: str) -> None:
        """Have the scans in a bucket, and nowhere else."""
        for path in sorted(self.scans.rglob("*")):
            if path.is_file():
                opened(place).put_file(path.relative_to(self.scans).as_posix(), path)
        shutil.rmtree(self.scans)
        self.place = place

    def config(self, **settings: object) -> Config:
        """Return settings for what is made of it."""
        return Config(**{"data": self.data, **settings})

    def publish(self, write: Write | None = None, **settings: object) -> str:
        """Publish it, and return what is said."""
        return publish(self.sheets, self.place, self.config(**settings), write, look)

    def objects(self) -> set[str]:
        """Return the names of all objects."""
        return {path.name for path in (self.data / "objects").rglob("*") if path.is_file()}

    def _sheet(self, name: str, rows: list[list[str]]) -> None:
        with (self.sheets / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
