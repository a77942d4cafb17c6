"""What is to be opened, and where: asked for in an address, or pointed to by a content state.

Only what this server publishes is opened, and only what is there: everything is looked up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import unquote

from werkzeug.datastructures import MultiDict

from iiifserver.errors import BadRequest, Elsewhere, NotFound
from iiifserver.presentation import contentstate
from iiifserver.presentation.contentstate import PARAMETER, Target
from iiifserver.presentation.shown import RecordPage
from iiifserver.urls import PresentationPath, Urls, presentation_paths

from .site import Site

MAX_ADDRESS_CHARACTERS = contentstate.MAX_ADDRESS_CHARACTERS
_PRESENTATION = "/presentation/"
_IMAGE_INFO = re.compile(r"/iiif/[23]/(.+)/info\.json", re.DOTALL)
_OPENED = ("manifest", "collection")
_TURNS = ("0", "90", "180", "270")

Box = tuple[int, int, int, int]
"""Left, top, width and height in whole pixels."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A Manifest or Collection, and what of it is to be seen first."""

    manifest: str
    """Its address."""
    canvas: str | None = None
    """The id of a Canvas."""
    region: Box | None = None


class View(NamedTuple):
    """What is seen of a record: which of its canvases, and how."""

    shown: int = 0
    """Its place among the canvases."""
    region: Box | None = None
    rotation: int = 0


def asked(args: MultiDict[str, str], name: str) -> str:
    """Return the address that the parameter *name* holds, empty where there is none.

    Raises:
        BadRequest: it is longer than addresses are.
    """
    text = args.get(name, "")
    if len(text) > MAX_ADDRESS_CHARACTERS:
        why = f"{name}: longer than {MAX_ADDRESS_CHARACTERS} characters"
        raise BadRequest(why, parameter=name)
    return text


def windows(args: MultiDict[str, str], site: Site) -> list[Opened]:
    """Return what is to be opened in a workspace: what the content state says, else `manifest`.

    Raises:
        BadRequest: a parameter cannot be read.
        Elsewhere: it is not ours.
        NotFound: it is not there.
    """
    if PARAMETER in args:
        return [opened(target, site) for target in contentstate.decode(args[PARAMETER])]
    manifest, canvas = asked(args, "manifest"), asked(args, "canvas")
    if not manifest:
        return []
    return [_window(ours(manifest, site.urls()), canvas, site)]


def _window(address: str, canvas: str, site: Site) -> Opened:
    for place in _places(address, site.urls()):
        if place.kind in _OPENED and site.is_published(place):
            if not canvas:
                return Opened(address)
            document = site.manifest(place.identifier) if place.kind == "manifest" else None
            if found := document and _canvas(document, canvas):
                return Opened(address, found["id"])
    raise NotFound(f"nothing of the kind is at {address}", parameter="manifest")


def opened(target: Target, site: Site) -> Opened:
    """Return what *target* points to.

    Raises:
        BadRequest: its region lies beside its Canvas.
        Elsewhere: it is not ours.
        NotFound: it is not there.
    """
    urls = site.urls()
    address = ours(target.address, urls)
    for place in _places(address, urls):
        if place.kind in _OPENED:
            if site.is_published(place):
                return Opened(address)
            continue
        manifest = _containing(target, place, urls)
        document = site.manifest(manifest.identifier)
        canvas = document and _canvas(document, address)
        if document and canvas:
            region = _box(target.region, canvas["width"], canvas["height"])
            return Opened(urls.manifest(manifest.identifier), canvas["id"], region)
    raise NotFound(f"there is nothing at {address}", parameter=PARAMETER)


def places(text: str, site: Site) -> list[tuple[str, Box | None]]:
    """Return what the content state *text* points to as `record/page`, each with its region.

    A Manifest is taken for the record that it is of: the page is left out.

    Raises:
        BadRequest, Elsewhere, NotFound: as `opened` does.
    """
    found = [opened(target, site) for target in contentstate.decode(text)]
    return [(_name(each, site.urls()), each.region) for each in found]


def _name(seen: Opened, urls: Urls) -> str:
    place = next(_places(seen.canvas or seen.manifest, urls))
    return f"{place.identifier}/{place.name}" if seen.canvas else place.identifier


