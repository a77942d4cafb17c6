"""A scan as a Canvas: its picture, its services, its thumbnail, what is written on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import iiif_prezi3 as prezi

from iiifserver.language import LanguageMap, phrase
from iiifserver.presentation.model import IMAGE_2_LEVEL_2, Address, Target, words
from iiifserver.urls import Urls

THUMBNAIL_PIXELS = 200
"""A thumbnail is the smallest published size whose longer side is at least this."""
PLACEHOLDER = "to-follow"
"""The page identifier of the Canvas of something that has no scan yet."""
_PLACEHOLDER_WIDTH, _PLACEHOLDER_HEIGHT = 1000, 1414


@dataclass(frozen=True, slots=True)
class Picture:
    """A scan, as the Image API publishes it."""

    identifier: str
    width: int
    height: int
    sizes: tuple[tuple[int, int], ...] = ()
    """The sizes, width and height, that its info.json lists."""


def canvas(
    owner: str,
    page: str,
    label: Mapping[str, Sequence[str]],
    picture: Picture,
    urls: Urls,
    annotations: Sequence[prezi.AnnotationPage] = (),
) -> prezi.Canvas:
    """Return the Canvas of the page *page* of the record or folder *owner*.

    https://iiif.io/api/presentation/3.0/#53-canvas
    """
    canvas_id = urls.canvas(owner, page)
    page_id = urls.annotation_page(owner, page)
    services = _services(picture, urls)
    painting = prezi.Annotation(
        id=Address(f"{page_id}#painting"),
        motivation="painting",
        body=_image(picture, "max", picture.width, picture.height, services, urls),
        target=Target(canvas_id),
    )
    return prezi.Canvas(
        id=Address(canvas_id),
        label=words(label),
        width=picture.width,
        height=picture.height,
        thumbnail=[thumbnail(picture, urls, services)],
        items=[prezi.AnnotationPage(id=Address(page_id), items=[painting])],
        annotations=list(annotations) or None,
    )


def transcriptions(
    owner: str, page: str, texts: LanguageMap, languages: Sequence[str], urls: Urls
) -> list[prezi.AnnotationPage]:
    """Return *texts*, which are written on a page, as one AnnotationPage a language.

    Each has a label in *languages* that names the language, by which viewers let readers choose.
    https://iiif.io/api/cookbook/recipe/0231-transcript-meta-recipe/
    """
    return [
        _transcription(owner, page, tag, "\n".join(values), languages, urls)
        for tag, values in texts.items()
    ]


def _transcription(
    owner: str, page: str, tag: str, text: str, languages: Sequence[str], urls: Urls
) -> prezi.AnnotationPage:
    page_id = urls.annotation_page(owner, f"{page}:transcription:{tag}")  # no page is called so
    said = phrase("transcription_in", languages).items()
    label = {spoken: [each.format(language=tag) for each in values] for spoken, values in said}
    supplementing = prezi.Annotation(
        id=Address(f"{page_id}#text"),
        motivation="supplementing",
        body=prezi.TextualBody(value=text, format="text/plain", language=tag),
        target=Target(urls.canvas(owner, page)),
    )
    return prezi.AnnotationPage(id=Address(page_id), label=words(label), items=[supplementing])


def placeholder_canvas(owner: str, label: Mapping[str, Sequence[str]], urls: Urls) -> prezi.Canvas:
    """Return the Canvas of something without scans: a size and a label, and nothing painted.

    A Manifest must have at least one Canvas. An empty one says truly that there is nothing to
    see, as in the cookbook's recipe for a missing image; a drawn card would be an invention.
    https://iiif.io/api/cookbook/recipe/0283-missing-image/
    """
    return prezi.Canvas(
        id=Address(urls.canvas(owner, PLACEHOLDER)),
        label=words(label),
        width=_PLACEHOLDER_WIDTH,
        height=_PLACEHOLDER_HEIGHT,
        items=[],
    )


def thumbnail(
    picture: Picture, urls: Urls, services: list[Any] | None = None
) -> prezi.AnnotationBody:
    """Return a small size of *picture* that is published, with its dimensions and services."""
    full = (picture.width, picture.height)
    sizes = sorted(picture.sizes or (full,))
    enough = (size for size in sizes if max(size) >= THUMBNAIL_PIXELS)
    width, height = next(enough, sizes[-1])
    services = _services(picture, urls) if services is None else services
    return _image(picture, f"{width},{height}", width, height, services, urls)


def _image(
    picture: Picture, size: str, width: int, height: int, services: list[Any], urls: Urls
) -> prezi.AnnotationBody:
    return prezi.AnnotationBody(
        id=Address(urls.image(picture.identifier, size=size)),
        type="Image",
        format="image/jpeg",
        width=width,
        height=height,
        service=services,
    )


def _services(picture: Picture, urls: Urls) -> list[Any]:
    """Return the Image services of both versions; `sizes` lets viewers take a listed thumbnail."""
    sizes = [{"width": width, "height": height} for width, height in picture.sizes]
    more = {"sizes": sizes} if sizes else {}
    return [
        prezi.ServiceV3(
            id=Address(urls.image_service(3, picture.identifier)),
            type="ImageService3",
            profile="level2",
            **more,
        ),
        prezi.ServiceV2(
            id=Address(urls.image_service(2, picture.identifier)),
            type="ImageService2",
            profile=IMAGE_2_LEVEL_2,
            **more,
        ),
    ]
