"""The pages that people read: what there is to see, and viewers to see it in.

One mechanism serves the demo's exhibition and a folder of images: a `Site` gives `Listing`s of
entries (chapters, folders) and pictures. Links are paths below the prefix of `base_url`, so a
page works under every host name that leads to the server; addresses of documents are absolute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlencode, urlsplit

from flask import Blueprint, g, redirect, render_template, request
from werkzeug.wrappers import Response

from iiifserver.errors import BadRequest, NotFound, RequestError
from iiifserver.language import NOTHING
from iiifserver.urls import Urls

from .assets import Assets
from .reader import Multilingual, Reader, languages, reader

MAX_ADDRESS_CHARACTERS = 2_048
MAX_CATALOG = 50
ITEMS_A_PAGE = 60

_YEAR_S = 31_536_000
# viewers put their styles in by script, into <style> elements that are empty when they are made:
# this is the hash of nothing, the only inline style that may stand
_EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"


@dataclass(frozen=True, slots=True)
class Picture:
    """An image in a list; its thumbnail comes from the Image API."""

    identifier: str
    label: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A chapter or a folder in a list."""

    label: Multilingual
    image_count: int
    manifest: str | None = None
    """Address of its Manifest or Collection; None where there is nothing to open yet."""
    path: str | None = None
    """What `Site.listing` takes to list it; None where it has no list of its own."""
    thumbnail: str | None = None
    """Identifier of an image of it."""
    note: Multilingual = NOTHING


@dataclass(frozen=True, slots=True)
class Listing:
    """One page's worth of choice; the sequences may be long and are sliced, never walked."""

    label: Multilingual
    entries: Sequence[Entry] = ()
    pictures: Sequence[Picture] = ()
    manifest: str | None = None
    """Address of the Manifest that holds the pictures."""
    parents: Sequence[tuple[Multilingual, str]] = ()
    """Labels and paths from the top down to the one above this."""


@dataclass(frozen=True, slots=True)
class About:
    """What all pages of a site say of it."""

    title: Multilingual
    languages: tuple[str, ...]
    """Of the pages, the default first; each has its table in texts.toml."""
    summary: Multilingual = NOTHING
    notice: Multilingual = NOTHING
    """What every reader must be told; plain text."""
    has_chapters: bool = False
    """True of an exhibition, False of folders."""


@dataclass(frozen=True, slots=True)
class Site:
    """What the pages show. All functions are called within a request: a site may change."""

    about: Callable[[], About]
    urls: Callable[[], Urls]
    listing: Callable[[str], Listing]
    """The listing at a path, `""` the first; raises `NotFound`."""


class _Part(NamedTuple):
    """One page of a long list."""

    entries: Sequence[Entry]
    pictures: Sequence[Picture]
    number: int
    last: int


def blueprint(site: Site, assets: Assets | None = None) -> Blueprint:
    """Return the pages of *site*. The application must be made with `static_folder=None`."""
    files = assets or Assets()
    pages = Blueprint("pages", __name__, template_folder="templates")
    language = f"<any({','.join(map(repr, languages()))}):language>"

    @pages.url_value_preprocessor
    def prepare(endpoint: str | None, values: dict[str, str] | None) -> None:
        about = site.about()
        asked = (values or {}).pop("language", None)
        chosen = asked if asked in about.languages else _preferred(about)
        g.about, g.reader = about, reader(chosen, about.languages)
        if asked not in (None, chosen):
            raise NotFound(f"there are no pages in {asked!r}", parameter="language")

    @pages.context_processor
    def vocabulary() -> dict[str, object]:
        here: Reader = g.reader
        local = _local(site)
        return {
            "about": g.about,
            "reader": here,
            "say": here.say,
            "show": here.show,
            "urls": site.urls(),
            "local": local,
            "home": local.home(here.language),
            "listing_address": _listing_address,
            "zoom_address": _zoom_address,
            "asset": lambda file: local.static(files.name(file)),
            "has_asset": files.__contains__,
            "languages": [
                (code, reader(code, ()).say("autonym"), _same_place(local, code))
                for code in g.about.languages
            ],
        }

    @pages.get("/")
    def start() -> Response:
        return _lead(_local(site).home(g.reader.language))

    @pages.get("/viewer")
    def lead_to_viewer() -> Response:
        return _lead(f"{_local(site).home(g.reader.language)}viewer{_query()}")

    @pages.get(f"/{language}/")
    def home() -> Response:
        listing = site.listing(request.args.get("folder", ""))
        part = _part(listing, request.args.get("page", "1"))
        return _page("listing.html", _policy(site), listing=listing, part=part)

    @pages.get(f"/{language}/viewer")
    def viewer() -> Response:
        return _viewer(site, files)

    @pages.get("/static/<path:name>")
    def static(name: str) -> Response:
        return _static(files, name)

    @pages.errorhandler(RequestError)
    def refused(error: RequestError) -> Response:
        known = error.status in (400, 404, 503)
        title = g.reader.say(f"error_{error.status if known else 500}")
        return _page(
            "message.html", _policy(site), status=error.status, title=title, detail=str(error)
        )

    return pages


