"""What all pages have in common: their reader, their addresses, their headers.

Links are paths below the prefix of `base_url`, so a page works under every host name that leads to
the server; addresses of documents and images are absolute, and so is what other machines read.
"""

from __future__ import annotations

import zlib
from urllib.parse import quote, urlencode, urlsplit

from flask import Blueprint, Response, g, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from iiifserver.edition import IDENTITY
from iiifserver.errors import NotFound
from iiifserver.urls import Urls

from .assets import Assets
from .markup import marked_up
from .negotiation import coding_wanted
from .pictures import confined, in_row, sources
from .reader import Reader, reader
from .site import About, Site

EMPTY_STYLE = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""Viewers put their styles in by script, into <style> elements that are empty when they are made:
this is the hash of nothing, the only inline style that may stand."""

_IN_PATH = "/!$&'()*+,;=:"
_LISTED = ("folder", "page")
_GZIP_LEVEL = 6
_PERMISSIONS = ("camera", "display-capture", "geolocation", "microphone", "payment", "usb")


def prepare(pages: Blueprint, site: Site, files: Assets) -> None:
    """Let all views and templates of *pages* know their reader and what they may say."""

    @pages.url_value_preprocessor
    def choose_language(endpoint: str | None, values: dict[str, str] | None) -> None:
        about = site.about()
        named = (values or {}).pop("language", None)
        asked = named or request.args.get("lang")
        chosen = asked if asked in about.languages else preferred(about)
        g.is_guessed = chosen != asked
        g.about, g.reader = about, reader(chosen, about.languages)
        if named and named != chosen:
            raise NotFound(f"there are no pages in {named!r}", parameter="language")

    @pages.context_processor
    def vocabulary() -> dict[str, object]:
        here: Reader = g.reader
        paths, urls = local(site), site.urls()
        return {
            "about": g.about,
            "reader": here,
            "say": here.say,
            "say_phrase": here.phrase,
            "field": here.field,
            "show": here.show,
            "quote": here.quote,
            "marked_up": marked_up,
            "confined": confined,
            "sources": sources,
            "in_row": in_row,
            "urls": urls,
            "local": paths,
            "home": paths.home(here.language),
            "listing_address": listing_address,
            "zoom_address": zoom_address,
            "asset": lambda file: paths.static(files.name(file)),
            "has_asset": files.__contains__,
            "host_of": lambda address: urlsplit(address).netloc,
            "is_ours": lambda address: address.startswith(f"{urls.base_url}/"),
            "languages": [
                (code, reader(code, ()).say("autonym"), same_place(paths, code))
                for code in g.about.languages
            ],
        }


def page(
    template: str, rules: str, *, status: int = 200, place: str | None = None, **values: object
) -> Response:
    """Return a page with the headers that all pages carry.

    *place* is its canonical path below the language, where it is not that of the request.
    """
    values |= {"status": status, "place": place_of_request() if place is None else place}
    body = render_template(template, **values)
    response = Response(body, status, mimetype="text/html")
    headers = response.headers
    headers["Content-Security-Policy"] = rules
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "strict-origin-when-cross-origin"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Permissions-Policy"] = ", ".join(f"{name}=()" for name in _PERMISSIONS)
    headers["Cache-Control"] = "no-store" if status >= 400 else "no-cache"
    headers["Content-Language"] = g.reader.language
    if g.is_guessed:
        response.vary.add("Accept-Language")
    return response if status >= 400 else packed(response)


def packed(response: Response) -> Response:
    """Return *response* tagged, in gzip where the client takes it, or as unchanged.

    What it says it is, it is: no browser is to guess.
    """
    response.headers["X-Content-Type-Options"] = "nosniff"
    body = response.get_data()
    prepared = ["gzip", IDENTITY]
    coding = coding_wanted(request.headers.get("Accept-Encoding", ""), prepared)
    response.vary.add("Accept-Encoding")
    if coding == "gzip":
        packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
        response.set_data(packer.compress(body) + packer.flush())
        response.headers["Content-Encoding"] = coding
    response.add_etag()
    response.make_conditional(request)
    return response


def policy(site: Site, **changes: str) -> str:
    """Return what a page may load: our own files, and documents and images under base_url.

    *changes* add sources to a rule, or replace its `'none'`.
    """
    parts = urlsplit(site.urls().base_url)
    ours = f"'self' {parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": f"{ours} data: blob:",
        "connect-src": ours,
        "font-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
    }
    for name, more in changes.items():
        rule = name.replace("_", "-")
        kept = rules[rule].removeprefix("'none'")
        rules[rule] = f"{kept} {more}".strip()
    return "; ".join(f"{name} {sources}" for name, sources in rules.items())


def lead(address: str) -> BaseResponse:
    """Lead to the page in the reader's language."""
    response = redirect(address, 303)
    response.vary.add("Accept-Language")
    response.headers["Cache-Control"] = "no-cache"
    return response


def preferred(about: About) -> str:
    """Return the language of the site's that the client likes best."""
    best = request.accept_languages.best_match(about.languages, about.languages[0])
    return str(best)


# -- addresses


def local(site: Site) -> Urls:
    """Return the addresses as paths: below the prefix of base_url, on whatever host."""
    return Urls(urlsplit(site.urls().base_url).path)


def query() -> str:
    """Return what was asked, with its question mark."""
    text = request.query_string.decode("ascii", "replace")
    return f"?{text}" if text else ""


def place_of_request() -> str:
    """Return where the page is below its language, as part of an address."""
    _, _, rest = request.path.removeprefix("/").partition("/")
    kept = {name: value for name, value in request.args.items() if name in _LISTED}
    return quote(rest, safe=_IN_PATH) + (f"?{urlencode(kept, safe='/')}" if kept else "")


def same_place(paths: Urls, language: str) -> str:
    """Return the address of the page that is shown, in *language*: its path says so, or `lang`."""
    path = quote(request.path.lstrip("/"), safe=_IN_PATH)  # two slashes would begin a host's name
    if request.url_rule and "language" in request.url_rule.arguments:
        return f"{paths.home(language)}{path.partition('/')[2]}{query()}"
    kept = [(name, value) for name, value in request.args.items(multi=True) if name != "lang"]
    return f"{paths.base_url}/{path}?{urlencode([*kept, ('lang', language)], safe='/:')}"


def listing_address(home: str, path: str, number: int = 1) -> str:
    """Return the address of one page of a folder's list."""
    asked = ({"folder": path} if path else {}) | ({"page": str(number)} if number > 1 else {})
    return f"{home}?{urlencode(asked, safe='/')}" if asked else home


def zoom_address(home: str, info: str) -> str:
    """Return the address of the page that shows one image, by the address of its info.json."""
    return f"{home}viewer?{urlencode({'image': info}, safe=':/')}"
