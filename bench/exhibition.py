"""A published exhibition of large scans, and the same pictures in the forms that others serve."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pictures
from servers import Server

BASE_URL = "http://127.0.0.1:8182"
RECORD = "r1"
SIZES = ((6000, 8000), (8000, 6000), (5987, 8011), (7103, 6761))


@dataclass(frozen=True, slots=True)
class Scan:
    """A published scan; its pyramid is the one that our server sends tiles from."""

    identifier: str
    width: int
    height: int
    pyramid: Path


@dataclass(frozen=True, slots=True)
class Published:
    """What was published: `data` is for `iiifserver serve --data`."""

    data: Path
    scans: tuple[Scan, ...]
    originals: Path
    """Folder of the scans, each under its identifier."""
    pyramids: Path
    """Folder of the pyramids, each under its identifier."""


def published(folder: Path, count: int, *, small: bool = False) -> Published:
    """Return so many scans of about 48 MP, drawn and published below *folder* if they are not."""
    sizes = [
        tuple(side // (4 if small else 1) for side in SIZES[n % len(SIZES)]) for n in range(count)
    ]
    scans, sheets = folder / "images" / RECORD, folder / "sheets"
    names = [str(number + 1) for number in range(count)]
    for number, (name, size) in enumerate(zip(names, sizes, strict=True)):
        pictures.jpeg(scans / f"{name}.jpg", *size, seed=number)
    sheets.mkdir(exist_ok=True)
    _write(
        sheets / "exhibition.toml",
        'exhibition = "bench"\nlanguages = ["en"]\ntitle_en = "Bench"\n',
    )
    _write(sheets / "chapters.csv", "chapter,title_en\nc1,Chapter\n")
    _write(sheets / "records.csv", f"record,chapter,title_en\n{RECORD},c1,Record\n")
    data = folder / "data"
    command = [sys.executable, "-m", "iiifserver.cli", "publish", sheets]
    command += ["--images", folder / "images", "--data", data, "--base-url", BASE_URL]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return _found(folder, data, [*zip(names, sizes, strict=True)])


def _found(folder: Path, data: Path, drawn: list[tuple[str, tuple[int, int]]]) -> Published:
    index = json.loads(max((data / "editions").glob("*.json")).read_bytes())
    originals, pyramids = folder / "originals", folder / "pyramids"
    found = []
    for name, (width, height) in drawn:
        identifier = f"{RECORD}-{name}"
        pyramid = data / "pyramids" / index["images"][identifier]["pyramid"]
        _link(originals / f"{identifier}.jpg", folder / "images" / RECORD / f"{name}.jpg")
        _link(pyramids / f"{identifier}.tif", pyramid)
        found.append(Scan(identifier, width, height, pyramid))
    return Published(data, tuple(found), originals, pyramids)


def as_files(server: Server, paths: list[str], folder: Path) -> Path:
    """Write the answers to *paths* as files for nginx, and return their folder."""
    connections = [server.connection() for _ in range(2)]

    def fetch(share: int) -> None:
        for path in paths[share :: len(connections)]:
            connections[share].request("GET", path)
            answer = connections[share].getresponse()
            body = answer.read()
            if answer.status != 200:
                sys.exit(f"bench: {path} answers {answer.status}: {body[:300]!r}")
            file = folder / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(body)

    with ThreadPoolExecutor(len(connections)) as pool:
        list(pool.map(fetch, range(len(connections))))
    return folder


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _link(link: Path, target: Path) -> None:
    link.parent.mkdir(parents=True, exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve())
