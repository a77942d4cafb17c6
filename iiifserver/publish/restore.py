"""An edition that was copied: whether all of it came, and where its scans lie now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from iiifserver.edition import current, object_path, pyramid_path, read_index

from .edition import Published, Store, writing


class Restored(NamedTuple):
    """The edition that is served now, and what is missing of it: then nothing was changed."""

    published: Published
    missing: list[str]


def restore(data: Path, images: Path | None = None) -> Restored:
    """Let the current edition in *data* find its scans in *images*, if all that it needs is there.

    Without *images* its scans are looked for where they were when it was published.

    Raises:
        ConfigurationError: nothing is published in *data*.
    """
    store = Store(data)
    with writing(data):
        while True:
            number = current(data).number
            index = read_index(data, number)
            if images is not None:
                index["images_root"] = str(images.resolve())
            missing = list(_missing(data, index))
            if missing:
                return Restored(Published(number, changed=False), missing)
            published = store.switch_from(number, index)
            if published:
                return Restored(published, [])


def _missing(data: Path, index: dict[str, Any]) -> Iterator[str]:
    for name, unit in index["units"].items():
        if not object_path(data, unit["object"]).exists():
            yield f"the documents of {name or 'the site'}"
    root = index["images_root"]
    for identifier, image in index["images"].items():
        if image.get("pyramid"):
            if not pyramid_path(data, image["pyramid"]).exists():
                yield f"the pyramid of {identifier}"
        elif "://" not in root and not (Path(root) / image["file"]).exists():
            yield f"the scan of {identifier}: {root}/{image['file']}"
