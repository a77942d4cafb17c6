"""The fonts of the drawn pages, found by file name in the usual font folders."""

from functools import cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

FONTS = {
    "typewriter": ("GNUTypewriter.ttf", "fonts-gnutypewriter"),
    "brush": ("AoyagiKouzanT.ttf", "fonts-aoyagi-kouzan-t"),
    "seal": ("aoyagi-soseki.ttf", "fonts-aoyagi-soseki"),
    "serif": ("PTF55F.ttf", "fonts-paratype"),
    "serif-italic": ("PTF56F.ttf", "fonts-paratype"),
    "serif-bold": ("PTF75F.ttf", "fonts-paratype"),
    "sans": ("PTS55F.ttf", "fonts-paratype"),
    "sans-bold": ("PTS75F.ttf", "fonts-paratype"),
    "caption": ("NotoSans-Regular.ttf", "fonts-noto-core"),
    "caption-bold": ("NotoSans-Bold.ttf", "fonts-noto-core"),
    "mongolian": ("NotoSansMongolian-Regular.ttf", "fonts-noto-core"),
    "gothic": ("NotoSansCJK-Regular.ttc", "fonts-noto-cjk"),
    "gothic-bold": ("NotoSansCJK-Bold.ttc", "fonts-noto-cjk"),
    "mincho": ("NotoSerifCJK-Regular.ttc", "fonts-noto-cjk"),
    "mincho-bold": ("NotoSerifCJK-Bold.ttc", "fonts-noto-cjk"),
}

# Debian's folders first, then those of a Debian user, of macOS and of Homebrew
FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path.home() / "Library/Fonts",
    Path("/Library/Fonts"),
    Path("/opt/homebrew/share/fonts"),
)

_STAND_INS = {"caption": "gothic", "caption-bold": "gothic-bold"}

# a character that no font has: it shows what a font draws for a missing glyph
_NOWHERE = "\U0010ffff"


class FontMissing(LookupError):
    """A font is not installed; the message names its Debian package."""


@cache
def font_path(name: str) -> Path:
    """Return the file of the font called *name* in `FONTS`.

    Raises:
        FontMissing: no font folder holds it.
    """
    file_name, package = FONTS[name]
    for folder in FOLDERS:
        for path in sorted(folder.rglob(file_name)):
            return path
    raise FontMissing(f"font {file_name} not found: install the Debian package {package}")


@cache
def face(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return the font at *size* pixels.

    Laid out by Pillow's own engine, so that the pixels are the same with or without Raqm.
    """
    return ImageFont.truetype(font_path(name), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def has_glyph(name: str, character: str) -> bool:
    """Return whether the font draws *character*, and not a box or nothing in its place."""
    font = face(name, 40)
    mask = font.getmask(character)
    missing = font.getmask(_NOWHERE)
    return mask.getbbox() is not None and (mask.size, bytes(mask)) != (missing.size, bytes(missing))


def face_for(name: str, size: int, character: str) -> ImageFont.FreeTypeFont:
    """Return the font, or its stand-in, a little smaller, where it lacks *character*.

    Raises:
        FontMissing: neither has it.
    """
    if character.isspace() or has_glyph(name, character):
        return face(name, size)
    stand_in = _STAND_INS.get(name, "mincho")
    if has_glyph(stand_in, character):
        return face(stand_in, max(1, round(size * 0.88)))
    raise FontMissing(f"no glyph for {character!r} in {name} nor in {stand_in}")


def line_length(text: str, name: str, size: int) -> float:
    """Return how many pixels wide `set_line` sets *text*."""
    return sum(_advance(name, size, character) for character in text)


@cache
def _advance(name: str, size: int, character: str) -> float:
    return face_for(name, size, character).getlength(character)


def set_line(
    draw: ImageDraw.ImageDraw,
    left: float,
    base: float,
    text: str,
    name: str,
    size: int,
    fill: int | tuple[int, int, int] = 255,
) -> None:
    """Set one line of *text* from *left*, upon the baseline *base*."""
    for character in text:
        own = face_for(name, size, character)
        draw.text((left, base), character, font=own, fill=fill, anchor="ls")
        left += _advance(name, size, character)
