"""The pages that people read: an exhibition, its chapters, records and archives, or a folder.

What they show was written when the exhibition was published; here it becomes HTML for one reader.
"""

from __future__ import annotations

import logging
from http import HTTPStatus

from flask import Blueprint, g, request
from werkzeug.exceptions import HTTPException
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from iiifserver.errors import Busy, NotFound, RequestError
from iiifserver.presentation.shown import Card, ChapterPage, Part
from iiifserver.urls import encode_identifier

from . import crawlers, schema, viewing
from .assets import Assets
from .citation import citation
from .frame import lead, local, page, policy, prepare, query
from .listing import page_number, part_of, sliced
from .problems import answer_to, problem
from .reader import languages, reader
from .site import Site

_YEAR_S = 31_536_000
_APIS = ("/iiif/", "/presentation/")
_SAID = (400, 404, 410, 503)
_FOR_MACHINES = ("pages.oembed", "pages.robots", "pages.sitemap", "pages.part_of_sitemap")
_log = logging.getLogger(__name__)


def blueprint(site: Site, assets: Assets | None = None) -> Blueprint:
    """Return the pages of *site*. The application must be made with `static_folder=None`."""
    files = assets or Assets()
    pages = Blueprint("pages", __name__, template_folder="templates")
    prepare(pages, site, files)
    _add_pages(pages, site)
    viewing.add_views(pages, site, files)
    crawlers.add_views(pages, site)
    _add_errors(pages, site)

    @pages.get("/favicon.ico")
    def icon() -> Response:
        return redirect(local(site).static(files.name("icon.svg")), 302)

    @pages.get("/static/<path:name>")
    def static(name: str) -> Response:
        return _static(files, name)

    return pages


def _add_pages(pages: Blueprint, site: Site) -> None:
    language = f"/<any({','.join(map(repr, languages()))}):language>"
    exhibition = f"{language}/<exhibition>"

    @pages.get("/")
    def start() -> Response:
        return lead(local(site).home(g.reader.language))

    @pages.get(f"{language}/")
    def home() -> Response:
        return _exhibition(site) if g.about.exhibition else _folder(site)

    @pages.get(f"{exhibition}/")
    def shown_exhibition(exhibition: str) -> Response:
        _named(exhibition)
        return _exhibition(site)

    @pages.get(f"{exhibition}/<chapter>/")
    def chapter(exhibition: str, chapter: str) -> Response:
        _named(exhibition)
        return _chapter(site, chapter)

    @pages.get(f"{exhibition}/record/<identifier>")
    def record(exhibition: str, identifier: str) -> Response:
        _named(exhibition)
        return _record(site, identifier)

    @pages.get(f"{exhibition}/agents")
    def agents(exhibition: str) -> Response:
        _named(exhibition)
        return page("agents.html", policy(site), exhibition=site.exhibition())

    @pages.get(f"{exhibition}/about")
    def about(exhibition: str) -> Response:
        _named(exhibition)
        return page("about.html", policy(site), exhibition=site.exhibition())

    @pages.get(exhibition)
    @pages.get(f"{exhibition}/<chapter>")
    def without_slash(exhibition: str, chapter: str = "") -> Response:
        _named(exhibition)
        if chapter:
            site.chapter(chapter)
        whole = local(site).page(g.reader.language, exhibition, chapter)
        return redirect(f"{whole}{query()}", 308)

    @pages.get("/<path:rest>")
    def nothing(rest: str) -> Response:
        raise NotFound("nothing is at this address", parameter="path")


def _named(exhibition: str) -> None:
    if exhibition != g.about.exhibition:
        raise NotFound(f"no exhibition is called {exhibition[:200]!r}", parameter="exhibition")


def _folder(site: Site) -> Response:
    listing = site.listing(request.args.get("folder", ""))
    part = part_of(listing, request.args.get("page", "1"))
    return page("listing.html", policy(site), listing=listing, part=part)


