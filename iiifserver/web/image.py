"""The Image API over HTTP: thin views that parse, ask and wrap.

Image API 3.0: https://iiif.io/api/image/3.0/
Image API 2.1: https://iiif.io/api/image/2.1/
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from urllib.parse import quote

import orjson
from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from iiifserver.errors import BadRequest, NotFound
from iiifserver.image.info import CONTEXT, PROFILE, Description, info
from iiifserver.image.request import ImageRequest, OutputFormat, Version
from iiifserver.image.service import Images, Planned
from iiifserver.urls import INFO, Urls, split_image_path

MEDIA_TYPES: dict[OutputFormat, str] = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
    "avif": "image/avif",
    "tif": "image/tiff",
    "gif": "image/gif",
    "jp2": "image/jp2",
    "pdf": "application/pdf",
}
JSON = "application/json"
JSON_LD = "application/ld+json"


def blueprint(images: Images, urls: Callable[[], Urls], max_age_s: int) -> Blueprint:
    """Return the views of both versions of the Image API."""
    views = Blueprint("image", __name__)
    cache_control = f"public, max-age={max_age_s}"

    @views.get("/iiif/<any('3','2'):number>/<path:path>")
    def image(number: str, path: str) -> BaseResponse:
        """Serve an image's base URI, info.json or pixels, whichever *path* ends in."""
        version: Version = 3 if number == "3" else 2
        parts, malformed = split_image_path(path), None
        if parts:
            try:
                asked = ImageRequest.parse(version, *parts.segments)
            except BadRequest as error:
                malformed = error
            else:
                return pixels(version, images.plan(parts.identifier, asked))
        if path.endswith(f"/{INFO}"):
            return information(version, path.removesuffix(f"/{INFO}"))
        whole = path.removesuffix("/")
        try:
            images.find(whole)
        except NotFound:
            if parts and malformed and _names(images, parts.identifier):
                raise malformed from None
            raise
        # Image API 3.0, 2: https://iiif.io/api/image/3.0/#2-uri-syntax
        return redirect(urls().info(version, whole), 303)

    def pixels(version: Version, planned: Planned) -> Response:
        image, plan = planned.image, planned.plan
        unchanged = request.if_none_match.contains_weak(planned.etag)
        response = Response(b"" if unchanged else images.render(planned))
        response.status_code = 304 if unchanged else 200
        if not unchanged:
            response.content_type = MEDIA_TYPES[plan.format]
            name = f"{image.source.identifier}_{plan.canonical}".replace("/", "_")
            response.headers["Content-Disposition"] = _disposition(name, "download" in request.args)
        response.set_etag(planned.etag)
        response.headers["Cache-Control"] = cache_control
        service = urls().image_service(version, image.source.identifier)
        # one header: clients that look no further than the first Link find both
        canonical = f'<{service}/{plan.canonical}>;rel="canonical"'
        response.headers["Link"] = f'{canonical}, <{PROFILE[version]}>;rel="profile"'
        return response

    def information(version: Version, identifier: str) -> Response:
        image = images.describe(identifier)
        service = urls().image_service(version, image.source.identifier)
        rights, alpha = image.source.rights, image.header.alpha
        description = Description(service, image.dimensions, image.tile, rights, alpha)
        body = orjson.dumps(info(version, description, images.limits))
        media_type = _json_type(version)
        etag = hashlib.blake2b(body + media_type.encode(), digest_size=16).hexdigest()
        unchanged = request.if_none_match.contains_weak(etag)
        response = Response(b"" if unchanged else body, 304 if unchanged else 200)
        response.set_etag(etag)
        response.content_type = media_type
        response.headers["Cache-Control"] = cache_control
        response.headers["Vary"] = "Accept"
        link = f'<{PROFILE[version]}>;rel="profile"'
        if media_type == JSON:
            relation = "http://www.w3.org/ns/json-ld#context"
            link += f', <{CONTEXT[version]}>;rel="{relation}";type="{JSON_LD}"'
        response.headers["Link"] = link
        return response

    return views


def _names(images: Images, identifier: str) -> bool:
    try:
        images.find(identifier)
    except NotFound:
        return False
    return True


def _json_type(version: Version) -> str:
    """Return the media type of info.json that `Accept` asks for.

    3.0 prefers JSON-LD and 2.1 plain JSON: https://iiif.io/api/image/3.0/#51-image-information-request
    """
    offered = (JSON_LD, JSON) if version == 3 else (JSON, JSON_LD)
    chosen = max(offered, key=_wish)
    return f'{JSON_LD};profile="{CONTEXT[version]}"' if chosen == JSON_LD else JSON


def _wish(media_type: str) -> float:
    """Return how much `Accept` wishes for *media_type*, 0 to 1, whatever its parameters."""
    wishes = sorted(request.accept_mimetypes, key=lambda wish: wish[1])  # the strongest counts
    asked = {value.partition(";")[0].strip(): q for value, q in wishes}
    names = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((asked[name] for name in names if name in asked), 0 if asked else 1)


def _disposition(name: str, download: bool) -> str:
    kind = "attachment" if download else "inline"
    name = name[-150:]
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.,!^") else "_" for c in name)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
