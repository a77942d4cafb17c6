"""Damage on a disk is found, a bit anywhere in what is published; what is whole is not accused."""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from pathlib import Path

import pytest
from click.testing import CliRunner
from image_sources import picture
from small_exhibition import Small
from store_servers import S3

from iiifserver.cli import main
from iiifserver.edition import numbers, read_index
from iiifserver.errors import Away, ConfigurationError
from iiifserver.publish.fixity import verify
from iiifserver.stores import download, opened

_count = itertools.count()


@pytest.fixture
def small(tmp_path: Path) -> Small:
    """A published exhibition, of whose scans one is large enough to get a pyramid."""
    found = Small(tmp_path / "x")
    picture(2_000, 1_500).save(found.scans / "a1" / "1.png")
    found.publish(base_url="http://archive.example")
    return found


def flip(path: Path, place: int) -> None:
    body = bytearray(path.read_bytes())
    body[place] ^= 1
    path.write_bytes(body)


def files(small: Small, pattern: str) -> list[Path]:
    return sorted(path for path in small.data.glob(pattern) if path.is_file())


def test_what_is_whole_is_whole(small: Small) -> None:
    found = verify(small.data)
    assert found.damaged == []
    assert found.unknown == 0
    assert found.objects == len(files(small, "objects/*/*"))
    assert found.pyramids == 6
    assert len(files(small, "pyramids/*.tif")) == 1


@pytest.mark.parametrize("pattern", ["objects/*/*", "pyramids/*.tif", "pyramids/*.tiles"])
@pytest.mark.parametrize("place", [0, -1, 0.5])
def test_one_bit_is_found_mended_by_publishing_again_and_gone(
    small: Small, pattern: str, place: float
) -> None:
    path = files(small, pattern)[0]
    flip(path, int(place) if place in (0, -1) else path.stat().st_size // 2)
    (damage,) = verify(small.data).damaged
    assert path.stem == Path(damage.path).stem
    Path(damage.path).unlink()
    assert verify(small.data).damaged
    small.publish(base_url="http://archive.example")
    assert verify(small.data).damaged == []


def test_damage_names_the_record_or_the_page(small: Small) -> None:
    flip(files(small, "pyramids/*.tif")[0], 2_000)
    unit = read_index(small.data, numbers(small.data)[-1])["units"]["a2"]["object"]
    flip(small.data / "objects" / unit[:2] / unit, 300)
    assert {each.of for each in verify(small.data).damaged} == {"a1-1", "the documents of a2"}


def test_the_command_tells_the_operator_and_ends_with_1(small: Small) -> None:
    def said(*arguments: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["verify", "--data", str(small.data), *arguments])
        return done.exit_code, done.output

    assert said()[0] == 0
    assert "6 pyramids read, 0 damaged" in said()[1]
    path = files(small, "pyramids/*.tif")[0]
    flip(path, -1)
    code, output = said()
    assert code == 1
    assert str(path) in output
    assert "a1-1" in output
    code, output = said("--json")
    assert code == 1
    assert [each["of"] for each in json.loads(output)["damaged"]] == ["a1-1"]


# -- in a store


@pytest.fixture
def stored(small: Small, s3: S3) -> str:
    """A bucket that has all of it; nothing else of it is left."""
    home = f"{s3.bucket(f'fixity{next(_count)}')}/archive"
    small.publish(base_url="http://archive.example", store=home)
    return home


def flip_there(home: str, key: str, small: Small) -> None:
    """Change the last bit of an object."""
    path = small.data / "flipped"
    download(opened(home), key, path, 1 << 30)
    flip(path, -1)
    opened(home).put_file(key, path)


def test_what_is_whole_in_a_store_is_whole_and_all_of_it_is_read(stored: str, s3: S3) -> None:
    s3.asked.clear()
    found = verify(stored)
    assert (found.damaged, found.unknown, found.pyramids) == ([], 0, 2)  # one is of five pages
    keys = {key.key for part in ("objects", "pyramids") for key in opened(stored).list(part)}
    assert {each.path.partition("/archive/")[2] for each in s3.asked} >= keys
    assert found.objects + 2 * found.pyramids == len(keys)


@pytest.mark.parametrize("kind", ["objects/", ".tif", ".png", ".tiles"])
def test_one_bit_in_a_store_is_found_and_mended_by_publishing_again(
    small: Small, stored: str, kind: str
) -> None:
    keys = [key.key for part in ("objects", "pyramids") for key in opened(stored).list(part)]
    key = next(each for each in keys if kind in each)
    flip_there(stored, key, small)
    (damage,) = verify(stored).damaged
    assert damage.path.rpartition("/")[2].partition(".")[0] in key
    assert damage.path.startswith(stored)
    opened(stored).delete([damage.path.removeprefix(f"{stored}/")])
    assert len(verify(stored).damaged) == 1
    small.publish(base_url="http://archive.example", store=stored)
    assert verify(stored).damaged == []


def test_the_command_looks_at_the_store_that_is_set(
    small: Small, stored: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IIIFSERVER_STORE", stored)
    done = CliRunner().invoke(main, ["verify", "--data", str(small.data)])
    assert (done.exit_code, "2 pyramids read, 0 damaged" in done.output) == (0, True)
    key = next(key.key for key in opened(stored).list("pyramids") if key.key.endswith(".tif"))
    flip_there(stored, key, small)
    done = CliRunner().invoke(main, ["verify", "--data", str(small.data)])
    assert done.exit_code == 1
    assert f"{stored}/{key}" in done.output


def test_a_store_that_is_away_is_not_called_damaged(stored: str, s3: S3) -> None:
    with s3.away(), pytest.raises(Away):
        verify(stored)


def test_where_nothing_is_published_nothing_is_whole(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="nothing is published"):
        verify(tmp_path)


def test_a_sidecar_of_an_older_program_is_not_called_damaged(small: Small) -> None:
    for path in files(small, "pyramids/*.tiles"):
        _forget(path)
    found = verify(small.data)
    assert (found.unknown, found.damaged) == (6, [])


def _forget(path: Path) -> None:
    data = path.read_bytes()
    end = 16 + struct.unpack_from("<I", data, 8)[0]
    line, _, numbers = data[16:end].partition(b"\n")
    about = json.loads(line)
    del about["checks"]
    body = json.dumps(about, separators=(",", ":")).encode() + b"\n" + numbers
    head = struct.pack("<II", len(body), zlib.crc32(body))
    path.write_bytes(data[:8] + head + body + data[end:])
