"""JPEG streams of TIFFs are made whole by a prefix, or are not sent."""

from __future__ import annotations

import io
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from image_sources import picture
from PIL import Image

from iiifserver.image.jpeg import Coding, common_tables, prefix_for

SIZE = (64, 48)
JFIF, ADOBE = b"\xff\xe0", b"\xff\xee"


def stream(mode: str = "RGB", **how: object) -> bytes:
    """Return what Pillow writes; `keep_rgb` stores red, green and blue."""
    held = io.BytesIO()
    picture(*SIZE).convert(mode).save(held, "JPEG", quality=80, **how)
    return held.getvalue()


def segments(data: bytes) -> list[tuple[int, bytes]]:
    """Return the codes and bytes of the segments up to the scan, and then the rest as one."""
    found, place = [], 2
    while data[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        found.append((data[place + 1], data[place:end]))
        place = end
    return [*found, (0xDA, data[place:])]


def without(data: bytes, *markers: int) -> bytes:
    return b"\xff\xd8" + b"".join(body for marker, body in segments(data) if marker not in markers)


def only(data: bytes, *markers: int) -> bytes:
    kept = [body for marker, body in segments(data) if marker in markers]
    return b"".join([b"\xff\xd8", *kept, b"\xff\xd9"])


def coding(data: bytes, samples: int = 3, ycbcr: bool = True, tables: bytes = b"") -> Coding:
    return Coding(*SIZE, samples, ycbcr, common_tables(tables))


def whole(data: bytes, how: Coding) -> bytes:
    found = prefix_for(data[:4096], how)
    assert found is not None
    return found.prefix + data[found.skip :]


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


STORED = {
    "luma and chroma": (stream(), 3, True),
    "red, green and blue": (stream(keep_rgb=True), 3, False),
    "gray": (stream("L"), 1, False),
    "progressive": (stream(progressive=True), 3, True),
    "restarts": (stream(restart_marker_blocks=2), 3, True),
}
TABLES = (0xDB, 0xC4)
APPS = tuple(range(0xE0, 0xF0))


DROPPED = {
    "nothing": (),
    "names": APPS,
    "tables": TABLES,
    "names and tables": (*APPS, *TABLES),
    "names and quantisation": (0xDB, *APPS),
}


# each scan of a progressive picture has tables of its own, which no TIFF holds apart
LACKING = {
    f"{kind} without {what}": (*stored, dropped)
    for (kind, stored), (what, dropped) in product(STORED.items(), DROPPED.items())
    if not (kind == "progressive" and 0xC4 in dropped)
}


@pytest.mark.parametrize(("data", "samples", "ycbcr", "dropped"), LACKING.values(), ids=LACKING)
def test_a_stream_is_made_whole(
    data: bytes, samples: int, ycbcr: bool, dropped: tuple[int, ...]
) -> None:
    how = coding(data, samples, ycbcr, only(data, *(set(dropped) & set(TABLES))))
    sent = whole(without(data, *dropped), how)
    assert (pixels(sent) == pixels(data)).all()
    assert sent[2:4] == (ADOBE if samples == 3 and not ycbcr else JFIF)
    assert sum(marker in APPS for marker, _ in segments(sent)) == 1


def test_the_tiff_says_what_the_colours_are() -> None:
    data = stream(keep_rgb=True)
    assert segments(data)[0][0] == 0xEE
    mistaken = whole(data, coding(data, ycbcr=True))
    assert (pixels(mistaken) != pixels(data)).any()
    marked = without(data, *APPS)
    marked = marked[:2] + segments(stream())[0][1] + marked[2:]  # says JFIF, and is RGB
    assert (pixels(whole(marked, coding(data, ycbcr=False))) == pixels(data)).all()


def test_red_green_and_blue_are_marked_where_their_numbers_say_otherwise() -> None:
    data = stream(keep_rgb=True)
    bare = without(data, *APPS)
    for number, letter in enumerate(b"RGB", 1):
        for what in (b"\x11\0", b"\0"):  # of the frame, of the scan
            bare = bare.replace(bytes([letter]) + what, bytes([number]) + what, 1)
    assert (pixels(bare) != pixels(data)).any()  # taken for luma and chroma
    assert (pixels(whole(bare, coding(data, ycbcr=False))) == pixels(data)).all()


PROFILE = b"\xff\xe2\x00\x10ICC_PROFILE\x00\x01\x01"


@pytest.mark.parametrize(
    ("data", "how"),
    [
        (without(stream(), 0xDB), coding(b"")),
        (without(stream(), 0xC4), coding(b"")),
        (without(stream(), *TABLES), coding(b"", tables=only(stream(), 0xDB))),
        (without(stream(), *TABLES), coding(b"", tables=b"\xff\xd8\xff\xdb\xff\xff")),
        (stream("CMYK"), coding(b"")),
        (stream("L"), coding(b"")),
        (stream(), coding(b"", samples=1)),
        (stream(), Coding(64, 64, 3, True)),
        (without(stream(), 0xC0), coding(b"")),
        (stream()[:300], coding(b"")),
        (stream()[2:], coding(b"")),
        (b"", coding(b"")),
        (b"\xff\xd8\xff\xd9", coding(b"")),
        (b"RIFF\0\0\0\0WEBP", coding(b"")),
        (stream().replace(b"\xff\xc0", b"\xff\xc9"), coding(b"")),  # arithmetic
        (without(stream(), 0xE0).replace(b"\xff\xc0", PROFILE + b"\xff\xc0"), coding(b"")),
    ],
)
def test_what_a_browser_would_not_show_alike_is_not_sent(data: bytes, how: Coding) -> None:
    assert prefix_for(data[:4096], how) is None


def test_streams_that_begin_alike_share_the_prefix() -> None:
    data = without(stream(), *TABLES, *APPS)
    how = coding(data, tables=only(stream(), *TABLES))
    found = prefix_for(data, how)
    assert found is not None
    assert found.head_bytes < 60
    assert prefix_for(data[: found.head_bytes], how) == found
    assert prefix_for(data[: found.head_bytes - 1], how) is None


@settings(deadline=None)
@given(st.binary(max_size=300), st.integers(0, 700))
def test_any_bytes_are_read_without_harm(noise: bytes, place: int) -> None:
    data = stream()
    common_tables(noise)
    for damaged in (noise, data[:place] + noise, data[:place] + noise + data[place:]):
        prefix_for(damaged, coding(b"", tables=noise))
