"""Parts of a Manifest as documents of their own: Canvases, Ranges and AnnotationPages.

Their ids dereference, so they have to be there; they need not be written, because the Manifest that
holds them is: they are cut out of it when somebody asks. Of Presentation 3.0 only; the converter
makes version 2 of a part as of any document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from iiifserver.urls import PresentationPath, Urls

CONTEXTS = {
    version: f"http://iiif.io/api/presentation/{version}/context.json" for version in (2, 3)
}
MEDIA_TYPES = {
    version: f'application/ld+json;profile="{context}"' for version, context in CONTEXTS.items()
}

Json = dict[str, Any]


def cut(manifest: Mapping[str, Any], place: PresentationPath) -> Json | None:
    """Return the part of *manifest* that *place* names, as a document; None if it has none."""
    wanted = _id(base_url_of(manifest, place.identifier), place)
    part = next((part for part in _parts(manifest) if part["id"] == wanted), None)
    if part is None:
        return None
    holder = {name: manifest[name] for name in ("id", "type", "label")}
    return {"@context": CONTEXTS[3], **part, "partOf": [holder]}


def base_url_of(manifest: Mapping[str, Any], identifier: str) -> str:
    """Return the base_url for which the Manifest of *identifier* was written."""
    return str(manifest["id"]).removesuffix(Urls("").manifest(identifier))


def _id(base_url: str, place: PresentationPath) -> str:
    urls = Urls(base_url)
    if place.kind == "canvas":
        return urls.canvas(place.identifier, place.name)
    named = urls.range if place.kind == "range" else urls.annotation_page
    return named(place.identifier, place.name)


def _parts(resource: Mapping[str, Any]) -> Iterator[Json]:
    """Yield all that is embedded in *resource*; what is only referred to has no items."""
    for name in ("items", "annotations", "structures"):
        for part in resource.get(name, ()):
            if "items" in part:
                yield part
                yield from _parts(part)
