"""Stored tiles have their colours in Chromium, whatever their TIFF leaves out or says wrongly.

A browser takes the samples of a JPEG without a marker for luma and chroma, or guesses by the
numbers of its components; Pillow and libjpeg guess otherwise. So Chromium is asked itself.
"""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from exhibited import fetch
from foreign_pyramids import as_bio_formats
from image_sources import picture
from PIL import Image
from serving import running

pytestmark = pytest.mark.browser

SIZE, TILE = (1_200, 1_000), 256  # smaller ones are not looked at in their tiles
BOX = (TILE, 0, 2 * TILE, TILE)
ALIKE, SAME = 8, 2
"""Means of 255 steps: of the scan and its JPEG (false colours differ by 80), of two decoders."""
JPEG: dict[str, Any] = {"compression": "jpeg"}
STORED: dict[str, dict[str, Any]] = {
    "luma and chroma, tables apart": JPEG | {"Q": 80},
    "red, green and blue, tables apart": JPEG | {"Q": 95},
    "gray": JPEG | {"gray": True},
    "whole JPEGs that are called RGB": {},
    "WebP": {"compression": "webp", "Q": 90},
}
_DECODED = """async ([address, side]) => {
  const bitmap = await createImageBitmap(await (await fetch(address)).blob());
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d');
  canvas.drawImage(bitmap, 0, 0);
  return [...canvas.getImageData(0, 0, bitmap.width, bitmap.height).data];
}"""


def written(path: Path, gray: bool = False, **how: Any) -> None:
    """Write a pyramid as *how* says, nothing: as Bio-Formats does."""
    if not how:
        as_bio_formats(path, picture(*SIZE), TILE, 2)
        return
    pixels = np.asarray(picture(*SIZE).convert("L") if gray else picture(*SIZE))
    image = pyvips.Image.new_from_array(pixels)
    image = image.copy(interpretation="b-w" if gray else "srgb")
    image.tiffsave(str(path), tile=True, tile_width=TILE, tile_height=TILE, pyramid=True, **how)


@pytest.fixture(scope="module")
def pyramids(
    browser: object, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Path]]:
    """The address of a folder of pyramids, called by their numbers in `STORED`, and the folder."""
    folder = tmp_path_factory.mktemp("pyramids")
    for number, how in enumerate(STORED.values()):
        written(folder / f"{number}.tif", **how)
    data = tmp_path_factory.mktemp("data")
    # so that nothing is made: all that is asked stands ready
    ahead = [sys.executable, "-m", "iiifserver.cli", "pyramids", "--folder", folder, "--data", data]
    subprocess.run(ahead, check=True, stdout=subprocess.DEVNULL)
    with running("serve", folder, "--data", data) as address:
        yield address, folder


@pytest.mark.parametrize("name", STORED)
def test_chromium_and_pillow_show_a_stored_tile_in_the_colours_of_the_scan(name, pyramids, visit):
    address, folder = pyramids
    file = f"{list(STORED).index(name)}.tif"
    suffix = "webp" if name == "WebP" else "jpg"
    tile = (
        f"{address}/iiif/3/{file}/{BOX[0]},{BOX[1]},{TILE},{TILE}/{TILE},{TILE}/0/default.{suffix}"
    )
    expected = picture(*SIZE).crop(BOX)
    if STORED[name].get("gray"):
        expected = expected.convert("L")
    page = visit(address, "/")
    seen = np.array(page.evaluate(_DECODED, [tile, TILE])).reshape(TILE, TILE, 4)[..., :3]
    body = fetch(tile)
    assert body[-2_000:] in (folder / file).read_bytes()  # it stands there, and is sent from there
    with Image.open(io.BytesIO(body)) as opened:
        by_pillow = np.asarray(opened.convert("RGB")).astype(int)
    assert np.abs(by_pillow - np.asarray(expected.convert("RGB"))).mean() < ALIKE
    assert np.abs(seen - by_pillow).mean() < SAME
