"""The pages that show scans: Mirador, one image, a record within somebody else's page.

The zoom of a record's own page (templates/zoom.html, viewer/block.js) gets its settings here too.
"""

from __future__ import annotations

from flask import Blueprint, g, request
from werkzeug.wrappers import Response

from iiifserver.errors import Elsewhere, NotFound
from iiifserver.presentation.shown import RecordPage
from iiifserver.urls import encode_identifier

from . import comparing, opening
from .assets import Assets
from .citation import as_text, citation
from .crawlers import embed_code
from .frame import EMPTY_STYLE, lead, local, page, policy, query
from .opening import View
from .reader import Reader, languages, reader
from .site import Site

ZOOM, MIRADOR = "viewers/zoom.js", "viewers/mirador.js"
_ANY_SIDE = 10**9
_TEXTS = ("stage", "help", "page", "copied", "selected", "failed")


def add_views(pages: Blueprint, site: Site, files: Assets) -> None:
    """Add the pages that show scans to *pages*."""
    language = f"<any({','.join(map(repr, languages()))}):language>"

    @pages.get("/viewer")
    @pages.get("/compare")
    def lead_to_language() -> Response:
        return lead(f"{local(site).home(g.reader.language)}{request.path[1:]}{query()}")

    @pages.get(f"/{language}/viewer")
    def viewer() -> Response:
        if "image" in request.args:
            return _image(site, files)
        return _mirador(site, files)

    @pages.get(f"/{language}/compare")
    def compare() -> Response:
        return comparing.answer(site, files)

    @pages.get("/embed/<identifier>")
    def embed(identifier: str) -> Response:
        return _embed(site, files, identifier)

    @pages.errorhandler(Elsewhere)
    def elsewhere(address: Elsewhere) -> Response:
        title = g.reader.say("elsewhere_title")
        return page("elsewhere.html", policy(site), status=403, title=title, address=str(address))


def zoom_settings(record: RecordPage, site: Site) -> dict[str, object] | None:
    """Return what the zoom of *record* needs, None where it has no scans.

    The request says what is to be seen of it first.

    Raises:
        BadRequest, NotFound, Elsewhere: as `opening.view` does.
    """
    if not record["canvases"]:
        return None
    return _zoom(record, site, opening.view(request.args, record, site))


def _zoom(record: RecordPage, site: Site, seen: View) -> dict[str, object]:
    identifier, here, urls = record["identifier"], g.reader, site.urls()
    return _settings(here, site, seen) | {
        "record": identifier,
        "pages": [
            {
                "page": canvas["page"],
                "service": urls.image_service(3, canvas["image"]),
                "canvas": urls.canvas(identifier, canvas["page"]),
                "label": here.show(canvas["label"]).value,
                "width": canvas["width"],
                "height": canvas["height"],
                "mm": canvas["width_mm"],
            }
            for canvas in record["canvases"]
        ],
        "is_rtl": record["viewing_direction"] == "right-to-left",
        "manifest": urls.manifest(identifier),
        "link": urls.record_page(here.language, record["exhibition"]["identifier"], identifier),
        "embed": urls.embed(identifier, here.language),
        "compare": local(site).compare(here.language, []),
        "embed_code": embed_code(record, here, urls),
        "citation": as_text(citation(record, here, urls)),
    }


def _settings(here: Reader, site: Site, seen: View) -> dict[str, object]:
    """Return what every zoom needs to know of its reader and of what is to be seen first."""
    return {
        "language": here.language,
        "texts": {name: here.texts[f"zoom_{name}"] for name in _TEXTS},
        "shown": seen.shown,
        "region": seen.region,
        "rotation": seen.rotation,
        "viewer": f"{site.urls().home(here.language)}viewer",
        "keeps_address": True,
    }


def _mirador(site: Site, files: Assets) -> Response:
    """Open Manifests in Mirador."""
    here: Reader = g.reader
    opened = opening.windows(request.args, site)
    if MIRADOR not in files:
        return _without_viewers(site)
    settings = {
        "language": here.language,
        "languages": {code: reader(code, ()).say("autonym") for code in g.about.languages},
        "windows": [
            {"manifest": each.manifest, "canvas": each.canvas, "region": each.region}
            for each in opened
        ],
        "catalog": list(site.catalog()),
    }
    rules = policy(site, style_src=EMPTY_STYLE)
    return page("viewer.html", rules, script=MIRADOR, settings=settings)


def _image(site: Site, files: Assets) -> Response:
    """Show one image, named by the address of its info.json."""
    here: Reader = g.reader
    identifier = opening.image_of(opening.asked(request.args, "image"), site)
    if ZOOM not in files:
        return _without_viewers(site)
    service = site.urls().image_service(3, identifier)
    label = identifier.rpartition("/")[2]
    # how large it is the browser will know: a region is cut to the image there
    region = opening.box(request.args.get("xywh", ""), _ANY_SIDE, _ANY_SIDE)
    zoom = _settings(here, site, View(0, region, opening.turned(request.args))) | {
        "record": "",
        "pages": [{"page": "", "service": service, "canvas": "", "label": label, "mm": None}],
        "is_rtl": False,
        "manifest": "",
        "link": f"{site.urls().home(here.language)}viewer?image={service}/info.json",
        "embed": "",
        "embed_code": "",
        "compare": "",
        "citation": "",
    }
    return page("image.html", policy(site), zoom=zoom, label=label)


def _embed(site: Site, files: Assets, identifier: str) -> Response:
    """Show a record within a page of any origin."""
    record = site.record(identifier)
    if not record["canvases"]:
        raise NotFound(f"{identifier} has no scans yet", parameter="identifier")
    seen = opening.view(request.args, record, site)
    zoom = _zoom(record, site, seen) | {"keeps_address": False}
    response = page(
        "embed.html",
        policy(site, frame_ancestors="*"),
        place=f"embed/{encode_identifier(identifier)}",
        record=record,
        shown=record["canvases"][seen.shown],
        zoom=zoom if ZOOM in files else None,
    )
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def _without_viewers(site: Site) -> Response:
    title = g.reader.say("no_viewers")
    return page("message.html", policy(site), status=503, title=title, detail="")
