"""The pixels of a JPEG 2000, which libvips's wheel does not read: decoded by OpenJPEG.

What such a file is, `headers/jp2.py` tells without decoding. numpy and OpenJPEG are loaded when
pixels are asked for, so that processes which answer HTTP do without them.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.util
import os
import re
import sys
import types
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iiifserver.errors import BrokenSource

from .headers.jp2 import AREA_BYTES, SAMPLE_BYTES, Jp2, read_jp2_info
from .headers.window import Window

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels = NDArray[np.unsignedinteger[Any]]
    Band = NDArray[np.int32]

_READ_BYTES = 1 << 16  # at once: of OpenJPEG's own megabyte most is passed over between tiles
_SYSTEMS = ("libopenjp2.so.7", "libopenjp2.7.dylib")  # of all versions since 2.1
_SAME_PIXELS = (2, 5)  # the least version whose pixels are known to be those of Pillow's
_QUICK_PILLOW = (13,)


def jp2_profile(path: Path) -> bytes | None:
    """Return the ICC profile of a JPEG 2000 file, if it carries one."""
    with path.open("rb") as file:
        window = _file_window(path, file)
        place = read_jp2_info(window).profile
        return window.take(*place, "the JP2's profile") if place else None


def read_jp2(path: Path, level: int, box: tuple[int, int, int, int], threads: int = 1) -> Pixels:
    """Return the pixels of *box* at resolution *level* of a JPEG 2000 file: rows, columns, bands.

    The box (left, top, right, bottom) is in that level's pixels. Only its code-blocks are
    decoded, by so many *threads*, in parts for which OpenJPEG holds at most `AREA_BYTES`. Samples
    fill their 8 or 16 bits, YCC is made RGB, and the bands are those of the colour, then opacity.

    Raises:
        BrokenSource: OpenJPEG cannot decode it.
    """
    import numpy as np

    with path.open("rb") as file:
        jp2 = read_jp2_info(_file_window(path, file))
    left, top, right, bottom = box
    kind: type[np.unsignedinteger[Any]] = np.uint8 if _top(jp2) == 255 else np.uint16
    pixels = np.empty((bottom - top, right - left, jp2.bands), kind)
    across, down = _step(jp2, level, right - left)
    for start, end in _parts(top, bottom, down):
        for first, last in _parts(left, right, across):
            into = pixels[start - top : end - top, first - left : last - left]
            _decode(path, jp2, level, (first, start, last, end), into, threads)
    return pixels


def load() -> None:
    """Load what decoding needs, as far as it is there."""
    import numpy as np

    _ = np.ctypeslib  # a module that NumPy loads when it is named
    with contextlib.suppress(BrokenSource):
        _openjpeg()


def openjpeg_version() -> str:
    """Return the version of the OpenJPEG that reads JPEG 2000, and whose it is.

    Raises:
        BrokenSource: there is none.
    """
    library, whose = _library()
    return f"{_told(library)}, {whose}"


def _step(jp2: Jp2, level: int, columns: int) -> tuple[int, int]:
    """Return the columns and rows to decode at once: whole tiles or code-blocks, so few are cut.

    OpenJPEG takes a fifth longer for a tile that is decoded in two parts.
    """
    most = AREA_BYTES // (jp2.components * SAMPLE_BYTES)
    wide, high = (max(1, side >> level) for side in jp2.tile)
    rows = max(1, most // columns)
    if high <= rows:
        return columns, rows - rows % high
    if wide * high <= most:
        return most // high // wide * wide, high
    return columns, rows - rows % min(128, rows)


def _parts(start: int, end: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield the parts from *start* to *end*, between multiples of *step*."""
    while start < end:
        next_one = min(end, (start // step + 1) * step)
        yield start, next_one
        start = next_one


def _file_window(path: Path, file: Any) -> Window:
    def read(offset: int, length: int) -> bytes:
        file.seek(offset)
        held: bytes = file.read(length)
        return held

    return Window(read, path.stat().st_size)


def _decode(
    path: Path,
    jp2: Jp2,
    level: int,
    box: tuple[int, int, int, int],
    into: Pixels,
    threads: int,
) -> None:
    """Write the pixels of *box* to *into*, which has its shape."""
    opj = _openjpeg()
    messages: list[str] = []
    note = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p)(
        lambda message, _: messages.append(message.decode("utf-8", "replace").strip())
    )
    try:
        with ExitStack() as stack:
            stream = opj.OPENJP2.opj_stream_create_file_stream(os.fsencode(path), _READ_BYTES, 1)
            stack.callback(opj.stream_destroy, stream)
            codec = opj.create_decompress(opj.CODEC_JP2 if jp2.boxed else opj.CODEC_J2K)
            stack.callback(opj.destroy_codec, codec)
            opj.set_error_handler(codec, note)
            opj.set_warning_handler(codec, None)
            opj.set_info_handler(codec, None)
            parameters = opj.set_default_decoder_parameters()
            parameters.cp_reduce = level
            opj.setup_decoder(codec, parameters)
            opj.codec_set_threads(codec, threads if threads > 1 else 0)
            image = opj.read_header(stream, codec)
            stack.callback(opj.image_destroy, image)
            opj.set_decode_area(codec, image, *_on_grid(jp2, level, box))
            opj.decode(codec, stream, image)
            bands = list(_shown_bands(image.contents, jp2, level, box))
            if [band.shape for band in bands] != [into.shape[:2]] * jp2.bands:
                raise BrokenSource("the JPEG 2000 does not hold what its header says")
            if jp2.colour == "ycc":
                bands[:3] = _rgb(bands[0], bands[1], bands[2], _top(jp2))
            for number, band in enumerate(bands):
                into[..., number] = band
    except (OSError, ValueError) as error:
        why = "; ".join(messages[:3]) or str(error) or "no reason given"
        raise BrokenSource(f"the JPEG 2000 cannot be decoded: {why}") from error


def _on_grid(jp2: Jp2, level: int, box: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Return the area of the reference grid that has every sample of *box* at *level*."""
    left, top, right, bottom = jp2.area
    across, down = jp2.spacing
    first_x, first_y = -(-left >> level), -(-top >> level)
    start_x, start_y = first_x + box[0], first_y + box[1]
    return (
        max(left, start_x - start_x % across << level),
        max(top, start_y - start_y % down << level),
        min(right, first_x + box[2] << level),
        min(bottom, first_y + box[3] << level),
    )


def _top(jp2: Jp2) -> int:
    return 255 if jp2.bits <= 8 else 65535


def _shown_bands(
    image: Any, jp2: Jp2, level: int, box: tuple[int, int, int, int]
) -> Iterator[Band]:
    """Yield the components of the colour, then that of opacity, one sample for each pixel."""
    import numpy as np

    components = [image.comps[number] for number in range(image.numcomps)]
    opaque = [c for c in components if c.alpha not in (1, 2)] if jp2.boxed else components
    colours = jp2.bands - jp2.alpha
    clear = [c for c in components if c.alpha in (1, 2)] if jp2.boxed else components[colours:]
    rows = -(-jp2.area[1] >> level) + np.arange(box[1], box[3])
    columns = -(-jp2.area[0] >> level) + np.arange(box[0], box[2])
    for component in opaque[:colours] + clear[: int(jp2.alpha)]:
        band = np.ctypeslib.as_array(component.data, (component.h, component.w))
        top, left = -(-component.y0 >> component.factor), -(-component.x0 >> component.factor)
        band = band[_nearest(rows, component.dy, top, component.h)]
        band = band[:, _nearest(columns, component.dx, left, component.w)]
        highest = (1 << component.prec) - 1
        if component.sgnd:
            band = band + (highest + 1 >> 1)
        if highest != _top(jp2):
            band = (band.clip(0, highest).astype(np.int64) * _top(jp2) + highest // 2) // highest
        yield band


def _nearest(
    pixels: NDArray[np.intp], spacing: int, first: int, count: int
) -> slice | NDArray[np.intp]:
    """Return which of *count* samples, from *first* on, *pixels* take: those before or at them."""
    if spacing == 1:
        return slice(int(pixels[0]) - first, int(pixels[-1]) - first + 1)  # a view, not a copy
    return (pixels // spacing - first).clip(0, count - 1)


def _rgb(luma: Band, blue: Band, red: Band, top: int) -> list[Band]:
    """Return red, green and blue of YCC samples; ITU-R BT.601, as sYCC has it."""
    import numpy as np

    middle = top + 1 >> 1
    blue_offset, red_offset = blue - np.float32(middle), red - np.float32(middle)
    made = (
        luma + np.float32(1.402) * red_offset,
        luma - np.float32(0.344136) * blue_offset - np.float32(0.714136) * red_offset,
        luma + np.float32(1.772) * blue_offset,
    )
    return [np.rint(band).clip(0, top).astype(np.int32) for band in made]


@functools.cache
def _openjpeg() -> Any:
    """Return glymur's binding to OpenJPEG, bound to the library that `_library` chooses.

    On import, glymur would look for a `glymurrc` in the working directory and in the user's
    home and load the library that it names; with its module `config` replaced it asks us. Of all
    the rest of it nothing is needed, and loading that takes as long as half of a tile.
    """
    library, _ = _library()
    config = types.ModuleType("glymur.config")
    vars(config)["glymur_config"] = lambda name: library if name == "openjp2" else None
    package = types.ModuleType("glymur")
    spec = importlib.util.find_spec("glymur")
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    sys.modules |= {"glymur": package, "glymur.config": config}
    try:
        from glymur.lib import openjp2
    finally:
        del sys.modules["glymur"]  # whoever wants all of it gets it
    opened = openjp2.OPENJP2.opj_stream_create_file_stream  # the one that glymur does not bind
    opened.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
    opened.restype = openjp2.STREAM_TYPE_P
    return openjp2


@functools.cache
def _library() -> tuple[ctypes.CDLL, str]:
    """Return the OpenJPEG to use, and whose it is: of Pillow's wheel, or of the system.

    Pillow's is of one known version on every machine. Before Pillow 13 it was built without
    the compiler's optimization, and takes half as long again as the system's, if there is one.

    Raises:
        BrokenSource: there is none.
    """
    import PIL

    bundled, systems = _bundled(Path(PIL.__file__).parent), None
    if not bundled or _version(PIL.__version__) < _QUICK_PILLOW:
        systems = _systems()
    if systems and (not bundled or _version(_told(systems)) >= _SAME_PIXELS):
        return systems, "of the system"
    if not bundled:
        raise BrokenSource("a JPEG 2000 cannot be read: no OpenJPEG library is installed")
    whose = f"of Pillow {PIL.__version__}"
    if _version(PIL.__version__) < _QUICK_PILLOW:
        whose += "; the system's, from 2.5 on, would be half as fast again"
    return ctypes.CDLL(bundled), whose


def _bundled(pillow: Path) -> str | None:
    """Return the OpenJPEG that Pillow's wheel brings."""
    places = (
        *pillow.parent.glob("pillow.libs/libopenjp2*.so*"),
        *pillow.glob(".dylibs/libopenjp2*.dylib"),
    )
    return str(places[0]) if places else None


def _systems() -> ctypes.CDLL | None:
    for name in _SYSTEMS:
        with contextlib.suppress(OSError):
            return ctypes.CDLL(name)
    return None


def _told(library: ctypes.CDLL) -> str:
    library.opj_version.restype = ctypes.c_char_p
    version: bytes = library.opj_version()
    return version.decode("ascii", "replace")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall("[0-9]+", text)[:2])