def view(args: MultiDict[str, str], record: RecordPage, site: Site) -> View:
    """Return what of *record* is to be seen: `iiif-content`, else `canvas`, `xywh` and `rotation`.

    Raises:
        BadRequest: a parameter cannot be read.
        Elsewhere: the content state points to something that is not ours.
        NotFound: the record has no such canvas.
    """
    if PARAMETER in args:
        return _view_of_state(args[PARAMETER], record, site)
    index = canvas_index(record, args.get("canvas", ""))
    canvas = record["canvases"][index]
    region = box(args.get("xywh", ""), canvas["width"], canvas["height"])
    return View(index, region, turned(args))


def canvas_index(record: RecordPage, page: str) -> int:
    """Return the place of the canvas *page* among those of *record*, the first where it is empty.

    Raises:
        NotFound: there is none.
    """
    pages = [canvas["page"] for canvas in record["canvases"]]
    if pages and not page:
        return 0
    if page not in pages:
        raise NotFound(f"{record['identifier']} has no page {page[:100]!r}", parameter="canvas")
    return pages.index(page)


def box(xywh: str, width: int, height: int) -> Box | None:
    """Return the region *xywh* of a canvas of this size, None where it is empty."""
    return _box(contentstate.region(f"xywh={xywh}", "xywh") if xywh else None, width, height)


def turned(args: MultiDict[str, str]) -> int:
    """Return by how many degrees all is turned, a quarter at a time."""
    text = args.get("rotation", "0")
    if text not in _TURNS:
        raise BadRequest(f"rotation: one of {', '.join(_TURNS)}", parameter="rotation")
    return int(text)


def image_of(info: str, site: Site) -> str:
    """Return the identifier of the image whose info.json has the address *info*.

    Raises:
        Elsewhere: it is not ours.
        NotFound: it is no info.json's, or no image of ours has it.
    """
    urls = site.urls()
    found = _IMAGE_INFO.fullmatch(unquote(ours(info, urls).removeprefix(urls.base_url)))
    if not found:
        raise NotFound(f"no image has its information at {info}", parameter="image")
    site.find(found[1])
    return found[1]


def ours(address: str, urls: Urls) -> str:
    """Return *address* as it is, if it lies under base_url, however a browser reads it.

    Raises:
        Elsewhere: it does not.
    """
    path = unquote(address.removeprefix(urls.base_url))
    if (
        address.startswith(f"{urls.base_url}/")
        and not {".", ".."} & set(path.replace("\\", "/").split("/"))
        and address.isprintable()
    ):
        return address
    raise Elsewhere(address)


def _places(address: str, urls: Urls) -> Iterator[PresentationPath]:
    path = unquote(address.removeprefix(urls.base_url))
    if path.startswith(_PRESENTATION):
        yield from presentation_paths(path.removeprefix(_PRESENTATION))


def _containing(target: Target, place: PresentationPath, urls: Urls) -> PresentationPath:
    """Return the Manifest in which to look for *target*: where it says so, else its own."""
    if target.part_of:
        for manifest in _places(ours(target.part_of, urls), urls):
            if manifest.kind == "manifest":
                return manifest
    return PresentationPath(3, place.identifier, "manifest")


def _canvas(manifest: Mapping[str, Any], address: str) -> Mapping[str, Any] | None:
    """Return the Canvas of *manifest* that has this id, or with which the Range that has it begins.

    https://iiif.io/api/presentation/3.0/#start
    """
    starts = {
        each["id"]: each.get("start", {}).get("id")
        for each in _ranges(manifest.get("structures", ()))
    }
    wanted = starts.get(address) or address
    return next((canvas for canvas in manifest["items"] if canvas["id"] == wanted), None)


def _ranges(items: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for item in items:
        if item.get("type") == "Range":
            yield item
            yield from _ranges(item.get("items", ()))


def _view_of_state(text: str, record: RecordPage, site: Site) -> View:
    """Return the first of what the content state *text* points to that *record* holds."""
    identifier, urls = record["identifier"], site.urls()
    ids = [urls.canvas(identifier, canvas["page"]) for canvas in record["canvases"]]
    for each in [opened(target, site) for target in contentstate.decode(text)]:
        if each.canvas in ids:
            return View(ids.index(each.canvas), each.region)
        if each.manifest == urls.manifest(identifier):
            return View()
    raise NotFound(f"{identifier} does not hold what is pointed to", parameter=PARAMETER)


def _box(region: contentstate.Region | None, width: int, height: int) -> Box | None:
    if region is None:
        return None
    found = region.within(width, height)
    if found is None:
        raise BadRequest(f"xywh: {region} lies beside {width}x{height}", parameter="xywh")
    return found
