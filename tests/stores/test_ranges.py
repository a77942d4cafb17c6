"""An object of a store as a file: the bytes of any place, few requests, one version."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from store_servers import S3

from iiifserver.errors import Replaced
from iiifserver.stores import Key, opened
from iiifserver.stores.ranges import BLOCK_BYTES, Ranges

_count = itertools.count()
BODY = os.urandom(3 * BLOCK_BYTES + 77)


def ranges(home: Path | str, key: str) -> Ranges:
    [found] = opened(home).list(key.rpartition("/")[0])
    return Ranges(opened(home), key, found.identity, found.size_bytes)


@pytest.fixture(params=["folder", "bucket"])
def home(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """A store of each kind that has `r/a`."""
    if request.param == "folder":
        home: Path | str = tmp_path / "store"
    else:
        s3 = request.getfixturevalue("s3")
        home = f"{s3.bucket(f'ranges{next(_count)}')}/x"
    opened(home).create("r/a", BODY)
    return home


def test_a_list_tells_the_identity_of_what_is_read(home: Path | str) -> None:
    [listed] = opened(home).list("r")
    read = opened(home).read("r/a", 0, 9)
    assert isinstance(listed, Key)
    assert (listed.identity, listed.size_bytes) == (read.identity, len(BODY))
    assert [key.key for key in opened(home).list("")] == ["r/a"]


@settings(max_examples=60, deadline=None)
@given(
    reads=st.lists(
        st.tuples(st.integers(0, len(BODY) + 9), st.integers(0, 2 * BLOCK_BYTES)), max_size=6
    )
)
def test_any_reads_give_the_bytes_of_the_file(
    reads: list[tuple[int, int]], tmp_path_factory
) -> None:
    path = tmp_path_factory.getbasetemp() / "ranged"
    path.write_bytes(BODY)
    status = opened(path.parent).read(path.name, 0, 1)
    file = Ranges(opened(path.parent), path.name, status.identity, len(BODY))
    with path.open("rb") as other:
        for offset, length in reads:
            assert file.pread(offset, length) == BODY[offset : offset + length]
            assert file.seek(offset) == other.seek(offset)
            assert file.read(length) == other.read(length)
            assert file.tell() == other.tell()
        assert file.seek(-5, os.SEEK_END) == other.seek(-5, os.SEEK_END)
        assert file.read() == other.read()


def test_no_byte_of_a_header_is_asked_for_twice(s3: S3) -> None:
    home = s3.bucket(f"ranges{next(_count)}")
    opened(home).create("r/a", BODY)
    file = ranges(home, "r/a")
    s3.asked.clear()
    for offset in range(0, BLOCK_BYTES - 40, 500):
        assert file.pread(offset, 40) == BODY[offset : offset + 40]
    across = file.pread(BLOCK_BYTES - 2, 2 * BLOCK_BYTES)
    assert across == BODY[BLOCK_BYTES - 2 : 3 * BLOCK_BYTES - 2]
    assert [each.range for each in s3.asked] == [
        f"bytes=0-{BLOCK_BYTES - 1}",
        f"bytes={BLOCK_BYTES}-{3 * BLOCK_BYTES - 1}",
    ]


def test_who_reads_much_is_given_it_by_one_request_that_is_not_kept(s3: S3) -> None:
    home, body = s3.bucket(f"ranges{next(_count)}"), os.urandom(3 << 20)
    opened(home).create("r/a", body)
    file = ranges(home, "r/a")
    s3.asked.clear()
    assert file.pread(9, 2 << 20) == body[9 : 9 + (2 << 20)]
    assert [each.range for each in s3.asked] == [f"bytes=9-{(2 << 20) + 8}"]
    assert file._blocks == {}


def test_another_version_is_never_read_on(home: Path | str, tmp_path: Path) -> None:
    file = ranges(home, "r/a")
    assert file.pread(0, 9) == BODY[:9]
    other = tmp_path / "other"
    other.write_bytes(os.urandom(len(BODY)))
    opened(home).put_file("r/a", other)
    assert file.pread(0, 9) == BODY[:9], "what was read of the one that was there"
    with pytest.raises(Replaced):
        file.pread(2 * BLOCK_BYTES, 9)
    assert isinstance(file.failed, Replaced)
