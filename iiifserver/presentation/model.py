"""iiif-prezi3, with what it would rewrite or drop kept as it is.

Its models check what we build, and refuse or change three things that Presentation 3.0 allows:
addresses are rewritten (`https://x` to `https://x/`), language tags with digits (`ja-Latn-alalc97`)
are refused, and Ranges lose `start`, `viewingDirection` and the descriptive properties, entries of
Collections their `navDate`. The classes here hold those exactly. Its helpers (`make_canvas`,
`*_from_iiif`) are slow in loops or fetch over the network: objects are constructed, each list at
once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import iiif_prezi3 as prezi
import orjson

CONTEXT = "http://iiif.io/api/presentation/3/context.json"
IMAGE_2_LEVEL_2 = "http://iiif.io/api/image/2/level2.json"

Json = dict[str, Any]


class Address(prezi.Id):  # type: ignore[misc]  # prezi3 has no types
    """An `id`, kept as it is written."""

    root: str


class Target(prezi.AnnoTarget):  # type: ignore[misc]
    """The Canvas that an annotation is on, its address kept as it is written."""

    root: str


class Words(prezi.LngString):  # type: ignore[misc]
    """A language map with any BCP 47 tag, its order kept."""

    root: dict[str, list[str]]


class Tag(prezi.BCP47):  # type: ignore[misc]
    """A language tag, with digits too."""

    root: str


class Range(prezi.Range):  # type: ignore[misc]
    """A Range with the properties of Presentation 3.0 that prezi3 does not know."""

    start: prezi.CanvasRef | None = None
    viewingDirection: prezi.ViewingDirection | None = None  # noqa: N815
    summary: Words | None = None
    rights: prezi.Rights | None = None


class ManifestRef(prezi.ManifestRef):  # type: ignore[misc]
    """What refers to a Manifest, with the date by which clients may order it."""

    navDate: prezi.NavDate | None = None  # noqa: N815


class CollectionRef(prezi.CollectionRef):  # type: ignore[misc]
    """What refers to a Collection, with the date by which clients may order it."""

    type: str = "Collection"
    navDate: prezi.NavDate | None = None  # noqa: N815


def words(texts: Mapping[str, Sequence[str]]) -> Words | None:
    """Return *texts* as a language map; None, so that it is left out, where there are none."""
    return Words({tag: list(values) for tag, values in texts.items()}) if texts else None


def pair(
    label: Mapping[str, Sequence[str]], value: Mapping[str, Sequence[str]]
) -> prezi.KeyValueString:
    """Return a label and a value, neither of which may be empty."""
    return prezi.KeyValueString(label=words(label), value=words(value))


def document(resource: Any) -> Json:
    """Return a resource of prezi3 as a document, with the context of Presentation 3.0."""
    body: Json = resource.model_dump(
        mode="json", by_alias=True, exclude_none=True, serialize_as_any=True
    )
    return {"@context": CONTEXT, **body}


def document_bytes(document: Mapping[str, Any]) -> bytes:
    """Return *document* in its one canonical form: UTF-8, no blanks, keys as they stand."""
    return orjson.dumps(document)
