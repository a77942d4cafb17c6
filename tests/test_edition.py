"""Reading editions: which is the current one, and what cannot be read."""

import os
from pathlib import Path

import orjson
import pytest
from small_exhibition import Small

from iiifserver.edition import Current, current, index_path, object_path, read_unit
from iiifserver.errors import ConfigurationError
from iiifserver.publish.edition import Store
from iiifserver.publish.objects import Unlinked, pack


class Clock:
    """A clock that stands still until it is told to go on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    made.publish()
    return made


def change(small: Small, title: str) -> None:
    small.titles["a1"] = title
    small.write()
    small.publish()


def manifest(edition, identifier="a1"):
    return orjson.loads(edition.document(identifier, "3/manifest").codings["identity"].read())


def test_the_highest_number_is_current(small):
    change(small, "Changed")
    assert current(small.data).number == 2
    assert manifest(current(small.data))["label"] == {"en": ["Changed"]}


def test_a_new_edition_is_noticed_within_a_second(small):
    clock = Clock()
    seen = Current(small.data, clock)
    assert seen.get().number == 1
    change(small, "Changed")
    assert seen.get().number == 1  # not looked at again yet
    clock.now = 1.0
    assert seen.get().number == 2


def test_documents_of_an_old_edition_stay_while_it_is_kept(small):
    old = current(small.data)
    before = manifest(old)
    change(small, "Changed")
    assert manifest(old) == before


def test_nothing_stands_under_other_names(small):
    edition = current(small.data)
    assert edition.unit("../editions") is None
    assert edition.document("a1", "2/collection") is None


def test_an_empty_folder_says_what_to_do(tmp_path):
    with pytest.raises(ConfigurationError, match=r"nothing is published in .*iiifserver publish"):
        current(tmp_path / "nowhere")


def test_another_format_stops_the_start_and_is_named(small):
    index = orjson.loads(index_path(small.data, 1).read_bytes())
    index_path(small.data, 2).write_bytes(orjson.dumps(index | {"format": 99}))
    with pytest.raises(ConfigurationError, match=r"edition 2 .* format 99, not 2"):
        Current(small.data)


@pytest.mark.parametrize("body", [b'{"format":99}', b"{", b""])
def test_an_index_that_cannot_be_read_leaves_the_old_edition(small, body):
    clock = Clock()
    seen = Current(small.data, clock)
    index_path(small.data, 2).write_bytes(body)
    clock.now = 5.0
    assert seen.get().number == 1
    index_path(small.data, 2).unlink()
    change(small, "Changed")
    clock.now = 10.0
    assert seen.get().number == 2


def test_images_are_found_by_the_identifiers_of_pages(small):
    images = current(small.data).images
    assert images.find("a2-1").path == small.scans.resolve() / "a2" / "1.png"
    assert len(images.files) == len(list(images.files)) == 6


def test_a_long_head_is_read_whole(tmp_path):
    many = [f"record-{number}" for number in range(5_000)]
    packed = pack({"a": Unlinked(b"{}", "x")}, {}, many, "https://x.org")
    Store(tmp_path).put(packed)
    unit = read_unit(object_path(tmp_path, packed.digest))
    assert list(unit.images) == many
    assert unit.documents["a"].codings["identity"].read() == b"{}"


def test_a_torn_object_is_an_error_and_no_endless_loop(small):
    entry = current(small.data).units["a1"]
    path = object_path(small.data, entry["object"])
    os.truncate(path, 40)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_unit(path)
