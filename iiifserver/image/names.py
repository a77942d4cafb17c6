"""How viewers call the stored tiles of an image: nothing has to be worked out to find one.

The region and the size of a tile are three numbers of its column (left, width, scaled width) and
three of its row. There are few columns and rows, so both are looked up as they are written.

Image API 3.0, 4.7: https://iiif.io/api/image/3.0/#47-canonical-uri-syntax
"""

from __future__ import annotations

from collections.abc import Iterator

from iiifserver.sources import Place

from .plan import Limits
from .stored import Stored

_LEVEL = 40  # bits below the number of a level
_PLACE = (1 << _LEVEL) - 1
_SEVERAL = -1


class Names:
    """The tiles that stand ready of one image, by the numbers that are in their addresses.

    Not those that are all of the image, or larger than *limits*: they have another canonical name.
    """

    def __init__(self, stored: Stored, limits: Limits) -> None:
        self._stored = stored
        # of a column its place in a row, of a row that of its first tile; above it, its level
        self._columns: dict[str, int] = {}
        self._rows: dict[str, int] = {}
        width, height = stored.image
        for number, level in enumerate(stored.levels):
            across, down = min(level.across, width), min(level.down, height)
            if (across, down) == (width, height) or not limits.allow(across, down):
                continue
            _add(self._columns, _names(width, across, number), number, 1, 0)
            _add(self._rows, _names(height, down, number), number, level.columns, level.first)

    def find(
        self, left: str, top: str, wide: str, high: str, width: str, height: str
    ) -> Place | None:
        """Return the JPEG of a region in a size, in decimal numbers without leading zeros.

        None where that is no tile, or does not stand ready, or may be of more than one level.
        """
        column = self._columns.get(f"{left},{wide},{width}", _SEVERAL)
        row = self._rows.get(f"{top},{high},{height}", _SEVERAL)
        if column < 0 or row < 0 or column >> _LEVEL != row >> _LEVEL:
            return None
        return self._stored.tile((column & _PLACE) + (row & _PLACE), "jpg")

    @property
    def memory_bytes(self) -> int:
        """About what it takes in memory."""
        return 500 + 200 * (len(self._columns) + len(self._rows))


def _names(whole: int, step: int, level: int) -> Iterator[str]:
    """Yield start, length and scaled length of each column, or row, as they are written."""
    alike = f",{step},{-(-step >> level)}"
    for start in range(0, whole - step + 1, step):
        yield f"{start}{alike}"
    if rest := whole % step:
        yield f"{whole - rest},{rest},{-(-rest >> level)}"


def _add(lines: dict[str, int], names: Iterator[str], level: int, step: int, first: int) -> None:
    place = (level << _LEVEL) + first
    for name in names:
        lines[name] = _SEVERAL if name in lines else place
        place += step
