"""Forgetting what was made of images: pictures that are kept, and pyramids of a folder's scans."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from iiifserver.cache import Directory
from iiifserver.config import Config
from iiifserver.errors import NotFound
from iiifserver.sources import Folder

from .form import Form
from .kept import Kept
from .masters import FOLDER, stem_of


def purge(config: Config, identifiers: Iterable[str]) -> dict[str, int]:
    """Return how many files of each image were deleted, by its whole name.

    Where a folder is served names may lack their ending; what is not in it any more is forgotten
    too, under the name that is given.
    """
    derived, folder = Directory.of(config), Folder(Path(config.folder)) if config.folder else None
    kept, form = Kept(config.data / FOLDER, 0), Form.of(config)
    gone: dict[str, int] = {}
    for name in identifiers:
        try:
            source = folder.find(name) if folder else None
        except NotFound:
            source = None
        identifier = source.identifier if source else name
        gone[identifier] = derived.purge(identifier)
        if source:
            gone[identifier] += kept.drop(stem_of(source, form))
    return gone


def purge_all(config: Config) -> int:
    """Return how many pictures were deleted of all images; pyramids stay."""
    return Directory.of(config).purge_all()