def _viewer(site: Site, files: Assets) -> Response:
    """Open a Manifest in Mirador, or one image in OpenSeadragon, if it is ours."""
    asked = {name: _bounded(name) for name in ("manifest", "iiif-content", "image", "canvas")}
    target = asked["image"] or asked["manifest"] or asked["iiif-content"]
    if target and not _is_ours(target, site.urls().base_url):
        title = g.reader.say("elsewhere_title")
        return _page("elsewhere.html", _policy(site), status=403, title=title, address=target)
    script = "viewers/zoom.js" if asked["image"] else "viewers/mirador.js"
    if script not in files:
        title = g.reader.say("no_viewers")
        return _page("message.html", _policy(site), status=503, title=title, detail="")
    settings = {
        "language": g.reader.language,
        "languages": {code: reader(code, ()).say("autonym") for code in g.about.languages},
        "image": asked["image"],
        "manifest": target,
        "canvas": asked["canvas"],
        "catalog": _catalog(site),
    }
    return _page("viewer.html", _policy(site, _EMPTY_STYLE), script=script, settings=settings)


def _catalog(site: Site) -> list[str]:
    """Return the Manifests that Mirador offers to open beside the one shown."""
    entries = site.listing("").entries[:MAX_CATALOG]
    return [entry.manifest for entry in entries if entry.manifest]


def _static(files: Assets, name: str) -> Response:
    asset = files.get(name)
    if asset is None:
        raise NotFound(f"no file {name[:200]!r}", parameter="path")
    coding = next(
        coding for coding in asset.files if coding == "identity" or request.accept_encodings[coding]
    )
    response = Response(asset.files[coding].read_bytes(), content_type=asset.media_type)
    response.headers["Cache-Control"] = f"public, max-age={_YEAR_S}, immutable"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.vary.add("Accept-Encoding")
    response.set_etag(f"{asset.digest}-{coding}")
    if coding != "identity":
        response.headers["Content-Encoding"] = coding
    return response.make_conditional(request)


def _page(template: str, policy: str, *, status: int = 200, **values: object) -> Response:
    """Return a page with the headers that all pages carry."""
    response = Response(render_template(template, **values), status, mimetype="text/html")
    response.headers["Content-Security-Policy"] = policy
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers["Cross-Origin-Opener-Policy"] = "same-origin"
    response.headers["Cache-Control"] = "no-store" if status >= 400 else "no-cache"
    response.headers["Content-Language"] = g.reader.language
    return response


def _policy(site: Site, style: str = "") -> str:
    """Return what a page may load: our own files, and documents and images under base_url."""
    parts = urlsplit(site.urls().base_url)
    ours = f"'self' {parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": f"'self' {style}".strip(),
        "img-src": f"{ours} data: blob:",
        "connect-src": ours,
        "font-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def _lead(address: str) -> Response:
    """Lead to the page in the reader's language."""
    response = redirect(address, 303)
    response.vary.add("Accept-Language")
    response.headers["Cache-Control"] = "no-cache"
    return response


def _local(site: Site) -> Urls:
    """Return the addresses as paths: below the prefix of base_url, on whatever host."""
    return Urls(urlsplit(site.urls().base_url).path)


def _preferred(about: About) -> str:
    best = request.accept_languages.best_match(about.languages, about.languages[0])
    return str(best)


def _listing_address(home: str, path: str, page: int = 1) -> str:
    query = ({"folder": path} if path else {}) | ({"page": str(page)} if page > 1 else {})
    return f"{home}?{urlencode(query, safe='/')}" if query else home


def _zoom_address(home: str, info: str) -> str:
    """Return the address of the page that shows one image, by the address of its info.json."""
    return f"{home}viewer?{urlencode({'image': info}, safe=':/')}"


def _same_place(local: Urls, language: str) -> str:
    """Return the address of the page that is shown, in *language*."""
    _, _, rest = request.path.removeprefix("/").partition("/")
    return f"{local.home(language)}{rest}{_query()}"


def _query() -> str:
    query = request.query_string.decode("ascii", "replace")
    return f"?{query}" if query else ""


def _bounded(parameter: str) -> str:
    text = request.args.get(parameter, "")
    if len(text) > MAX_ADDRESS_CHARACTERS:
        raise BadRequest(
            f"{parameter}: longer than {MAX_ADDRESS_CHARACTERS} characters", parameter=parameter
        )
    return text


def _is_ours(address: str, base_url: str) -> bool:
    """Tell whether *address* lies under *base_url*, however a browser reads it."""
    path = unquote(address.removeprefix(base_url))
    return (
        address.startswith(f"{base_url}/")
        and not {".", ".."} & set(path.replace("\\", "/").split("/"))
        and address.isprintable()
    )


def _part(listing: Listing, page: str) -> _Part:
    """Return the page of *listing* that has the number *page*: entries first, then pictures."""
    entries, pictures = listing.entries, listing.pictures
    count = max(1, -(-(len(entries) + len(pictures)) // ITEMS_A_PAGE))
    if not (page.isascii() and page.isdigit() and len(page) <= 6 and 1 <= int(page) <= count):
        raise NotFound(f"no page {page[:20]!r} of this list, which has {count}", parameter="page")
    start = (int(page) - 1) * ITEMS_A_PAGE
    end = start + ITEMS_A_PAGE
    after = [max(0, position - len(entries)) for position in (start, end)]
    return _Part(entries[start:end], pictures[slice(*after)], int(page), count)
