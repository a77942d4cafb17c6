"""An edition that was copied: whether all of it came, and where its scans lie now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from iiifserver.edition import (
    OBJECTS,
    PYRAMIDS,
    current,
    object_key,
    pyramid_key,
    read_index,
    sidecar_name,
)
from iiifserver.errors import ConfigurationError
from iiifserver.homes import Home, shown
from iiifserver.stores import opened

from .edition import Published, Store, writing


class Restored(NamedTuple):
    """The edition that is served now, and what is missing of it: then nothing was changed."""

    published: Published
    missing: list[str]


def restore(home: Home, images: Path | None = None) -> Restored:
    """Let the current edition in *home* find its scans in *images*, if all that it needs is there.

    Without *images* its scans are looked for where they were when it was published. Of a store
    there are none to be found: it has all that it needs.

    Raises:
        ConfigurationError: nothing is published in *home*, or it is a store and *images* are given.
        RequestError: a store cannot be asked what it has.
    """
    if images is not None and not isinstance(home, Path):
        raise ConfigurationError(f"{shown(home)} needs no scans: a store has copies of them")
    store = Store(home)
    with writing(home):
        while True:
            number = current(home).number
            index = read_index(home, number)
            if images is not None:
                index["images_root"] = str(images.resolve())
            missing = list(_missing(home, index))
            if missing or not isinstance(home, Path):
                return Restored(Published(number, changed=False), missing)
            published = store.switch_from(number, index)
            if published:
                return Restored(published, [])


def _missing(home: Home, index: dict[str, Any]) -> Iterator[str]:
    there = {key.key for part in (OBJECTS, PYRAMIDS) for key in opened(home).list(part)}
    for name, unit in index["units"].items():
        if object_key(unit["object"]) not in there:
            yield f"the documents of {name or 'the site'}"
    root = index["images_root"]
    for identifier, image in index["images"].items():
        pyramid = image.get("pyramid")
        if pyramid:
            # without its sidecar a folder goes on, slowly; a store does not say what it has
            needed = {pyramid, *(() if isinstance(home, Path) else (sidecar_name(pyramid),))}
            if not {pyramid_key(each) for each in needed} <= there:
                yield f"the pyramid of {identifier}"
        elif not isinstance(home, Path) or not (Path(root) / image["file"]).exists():
            yield f"the scan of {identifier}: {root}/{image['file']}"
