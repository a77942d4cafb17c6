"""What samples mean: profiles, CMYK, depth, opacity; and the qualities that are made of it."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pyvips

from iiifserver.image.request import Quality

# ITU-R BT.601 luma, the one meaning of gray on every path: in 16 bits, as libjpeg and Pillow do
_LUMA = [19_595 / 65_536, 38_470 / 65_536, 7_471 / 65_536]
# YCbCr as JPEG and TIFF write it, Cb and Cr less 128
_YCBCR_TO_RGB = [[1, 0, 1.402], [1, -0.344136, -0.714136], [1, 1.772, 0]]
_LARGEST_PROFILE_BYTES = 4 << 20  # printers' profiles have 3 MB; larger ones are no profiles


def may_keep(image: Any, quality: Quality) -> bool:
    """Return whether the picture can be encoded with the scan's own profile."""
    return (
        quality in ("default", "color")
        and image.format == "uchar"
        and image.interpretation in ("srgb", "b-w")
        and _profile(image) is not None
    )


def has_srgb(image: Any) -> bool:
    """Return whether the samples are those that `to_srgb` would return: no profile changes them."""
    return _profile(image) is None


def to_srgb(image: Any) -> Any:
    """Return *image* as 8-bit sRGB or gray, with its alpha if it has one."""
    colours = image.bands - image.hasalpha()
    if image.interpretation == "cmyk" or _profile(image) is not None:
        # for CMYK without a profile of its own, or with a broken one: libvips' own
        image = image.icc_transform(
            "srgb",
            embedded=True,
            input_profile="cmyk" if image.interpretation == "cmyk" else "srgb",
            intent="relative",
            black_point_compensation=True,
            depth=8,
        )
    elif image.format == "ushort":
        image = image.linear(1 / 257, 0.5, uchar=True)
    elif image.interpretation not in ("srgb", "b-w", "multiband"):
        image = image.colourspace("srgb")
    if colours == 1 and image.bands > 2:
        image = image[0] if image.bands == 3 else image[0].bandjoin(image[3])
    if image.bands > 4:
        image = image.extract_band(0, n=3)
    return image.copy(interpretation="b-w" if image.bands < 3 else "srgb")


def from_ycbcr(image: Any) -> Any:
    """Return *image*, whose bands are luma and chroma, as red, green and blue."""
    return image.linear(1, [0, -128, -128]).recomb(_YCBCR_TO_RGB).rint().cast("uchar")


def _profile(image: Any) -> bytes | None:
    """Return the embedded ICC profile if it changes anything: not sRGB's, nor a broken one."""
    profile = embedded(image)
    gray = image.bands - image.hasalpha() == 1
    if (
        profile is None
        or len(profile) > _LARGEST_PROFILE_BYTES
        or not _converts(profile, gray=gray)
    ):
        return None
    return profile


def embedded(image: Any) -> bytes | None:
    """Return the ICC profile that *image* has with it, whatever it is."""
    profile: bytes | None = None
    if "icc-profile-data" in image.get_fields():
        profile = image.get("icc-profile-data")
    return profile


def with_profile(image: Any, profile: bytes) -> Any:
    """Return *image* with *profile* embedded, its samples untouched."""
    image = image.copy()
    image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
    return image


@functools.lru_cache(maxsize=8)
def _converts(profile: bytes, *, gray: bool) -> bool:
    """Return whether *profile* shows gray or RGB samples otherwise than sRGB does.

    A profile is judged by what it does, not by its name. libvips takes sRGB for broken profiles.
    """
    levels = np.arange(0, 256, 1 if gray else 51, dtype=np.uint8)
    probe = levels[None] if gray else np.stack(np.meshgrid(levels, levels, levels), -1)
    probe = probe.reshape(1, -1, 1 if gray else 3)
    image = pyvips.Image.new_from_array(probe).copy(interpretation="b-w" if gray else "srgb")
    shown = (
        with_profile(image, profile)
        .icc_transform("srgb", embedded=True, input_profile="srgb", depth=8)
        .numpy()
    )
    return bool(np.abs(shown.astype(int) - probe).max() > 1)


def in_quality(image: Any, quality: Quality) -> Any:
    """Return *image*, 8-bit gray or sRGB, in the quality asked for.

    Image API 3.0, 4.4: https://iiif.io/api/image/3.0/#44-quality
    """
    if quality in ("gray", "bitonal") and image.bands > 2:
        alpha = image[3] if image.bands == 4 else None
        image = image.extract_band(0, n=3).recomb([_LUMA]).linear(1, 0.5, uchar=True)
        image = image if alpha is None else image.bandjoin(alpha)
        image = image.copy(interpretation="b-w")
    return image >= 128 if quality == "bitonal" else image


def flattened(image: Any, background: tuple[int, int, int]) -> Any:
    """Return *image*, 8-bit gray or sRGB, on a background where it has alpha."""
    if not image.hasalpha():
        return image
    if image.bands == 2 and len(set(background)) > 1:
        image = image[0].bandjoin([image[0], image[0], image[1]]).copy(interpretation="srgb")
    return image.flatten(background=list(background)[: image.bands - 1])
