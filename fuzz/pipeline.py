"""Damaged files through the whole server: python fuzz/pipeline.py [--files N] [--seed N]

Every answer is a picture that Pillow can read, or a problem document; the server goes on, and the
sound picture that lies among the damaged ones is answered as before, byte by byte.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import seeds
from mutator import Mutator

ENDINGS = {"jpeg": ".jpg", "tiff": ".tif"}
ASKED = ("full/200,/0/default.jpg", "0,0,128,128/128,/0/default.png", "full/max/90/gray.webp")
_SOUND = "sound.png"
_SOUND_PATHS = ("full/max/0/default.png", "0,0,128,128/128,/0/default.jpg")
_TIMEOUT_S = 60
_SETTINGS = {
    "IIIFSERVER_RENDER_TIMEOUT_S": "5",
    "IIIFSERVER_RENDER_MEMORY_MIB": "512",
    "IIIFSERVER_ACCESS_LOG": "false",
    "IIIFSERVER_MAX_AREA": "4000000",
}


class Fault(AssertionError):
    """An answer that is neither a picture nor a problem document, or no answer."""


def write(folder: Path, files: int, seed: int) -> list[str]:
    """Write *files* damaged pictures and a sound one; return the names of the damaged."""
    from image_sources import picture

    picture(300, 200, seed=9).save(folder / _SOUND)
    forms, names = seeds.IMAGE_FORMATS, []
    for number in range(files):
        form = forms[number % len(forms)]
        damaged = Mutator(seeds.images(form), seed + number, 1 << 20).one()
        name = f"{number}{ENDINGS.get(form, f'.{form}')}"
        (folder / name).write_bytes(damaged)
        names.append(name)
    return names


@contextlib.contextmanager
def server(folder: Path) -> Iterator[str]:
    """Serve *folder* as an archive would; yield the address."""
    environment = {name: value for name, value in os.environ.items() if "IIIF" not in name}
    command = [sys.executable, "-m", "iiifserver.cli", "serve", str(folder), "--port", "0"]
    with tempfile.TemporaryDirectory() as home:
        command += ["--workers", "1", "--data", str(Path(home, "data"))]
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment | _SETTINGS | {"HOME": home, "XDG_CACHE_HOME": home},
            start_new_session=True,
        ) as process:
            assert process.stdout is not None
            try:
                line = next(each for each in process.stdout if each.startswith("iiifserver: http"))
                yield line.split()[-1]
            finally:
                process.terminate()
                process.wait(60)


def answer(address: str) -> tuple[int, str, bytes]:
    """Return status, media type and body of what is at *address*."""
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as found:
            return found.status, found.headers["Content-Type"], found.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def judge(address: str) -> int:
    """Return the status at *address*, when the answer is one that may be given.

    Raises:
        Fault: it is not.
    """
    from PIL import Image

    try:
        status, media_type, body = answer(address)
    except OSError as error:
        raise Fault(f"{address}: no answer: {error}") from error
    if status != 200:
        if media_type != "application/problem+json" or json.loads(body)["status"] != status:
            raise Fault(f"{address}: {status} without a problem document: {body[:200]!r}")
        if "unexpected error" in json.loads(body)["detail"]:
            raise Fault(f"{address}: an error that nobody foresaw: {body[:300]!r}")
    elif media_type.startswith("image/"):
        try:
            with Image.open(io.BytesIO(body)) as shown:
                shown.load()
        except (OSError, SyntaxError, ValueError) as error:
            raise Fault(f"{address}: a picture that is none: {error}") from error
    return status


def run(folder: Path, files: int, seed: int) -> Counter[int]:
    """Return how often each status was answered over *files* damaged files."""
    counts: Counter[int] = Counter()
    names = write(folder, files, seed)
    with server(folder) as address:
        sound = [f"{address}iiif/3/{_SOUND}/{path}" for path in _SOUND_PATHS]
        first = [answer(one) for one in sound]
        for name in names:
            counts[judge(f"{address}iiif/3/{name}/info.json")] += 1
            for path in ASKED:
                counts[judge(f"{address}iiif/3/{name}/{path}")] += 1
        if [answer(one) for one in sound] != first:
            raise Fault("the sound picture is not what it was")
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        counts = run(Path(place), options.files, options.seed)
    told = ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))
    print(f"{options.files} damaged files, {counts.total()} answers by status: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
