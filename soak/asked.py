"""What is asked, and what the answers are: computed in one process, by no server, before any load.

python soak/asked.py DATA    writes a line of JSON for each request to standard output
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests")]

Kind = Literal["ready", "made", "whole", "document", "wrong"]

_DOCUMENTS = (
    "/presentation/3/collection",
    "/presentation/3/r1/manifest",
    "/presentation/2/r1/manifest",
    "/presentation/r1/canvas/1",
    "/presentation/r1/record.json",
    "/en/bench/",
    "/en/bench/record/r1",
)
_WRONG = (
    "/iiif/3/none/full/max/0/default.jpg",
    "/iiif/3/r1-1/full/max/0/default.bmp",
    "/iiif/3/r1-1/9,9,0,0/max/0/default.jpg",
    "/iiif/3/r1-1/full/0,/0/default.jpg",
    "/iiif/3/r1-1/full/max/361/default.jpg",
    "/iiif/2/r1-1/pct:1,2,3/full/0/default.jpg",
    "/iiif/3/r1-1/full/99999,/0/default.jpg",
    "/iiif/3/%2e%2e%2f%2e%2e%2fetc%2fpasswd/info.json",
    "/presentation/3/none/manifest",
    "/en/none/",
    "/iiif/3/r1-1/full/max/0/" + "x" * 3_000,
)
_MADE_PER_SCAN = 12
REQUEST = "soak"
"""What every request calls itself: problem documents repeat it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """A request, and the one right answer to it."""

    path: str
    kind: Kind
    status: int
    digest: str
    """SHA-256 of the body."""
    length: int
    etag: str


def paths(identifiers: dict[str, tuple[int, int]]) -> Iterator[tuple[str, Kind]]:
    """Yield what is asked of scans of these sizes, and of the exhibition that they are in."""
    from asking import tiles_of

    pick = random.Random(8)
    for name, (width, height) in identifiers.items():
        base = f"/iiif/3/{name}"
        for _, _, part in tiles_of(width, height):
            yield f"{base}/{part}/0/default.jpg", "ready"
        for size in ("90,", "!200,200", "!400,400"):
            yield f"{base}/full/{size}/0/default.jpg", "ready"
        yield f"{base}/info.json", "ready"
        yield f"/iiif/2/{name}/info.json", "ready"
        for ending in ("0/default.png", "90/gray.jpg", "!0/default.webp", "22.5/bitonal.png"):
            for _ in range(_MADE_PER_SCAN // 4):
                left, top = pick.randrange(width - 300), pick.randrange(height - 300)
                wide, high = pick.randint(100, width - left), pick.randint(100, height - top)
                size = f"!{pick.randint(60, 700)},{pick.randint(60, 700)}"
                yield f"{base}/{left},{top},{wide},{high}/{size}/{ending}", "made"
        yield f"{base}/full/max/0/default.png", "whole"
        yield f"{base}/full/max/180/default.jpg", "whole"
    yield from ((path, "document") for path in _DOCUMENTS)
    yield from ((path, "wrong") for path in _WRONG)


def expected(data: Path, scans: dict[str, tuple[int, int]]) -> list[Expected]:
    """Return all requests and their answers, computed by another process."""
    command = [sys.executable, __file__, str(data), json.dumps(scans)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return [Expected(**json.loads(line)) for line in done.stdout.splitlines()]


def _answers(data: Path, scans: dict[str, tuple[int, int]]) -> Iterator[Expected]:
    from in_this_process import InThisProcess

    from iiifserver.config import Config
    from iiifserver.web import create_app

    # by Flask alone: the door for tiles is one more that is judged by it
    client = create_app(Config(data=data), InThisProcess(), tile_door=False).test_client()
    for path, kind in paths(scans):
        answer = client.get(path, headers={"X-Request-ID": REQUEST})
        right = answer.status_code >= 400 if kind == "wrong" else answer.status_code == 200
        if not right or answer.status_code == 500:
            sys.exit(f"soak: {path} answers {answer.status_code}: {answer.data[:300]!r}")
        if path.startswith("/iiif/") and kind in ("ready", "made", "whole"):
            _check_picture(path, answer.data)
        digest = hashlib.sha256(answer.data).hexdigest()
        etag = answer.headers.get("ETag", "")
        yield Expected(path, kind, answer.status_code, digest, len(answer.data), etag)


def _check_picture(path: str, body: bytes) -> None:
    """End unless Pillow reads the picture, in the size that was asked for where that is plain."""
    from PIL import Image

    if path.endswith("info.json"):
        return
    with Image.open(io.BytesIO(body)) as shown:
        shown.load()
        asked = re.search(r"/(\d+),(\d+)/0/", path)
        if asked and shown.size != (int(asked[1]), int(asked[2])):
            sys.exit(f"soak: {path} is {shown.size}")


def of_kind(known: Sequence[Expected], *kinds: Kind) -> list[Expected]:
    """Return those of these kinds."""
    return [one for one in known if one.kind in kinds]


if __name__ == "__main__":
    for one in _answers(Path(sys.argv[1]), json.loads(sys.argv[2])):
        print(json.dumps(asdict(one)))
