"""What Manifests and Collections lead to: pages, other forms of a record, archives, Collections.

Pages of ours are there in each language of the exhibition that the program speaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import PurePosixPath
from urllib.parse import urlsplit

import iiif_prezi3 as prezi

from iiifserver.language import LANGUAGES, LanguageMap, in_no_language, phrase
from iiifserver.presentation.description import record_label
from iiifserver.presentation.model import Address, Tag, words
from iiifserver.presentation.seealso import JSON_TYPE, XML_PROFILE, XML_TYPE
from iiifserver.records import Agent, Exhibition, Record
from iiifserver.urls import Urls

_PICTURE_TYPES = {
    ".gif": "image/gif",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}


def providers(
    agents: Iterable[Agent], exhibition: Exhibition, urls: Urls
) -> list[prezi.Provider] | None:
    """Return *agents* as providers, each once; their ids dereference with the Collection.

    https://iiif.io/api/presentation/3.0/#provider
    """
    collection = urls.collection_of(exhibition.identifier)
    each = {f"{collection}#{agent.identifier}": agent for agent in agents}
    return [_provider(agent, address) for address, agent in each.items()] or None


def _provider(agent: Agent, address: str) -> prezi.Provider:
    label = words(agent.name or in_no_language(agent.identifier))
    page = agent.homepage and prezi.Homepage(
        id=Address(agent.homepage), type="Text", label=label, format="text/html"
    )
    return prezi.Provider(
        id=Address(address),
        label=label,
        homepage=[page] if page else None,
        logo=[_logo(agent.logo)] if agent.logo else None,
    )


def _logo(address: str) -> prezi.AnnotationBody:
    ending = PurePosixPath(urlsplit(address).path).suffix.lower()
    return prezi.AnnotationBody(
        id=Address(address), type="Image", format=_PICTURE_TYPES.get(ending)
    )


def homepages(
    theirs: Mapping[str, Sequence[str]], ours: Mapping[str, str]
) -> list[prezi.Homepage] | None:
    """Return pages about a resource by their language: the archive's, then those of the site.

    https://iiif.io/api/presentation/3.0/#homepage
    """
    named = [("own_page", tag, address) for tag, all_of in theirs.items() for address in all_of]
    named += [("exhibition_page", tag, address) for tag, address in ours.items()]
    return [
        prezi.Homepage(
            id=Address(address),
            type="Text",
            label=words(phrase(name, [tag])),
            format="text/html",
            language=[Tag(tag)],
        )
        for name, tag, address in named
    ] or None


def first_pages(languages: Iterable[str], urls: Urls) -> dict[str, str]:
    """Return the site's first page in each of *languages* that it has."""
    return {tag: urls.home(tag) for tag in languages if tag in LANGUAGES}


def exhibition_pages(exhibition: Exhibition, urls: Urls, chapter: str = "") -> dict[str, str]:
    """Return the page of *exhibition*, or of a *chapter* of it, in each language that it has."""
    languages = (tag for tag in exhibition.languages if tag in LANGUAGES)
    return {tag: urls.page(tag, exhibition.identifier, chapter) for tag in languages}


def record_pages(record: Record, exhibition: Exhibition, urls: Urls) -> dict[str, str]:
    """Return the page of *record* in each language that it has."""
    name, languages = exhibition.identifier, (t for t in exhibition.languages if t in LANGUAGES)
    return {tag: urls.record_page(tag, name, record.identifier) for tag in languages}


def see_also(
    record: Record, related: Iterable[Record], exhibition: Exhibition, urls: Urls
) -> list[prezi.LinkedResource]:
    """Return *record* as data, and the Manifests of the records *related* to it.

    https://iiif.io/api/presentation/3.0/#seealso
    """
    languages = exhibition.languages
    return [
        prezi.LinkedResource(
            id=Address(urls.record_json(record.identifier)),
            type="Dataset",
            label=words(phrase("as_json", languages)),
            format=JSON_TYPE,
        ),
        prezi.LinkedResource(
            id=Address(urls.record_xml(record.identifier)),
            type="Dataset",
            label=words(phrase("as_dublin_core", languages)),
            format=XML_TYPE,
            profile=XML_PROFILE,
        ),
        *(
            prezi.LinkedResource(
                id=Address(urls.manifest(each.identifier)),
                type="Manifest",
                label=words(record_label(each)),
            )
            for each in related
        ),
    ]


def rendering(
    record: Record, exhibition: Exhibition, urls: Urls
) -> list[prezi.LinkedResource] | None:
    """Return *record* as a PDF; None where it has no pages.

    https://iiif.io/api/presentation/3.0/#rendering
    """
    pdf = prezi.LinkedResource(
        id=Address(urls.record_pdf(record.identifier)),
        type="Text",
        label=words(phrase("as_pdf", exhibition.languages)),
        format="application/pdf",
    )
    return [pdf] if record.pages else None


def shown_beside(related: Sequence[Record], exhibition: Exhibition, urls: Urls) -> LanguageMap:
    """Return the headings of the records *related* to one, as links to their pages.

    They are for visitors, who do not see `seeAlso`. A heading in a language without pages leads to
    the first one that has them, or stands without a link where none has.
    """
    links: dict[str, list[str]] = {}
    for record in related:
        pages = record_pages(record, exhibition, urls)
        for tag, texts in record_label(record).items():
            address = pages.get(tag) or next(iter(pages.values()), "")
            heading = escape("; ".join(texts), quote=False)
            link = f'<a href="{escape(address)}">{heading}</a>' if address else heading
            links.setdefault(tag, []).append(link)
    return LanguageMap.of(links, exhibition.languages)


def part_of(identifier: str, label: LanguageMap, urls: Urls) -> list[prezi.Class]:
    """Return the Collection of an exhibition or a chapter as what a resource is part of."""
    address = Address(urls.collection_of(identifier))
    return [prezi.Class(id=address, type="Collection", label=words(label))]
