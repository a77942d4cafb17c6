"""What other machines read of the pages: sitemap.xml, robots.txt, and oEmbed.

https://www.sitemaps.org/protocol.html, https://www.rfc-editor.org/rfc/rfc9309, https://oembed.com/
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from html import escape
from urllib.parse import unquote
from xml.sax.saxutils import escape as escape_xml

import orjson
from flask import Blueprint, Response, g, request

from iiifserver.errors import BadRequest, NotFound, NotSupported
from iiifserver.presentation.shown import RecordPage
from iiifserver.urls import Urls

from .frame import local, packed
from .pictures import confined
from .reader import Reader, reader
from .site import Site

MOST_ADDRESSES = 10_000
"""In one sitemap. 50,000 are allowed, but each stands here with its translations beside it."""
WIDTH, HEIGHT = 800, 600
_SMALLEST = 200
_LONGEST_ADDRESS = 2_048
_THUMBNAIL = 400

Address = Callable[[str], str]
"""The address of one page in a language."""


def add_views(pages: Blueprint, site: Site) -> None:
    """Add sitemap.xml, robots.txt and oEmbed to *pages*."""

    @pages.get("/sitemap.xml")
    def sitemap() -> Response:
        each, urls = _addresses(site), site.urls()
        if len(each) <= _pages_in_part(site):
            return _xml(_urlset(each, g.about.languages))
        count = -(-len(each) // _pages_in_part(site))
        parts = "".join(
            f"<sitemap><loc>{escape_xml(urls.sitemap(number))}</loc></sitemap>"
            for number in range(1, count + 1)
        )
        return _xml(f'<sitemapindex xmlns="{_SITEMAP}">{parts}</sitemapindex>')

    @pages.get("/sitemap-<part>.xml")
    def part_of_sitemap(part: str) -> Response:
        size = _pages_in_part(site)
        place = int(part) if re.fullmatch("[1-9][0-9]{0,5}", part) else 0
        each = _addresses(site)[(place - 1) * size : place * size] if place else []
        if not each:
            raise NotFound(f"the sitemap has no part {part[:20]!r}", parameter="path")
        return _xml(_urlset(each, g.about.languages))

    @pages.get("/robots.txt")
    def robots() -> Response:
        return packed(Response("\n".join(_robots(site)) + "\n", mimetype="text/plain"))

    @pages.get("/oembed")
    def oembed() -> Response:
        response = Response(orjson.dumps(_oembed(site)), content_type="application/json")
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
        return packed(response)


# -- sitemap

_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
_XHTML = "http://www.w3.org/1999/xhtml"


def _addresses(site: Site) -> list[Address]:
    """Return every page that is to be found, each in whatever language."""
    urls = site.urls()
    if not g.about.exhibition:
        return [urls.home]
    name: str = g.about.exhibition
    chapters = (chapter["identifier"] for chapter in site.exhibition()["chapters"])
    return [
        partial(urls.page, exhibition=name),
        partial(urls.agents_page, exhibition=name),
        partial(urls.about_page, exhibition=name),
        *(partial(urls.page, exhibition=name, chapter=chapter) for chapter in chapters),
        *(partial(urls.record_page, exhibition=name, identifier=r) for r in site.records()),
    ]


def _pages_in_part(site: Site) -> int:
    return max(MOST_ADDRESSES // len(site.about().languages), 1)


def _urlset(each: Sequence[Address], languages: Sequence[str]) -> str:
    """Return pages with their translations: each names all of them, itself too."""
    pages = [_page(address, tag, languages) for address in each for tag in languages]
    return f'<urlset xmlns="{_SITEMAP}" xmlns:xhtml="{_XHTML}">{"".join(pages)}</urlset>'


def _page(address: Address, language: str, languages: Sequence[str]) -> str:
    return f"<url><loc>{escape_xml(address(language))}</loc>{_alternates(address, languages)}</url>"


def _alternates(address: Address, languages: Sequence[str]) -> str:
    named = [*((tag, tag) for tag in languages), ("x-default", languages[0])]
    quote = {'"': "&quot;"}
    return "".join(
        f'<xhtml:link rel="alternate" hreflang="{name}" href="{escape_xml(address(tag), quote)}"/>'
        for name, tag in named
    )


def _xml(body: str) -> Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'
    return packed(Response(text, content_type="application/xml; charset=utf-8"))


# -- robots


def _robots(site: Site) -> Iterator[str]:
    """Yield the lines that keep crawlers from tiles and full size, and lead them to previews.

    The longest rule that fits counts. A crawler looks for this file at the top of a host only:
    where base_url has a path, the operator copies these lines there.
    """
    urls = local(site)
    prefix = urls.base_url
    yield "User-agent: *"
    yield f"Disallow: {prefix}/iiif/"
    yield f"Allow: {prefix}/iiif/*/info.json$"
    yield f"Allow: {prefix}/iiif/*/full/*/0/default.jpg$"
    for full_size in ("max", "full"):
        yield f"Disallow: {prefix}/iiif/*/full/{full_size}/0/default.jpg$"
    yield f"Disallow: {prefix}/presentation/*/record.pdf"
    for name in ("viewer", "compare"):
        yield f"Disallow: {prefix}/*/{name}"
    yield f"Disallow: {prefix}/embed/"
    yield f"Sitemap: {site.urls().sitemap()}"


# -- oEmbed


def embed_code(
    record: RecordPage, reader: Reader, urls: Urls, width: int = WIDTH, height: int = HEIGHT
) -> str:
    """Return the element by which a page of somebody else shows *record*."""
    address = urls.embed(record["identifier"], reader.language)
    title = reader.quote(record["title"]).value
    return (
        f'<iframe src="{escape(address)}" width="{width}" height="{height}"'
        f' title="{escape(title)}" loading="lazy" allow="fullscreen"></iframe>'
    )


def _oembed(site: Site) -> dict[str, object]:
    """Return how to embed the page that is asked for.

    Raises:
        BadRequest: a parameter is malformed.
        NotFound: that is no page of a record of ours.
        NotSupported: another format than JSON is wanted.
    """
    if request.args.get("format", "json") != "json":
        raise NotSupported("oEmbed is answered in JSON only", parameter="format")
    width = _bounded("maxwidth", WIDTH)
    height = min(_bounded("maxheight", HEIGHT), HEIGHT)
    urls, (language, identifier) = site.urls(), _page_asked(site)
    shown, here = site.record(identifier), reader(language, g.about.languages)
    answer: dict[str, object] = {
        "version": "1.0",
        "type": "rich",
        "title": here.quote(shown["title"]).value,
        "provider_name": here.quote(g.about.title).value,
        "provider_url": urls.page(language, g.about.exhibition),
        "width": width,
        "height": height,
        "html": embed_code(shown, here, urls, width, height),
    }
    for canvas in shown["canvases"][:1]:
        size = confined(canvas, _THUMBNAIL)
        box = f"!{_THUMBNAIL},{_THUMBNAIL}"
        answer["thumbnail_url"] = urls.image(canvas["image"], size=box)
        answer["thumbnail_width"], answer["thumbnail_height"] = size
    return answer


def _bounded(parameter: str, default: int) -> int:
    text = request.args.get(parameter, str(default))
    if not re.fullmatch("[1-9][0-9]{0,4}", text):
        raise BadRequest(f"{parameter}: {text[:20]!r} is no number of pixels", parameter=parameter)
    return max(_SMALLEST, min(int(text), default))


def _page_asked(site: Site) -> tuple[str, str]:
    """Return language and identifier of the record whose page `url` names."""
    asked = request.args.get("url", "")
    address, _, _ = asked[:_LONGEST_ADDRESS].partition("#")
    address, _, _ = address.partition("?")
    for language in g.about.languages:
        stem = site.urls().record_page(language, g.about.exhibition, "")
        if address.startswith(stem) and "/" not in address.removeprefix(stem):
            return language, unquote(address.removeprefix(stem))
    raise NotFound(f"no page of a record of ours: {asked[:200]!r}", parameter="url")
