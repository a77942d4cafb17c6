"""In which encoding a text file is, found from its bytes.

UTF-8 is what we ask for; UTF-16 says itself what it is. Spreadsheets on Japanese and Mongolian
Windows still write CP932 and Windows-1251. Nearly every byte means something in both, so a file
is taken for one of them only if what comes out looks like text in its script, and never if it
could be either.
"""

from __future__ import annotations

import codecs
import re
from typing import NamedTuple

from iiifserver.errors import InvalidValue

_HOW_TO_SAVE = "save it as 'CSV UTF-8' (Excel) or with the character set UTF-8 (LibreOffice)"
_SAMPLE = 256 * 1024


class Decoded(NamedTuple):
    """A text, and what is to be said of how it was found; nothing of a file in UTF-8."""

    text: str
    remark: str = ""


def decode(raw: bytes) -> Decoded:
    """Return the text that *raw* is.

    Raises:
        InvalidValue: it is in no encoding that we know, or could be in two.
    """
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if raw.startswith(mark):
            return _utf16(raw)
    try:
        return Decoded(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        where = f"byte {raw[error.start]:#04x} at {error.start}"
    found = [each for each in (_cp932(raw), _cp1251(raw)) if each]
    if len(found) != 1:
        raise InvalidValue(f"it is not UTF-8 ({where}); {_HOW_TO_SAVE}")
    return found[0]


def _utf16(raw: bytes) -> Decoded:
    try:
        return Decoded(raw.decode("utf-16"), "is UTF-16 and was read so")
    except UnicodeDecodeError as error:
        reason = f"it begins as UTF-16 but is not: {error.reason} at {error.start}"
        raise InvalidValue(f"{reason}; {_HOW_TO_SAVE}") from error


def _cp932(raw: bytes) -> Decoded | None:
    """Return *raw* read as Japanese Windows writes, None if that gives no Japanese.

    Kana, and the kanji that are common enough for JIS level 1, have lead bytes up to 0x98.
    """
    try:
        text = raw.decode("cp932")
    except UnicodeDecodeError:
        return None
    letters = re.sub(r"[\0-\x7f]+", "", text)[:_SAMPLE]
    common = sum(0x81 <= letter.encode("cp932")[0] <= 0x98 for letter in letters)
    if not letters or common < 0.6 * len(letters):
        return None
    return Decoded(text, f"is not UTF-8: read as CP932 (Japanese Windows); better {_HOW_TO_SAVE}")


# letters of Russian, and of Mongolian as far as the encoding goes; quotation marks, dashes
_CYRILLIC = re.compile(rb"[\xc0-\xff\xa8\xb8\xaa\xaf\xba\xbf]")
_WITH_THEM = re.compile(rb"[\x84\x85\x91-\x97\xa0\xab\xb2\xb3\xb9\xbb]")
_BESIDE_LATIN = re.compile(rb"[A-Za-z][\xc0-\xff]|[\xc0-\xff][A-Za-z]")


def _cp1251(raw: bytes) -> Decoded | None:
    """Return *raw* read as Russian and Mongolian Windows write, None if that gives no Cyrillic.

    Small letters must prevail, and they must not stand within Latin words: `caf\xe9` is neither.
    """
    start = next((index for index, byte in enumerate(raw) if byte > 0x7F), 0)
    sample = raw[start : start + _SAMPLE]
    letters = len(_CYRILLIC.findall(sample))
    small = len(re.findall(rb"[\xe0-\xff]", sample))
    other = sum(byte > 0x7F for byte in sample) - letters - len(_WITH_THEM.findall(sample))
    mixed = len(_BESIDE_LATIN.findall(sample))
    if not letters or small < letters / 2 or other > letters / 50 or mixed > letters / 10:
        return None
    try:
        text = raw.decode("cp1251")
    except UnicodeDecodeError:
        return None
    remark = "is not UTF-8: read as Windows-1251"
    if re.search("[єїЄЇ]", text):
        remark += ", which has no ө and ү: є and ї stand in the text, perhaps for them"
    return Decoded(text, f"{remark}; better {_HOW_TO_SAVE}")