def _exhibition(site: Site) -> Response:
    shown = site.exhibition()
    return page(
        "exhibition.html",
        policy(site),
        place=f"{encode_identifier(shown['identifier'])}/",
        exhibition=shown,
        data=schema.exhibition(shown, g.reader, site.urls()),
    )


def _chapter(site: Site, identifier: str) -> Response:
    shown = site.chapter(identifier)
    asked = request.args.get("page", "1")
    number, last = page_number(asked, sum(len(part["records"]) for part in shown["parts"]))
    return page(
        "chapter.html",
        policy(site),
        chapter=shown,
        parts=_part(shown, number),
        number=number,
        last=last,
        data=schema.chapter(shown, g.reader, site.urls()),
    )


def _part(chapter: ChapterPage, number: int) -> list[tuple[Part, list[Card]]]:
    """Return what stands on one page of a long chapter: headings with some of their records."""
    each = [(part, card) for part in chapter["parts"] for card in part["records"]]
    here = sliced(each, number)
    parts = [part for part in chapter["parts"] if any(shown is part for shown, _ in here)]
    return [(part, [card for shown, card in here if shown is part]) for part in parts]


def _record(site: Site, identifier: str) -> Response:
    shown, urls = site.record(identifier), site.urls()
    exhibition = shown["exhibition"]["identifier"]
    cited = {
        code: citation(shown, reader(code, g.about.languages), urls) for code in g.about.languages
    }
    address = urls.record_page(g.reader.language, exhibition, identifier)
    return page(
        "record.html",
        policy(site),
        record=shown,
        cited=cited,
        zoom=viewing.zoom_settings(shown, site) if shown["canvases"] else None,
        embed=crawlers.embed_code(shown, g.reader, urls),
        discovery=urls.oembed(address),
        data=schema.record(shown, g.reader, urls),
    )


# -- errors


def _add_errors(pages: Blueprint, site: Site) -> None:
    @pages.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        if not _is_for_people():
            return answer_to(error)
        response = _said(site, error.status, str(error))
        if isinstance(error, Busy):
            response.headers["Retry-After"] = str(error.retry_after_s)
        return response

    @pages.errorhandler(HTTPException)
    def not_routed(error: HTTPException) -> Response:
        if error.response is not None or (error.code or 500) < 400:
            return error.get_response()
        response = _said(site, error.code or 500, error.description or "")
        for name, value in error.get_headers():
            if name not in ("Content-Type", "Content-Length"):
                response.headers[name] = value
        return response

    @pages.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        _log.exception("unexpected error", exc_info=error)
        return _said(site, 500, "an unexpected error, which the server's log explains")


def _said(site: Site, status: int, detail: str) -> Response:
    """Return an error as a page, or as a problem document where no person asks."""
    if not _is_for_people():
        return problem(status, detail)
    known = status if status in _SAID else 500
    return page(
        "message.html",
        policy(site),
        status=status,
        title=g.reader.say(f"error_{known}"),
        more=g.reader.say(f"error_{known}_more") if known in (410, 503) else "",
        detail=detail or HTTPStatus(status).phrase,
    )


def _is_for_people() -> bool:
    """Return whether a page was asked for: by its address, or by a browser at an unknown one."""
    if request.endpoint != "pages.nothing":
        return request.endpoint not in _FOR_MACHINES
    is_api = any(request.path.startswith(api) for api in _APIS)
    return not is_api and "text/html" in request.headers.get("Accept", "")


# -- files


def _static(files: Assets, name: str) -> Response:
    asset = files.get(name)
    if asset is None:
        raise NotFound(f"no file {name[:200]!r}", parameter="path")
    coding = next(
        each for each in asset.bodies if each == "identity" or request.accept_encodings[each]
    )
    response = Response(asset.read(coding), content_type=asset.media_type)
    response.headers["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    # for embedded records within pages that ask for it; opened by itself a file may do nothing
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{asset.digest}-{coding}")
    if coding != "identity":
        response.headers["Content-Encoding"] = coding
    return response.make_conditional(request)
