"""What a client prefers: a version of the Presentation API, a content coding, a kind of JSON."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from werkzeug.http import parse_accept_header

from iiifserver.edition import IDENTITY
from iiifserver.image.info import CONTEXT
from iiifserver.image.request import Version
from iiifserver.presentation.parts import CONTEXTS

JSON = "application/json"
JSON_LD = "application/ld+json"

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


def json_wanted(accept: str, version: Version) -> str:
    """Return the media type of info.json that *accept* asks for.

    3.0 prefers JSON-LD and 2.1 plain JSON: https://iiif.io/api/image/3.0/#51-image-information-request
    """
    offered = (JSON_LD, JSON) if version == 3 else (JSON, JSON_LD)
    chosen = offered[0]
    if accept and accept != "*/*":
        wishes = sorted(parse_accept_header(accept), key=lambda wish: wish[1])
        # parameters do not count, and of one type the strongest wish does
        asked = {value.partition(";")[0].strip(): quality for value, quality in wishes}
        chosen = max(offered, key=lambda media_type: _wish(media_type, asked))
    return f'{JSON_LD};profile="{CONTEXT[version]}"' if chosen == JSON_LD else JSON


def _wish(media_type: str, asked: Mapping[str, float]) -> float:
    names = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((asked[name] for name in names if name in asked), 0 if asked else 1)


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
