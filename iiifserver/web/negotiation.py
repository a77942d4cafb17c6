"""What a client prefers: a version of the Presentation API, a content coding."""

from __future__ import annotations

from collections.abc import Collection

from werkzeug.http import parse_accept_header

from iiifserver.edition import IDENTITY
from iiifserver.presentation.parts import CONTEXTS

_DEFAULT_VERSION = 3
_PREFERRED = ("br", "gzip", IDENTITY)
_ALIASES = {"gzip": "x-gzip"}


def version_wanted(accept: str) -> int:
    """Return the version of the Presentation API that *accept* asks for by its context: 3 or 2.

    Without one, and where both are equally welcome, it is 3.
    https://iiif.io/api/presentation/3.0/#63-responses
    """
    quality = dict.fromkeys(CONTEXTS, 0.0)
    for media_type, wanted in parse_accept_header(accept):
        named = [version for version, context in CONTEXTS.items() if context in media_type]
        for version in named or [_DEFAULT_VERSION]:
            quality[version] = max(quality[version], wanted)
    return max(sorted(quality, reverse=True), key=lambda version: quality[version])


def coding_wanted(accept_encoding: str, prepared: Collection[str]) -> str:
    """Return the content coding to answer in, one of *prepared*, which has `identity`.

    https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3
    """
    wanted = {coding.lower(): q for coding, q in parse_accept_header(accept_encoding)}
    others = wanted.get("*", 0.0)
    quality = {
        coding: wanted.get(coding, wanted.get(_ALIASES.get(coding, ""), others))
        for coding in _PREFERRED
        if coding in prepared
    }
    if not quality.get(IDENTITY) and not {IDENTITY, "*"} & wanted.keys():
        quality[IDENTITY] = 0.001  # always acceptable, but any coding that is named is better
    best = max(quality, key=lambda coding: quality[coding])
    return best if quality[best] else IDENTITY
