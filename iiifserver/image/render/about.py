"""Which libraries make pictures here, and whether they can do what is asked of them."""

from __future__ import annotations

from collections.abc import Iterator

import pyvips
import simplejpeg

_LOADERS = ("jpegload", "tiffload", "pngload", "webpload", "heifload", "gifload")
_SAVERS = ("jpegsave", "tiffsave", "pngsave", "webpsave", "heifsave", "gifsave")


def libraries() -> Iterator[tuple[str, str]]:
    """Yield the names and versions of libraries."""
    yield "libvips", ".".join(str(pyvips.version(part)) for part in range(3))
    yield "libjpeg-turbo", f"of simplejpeg {simplejpeg.__version__}"


def missing_operations() -> list[str]:
    """Return what libvips was built without, of what we ask of it."""
    names = (*_LOADERS, *_SAVERS)
    return [name for name in names if not pyvips.type_find("VipsOperation", name)]
