"""Pyramids as other programs write them that are not here to be asked: ImageMagick, Bio-Formats.

from foreign_pyramids import as_bio_formats, as_imagemagick
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

from PIL import Image

Tags = dict[int, tuple[str, list[int]]]

_TYPES = {"H": 3, "I": 4}
_DEFLATE, _JPEG = 8, 7
_GRAY, _RGB = 1, 2
_REDUCED, _PAGE = 1, 2


def as_imagemagick(path: Path, source: Image.Image, tile: int, levels: int) -> Path:
    """Write *source* to *path* as `convert -compress zip ptif:`: every level a page, floored."""
    tiff = _Tiff()
    for number in range(levels):
        tags = tiff.tiles(_halved(source, number), tile, _DEFLATE)
        tiff.directory(tags | {254: ("I", [_PAGE]), 297: ("H", [0, levels])}, chained=True)
    path.write_bytes(tiff.data)
    return path


def as_bio_formats(
    path: Path, source: Image.Image, tile: int, levels: int, *, planes: bool = False
) -> Path:
    """Write *source* to *path* as `bfconvert -compression JPEG -pyramid-resolutions`.

    Levels are SubIFDs. Tiles are whole JPEGs of luma and halved chroma, which the tags call red,
    green and blue. With *planes* each colour has tiles of its own, by Deflate.
    """
    tiff = _Tiff()
    code = _DEFLATE if planes else _JPEG
    reduced = [
        tiff.directory(
            tiff.tiles(_halved(source, number), tile, code, planes=planes)
            | {254: ("I", [_REDUCED])}
        )
        for number in range(1, levels)
    ]
    tags = tiff.tiles(source, tile, code, planes=planes)
    tiff.directory(tags | {330: ("I", reduced)}, chained=True)
    path.write_bytes(tiff.data)
    return path


def _halved(source: Image.Image, times: int) -> Image.Image:
    size = (source.width >> times, source.height >> times)
    return source.resize(size, Image.Resampling.BOX) if times else source


class _Tiff:
    """A big-endian TIFF, while it is written."""

    def __init__(self) -> None:
        self.data = bytearray(b"MM\0*" + bytes(4))
        self._link = 4

    def tiles(self, source: Image.Image, tile: int, code: int, *, planes: bool = False) -> Tags:
        """Append the tiles of *source*, and return the tags that tell of them."""
        parts = source.split() if planes else [source]
        offsets, lengths = [], []
        for part in parts:
            for top in range(0, part.height, tile):
                for left in range(0, part.width, tile):
                    body = _coded(part.crop((left, top, left + tile, top + tile)), code)
                    offsets.append(len(self.data))
                    lengths.append(len(body))
                    self.data += body
        bands = len(source.getbands())
        return {
            256: ("I", [source.width]),
            257: ("I", [source.height]),
            258: ("H", [8] * bands),
            259: ("H", [code]),
            262: ("H", [_RGB if bands == 3 else _GRAY]),
            277: ("H", [bands]),
            284: ("H", [1 + planes]),
            322: ("H", [tile]),
            323: ("H", [tile]),
            324: ("I", offsets),
            325: ("I", lengths),
        }

    def directory(self, tags: Tags, *, chained: bool = False) -> int:
        """Append a directory and return its offset."""
        body = b""
        for tag, (kind, values) in sorted(tags.items()):
            packed = struct.pack(f">{len(values)}{kind}", *values)
            if len(packed) > 4:
                place = struct.pack(">I", len(self.data))
                self.data += packed
                packed = place
            body += struct.pack(">HHI", tag, _TYPES[kind], len(values)) + packed.ljust(4, b"\0")
        offset = len(self.data)
        self.data += struct.pack(">H", len(tags)) + body + bytes(4)
        if chained:
            self.data[self._link : self._link + 4] = struct.pack(">I", offset)
            self._link = len(self.data) - 4
        return offset


def _coded(tile: Image.Image, code: int) -> bytes:
    if code == _DEFLATE:
        return zlib.compress(tile.tobytes())
    held = io.BytesIO()
    tile.save(held, "JPEG", quality=90)  # with a JFIF marker and, in colour, halved chroma
    return held.getvalue()
