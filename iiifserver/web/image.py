"""The views of the Image API: what is ready was answered before them, by `tiles.py`.

Image API 3.0: https://iiif.io/api/image/3.0/
Image API 2.1: https://iiif.io/api/image/2.1/
"""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, redirect, request
from werkzeug.wrappers import Response as BaseResponse

from iiifserver.errors import BadRequest, NotFound
from iiifserver.image.request import ImageRequest, Version
from iiifserver.image.service import Images
from iiifserver.urls import INFO, Urls, split_image_path

from .answers import Answer, Answers


def blueprint(images: Images, answers: Answers, urls: Callable[[], Urls]) -> Blueprint:
    """Return the views of both versions of the Image API."""
    views = Blueprint("image", __name__)

    @views.get("/iiif/<any('3','2'):number>/<path:path>")
    def image(number: str, path: str) -> BaseResponse:
        """Serve an image's base URI, info.json or pixels, whichever *path* ends in."""
        version: Version = 3 if number == "3" else 2
        if path.endswith(f"/{INFO}"):
            identifier = path.removesuffix(f"/{INFO}")
            return _response(answers.information(request.environ, version, identifier, urls()))
        parts, malformed = split_image_path(path), None
        if parts:
            try:
                asked = ImageRequest.parse(version, *parts.segments)
            except BadRequest as error:
                malformed = error
            else:
                name = parts.identifier
                return _response(answers.picture(request.environ, version, name, asked, urls()))
        whole = path.removesuffix("/")
        try:
            images.find(whole)
        except NotFound:
            if parts and malformed and _names(images, parts.identifier):
                raise malformed from None
            raise
        # Image API 3.0, 2: https://iiif.io/api/image/3.0/#2-uri-syntax
        return redirect(urls().info(version, whole), 303)

    return views


def _response(answer: Answer) -> Response:
    response = Response(answer.body, answer.status, answer.headers)
    response.automatically_set_content_length = False  # of HEAD there is none to count
    return response


def _names(images: Images, identifier: str) -> bool:
    try:
        images.find(identifier)
    except NotFound:
        return False
    return True
