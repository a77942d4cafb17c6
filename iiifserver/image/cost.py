"""What a picture will cost, from the file's header and the plan, before a pixel is touched.

Milliseconds of computing on a core of 2026, within a factor of about two: enough to know who has to
wait for whom. A decoder that goes from row to row reads all that stands above the region; one that
holds the picture whole reads all of it; tiles are read where they lie.
"""

from __future__ import annotations

from iiifserver.config import Config
from iiifserver.errors import SourceTooLarge

from .geometry import Piece, crop_for
from .headers import Format, Header
from .plan import Plan
from .request import OutputFormat

_START_MS = 2.0
# measured with libvips 8.18 and OpenJPEG 2.5 on pictures of 6 and 24 megapixels, per megapixel
_DECODING_MS: dict[Format, float] = {
    "jpeg": 5,
    "tiff": 12,
    "png": 9,
    "webp": 28,
    "avif": 60,
    "gif": 11,
    "jp2": 220,
    "pdf": 30,
    "heic": 60,
}
_PROGRESSIVE_MS = 18.0
_SHRUNK_MS = {2: 3.5, 4: 2.5, 8: 1.9}  # of a JPEG: its bits are read, most of its waves are not
_OF_EIGHTH_MS = 0.1
_EIGHTH, _SECTIONS = 8, 40  # how coarse that is, and how many sections are known then
_TILES_MS = 5.0
_SCALING_MS = 2.0
_ENLARGING_MS = 35.0
_TURNING_MS, _QUARTER_TURN_MS = 80.0, 7.0
_ENCODING_MS: dict[OutputFormat, float] = {
    "jpg": 4,
    "pdf": 4,
    "tif": 40,
    "png": 42,
    "webp": 43,
    "avif": 110,
    "gif": 390,
    "jp2": 500,
}


def cost_ms(header: Header, plan: Plan) -> float:
    """Return the milliseconds that decoding, scaling, turning and encoding will take."""
    return _cost_ms(header, plan, eighth=False)


def eighth_ms(header: Header) -> float:
    """Return the milliseconds of decoding a JPEG at an eighth."""
    return _START_MS + header.width * header.height / 1e6 * _SHRUNK_MS[8]


def of_eighth_ms(header: Header, plan: Plan) -> float:
    """Return what `cost_ms` does, of a JPEG that is kept at an eighth with its sections."""
    return _cost_ms(header, plan, eighth=True)


def _cost_ms(header: Header, plan: Plan, *, eighth: bool) -> float:
    crop = crop_for(header, plan.box, plan.width, plan.height)
    levels: dict[int, list[Piece]] = {}
    for piece in crop.pieces:
        levels.setdefault(piece.level, []).append(piece)
    decoded = sum(
        _decoding_ms(header, level, pieces, eighth=eighth) for level, pieces in levels.items()
    )
    made = plan.width * plan.height / 1e6
    taken = sum(piece.box.width * piece.box.height for piece in crop.pieces) / 1e6
    scaled = max(taken - made, 0) * _SCALING_MS + max(made - taken, 0) * _ENLARGING_MS
    return _START_MS + decoded + scaled + made * (_turning_ms(plan) + _ENCODING_MS[plan.format])


def turned_ms(plan: Plan) -> float:
    """Return the milliseconds that a picture takes which is made of a stored tile."""
    made = plan.width * plan.height / 1e6
    return made * (_TILES_MS + _turning_ms(plan) + _ENCODING_MS["jpg"])


def _turning_ms(plan: Plan) -> float:
    degrees = plan.rotation.degrees
    return 0 if not degrees else _TURNING_MS if degrees % 90 else _QUARTER_TURN_MS


def _decoding_ms(header: Header, number: int, pieces: list[Piece], *, eighth: bool) -> float:
    level, full = header.levels[number], header.levels[0]
    left, top = min(p.box.x for p in pieces), min(p.box.y for p in pieces)
    right = max(p.box.x + p.box.width for p in pieces)
    bottom = max(p.box.y + p.box.height for p in pieces)
    if level.tile_width:
        across = _tiles(left, right, level.tile_width) * level.tile_width
        pixels = across * _tiles(top, bottom, level.tile_height) * level.tile_height
        rate = _DECODING_MS["jp2"] if header.format == "jp2" else _TILES_MS
    elif header.format == "jp2":
        pixels, rate = (right - left) * (bottom - top), _DECODING_MS["jp2"]
    elif eighth and level.scale == _EIGHTH:
        pixels, rate = full.width * full.height, _OF_EIGHTH_MS
    elif header.streams:
        # what shrinks while it loads still goes through every bit of the rows
        above = max(top * level.scale - full.height // _SECTIONS, 0) if eighth else 0
        pixels = (min(bottom * level.scale, full.height) - above) * full.width
        rate = _DECODING_MS[header.format]
        if header.format == "jpeg":
            rate = _SHRUNK_MS.get(level.scale, rate)
    else:
        pixels = full.width * full.height
        rate = _PROGRESSIVE_MS if header.format == "jpeg" else _DECODING_MS[header.format]
    return pixels / 1e6 * rate


def _tiles(start: int, end: int, side: int) -> int:
    return -(-end // side) - start // side


def check_cost(name: str, header: Header, config: Config) -> None:
    """Raise SourceTooLarge if decoding a scan would cost more than *config* allows."""
    pixels, most_pixels = header.width * header.height, config.max_source_pixels
    if pixels > most_pixels:
        why = f"{name} has {pixels:,} pixels; {most_pixels:,} are allowed"
        raise SourceTooLarge(why, parameter="identifier")
    if header.decode_bytes > config.max_decoder_mib << 20:
        why = (
            f"{name} would need {header.decode_bytes >> 20:,} MiB to decode; "
            f"{config.max_decoder_mib:,} are allowed"
        )
        raise SourceTooLarge(why, parameter="identifier")
