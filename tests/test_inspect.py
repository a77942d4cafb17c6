"""What is told of an image is what the server does with it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from small_exhibition import Small, png

from iiifserver.cli import main
from iiifserver.config import Config
from iiifserver.errors import ConfigurationError, NotFound
from iiifserver.inspect import fix, inspect


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inspect")
    noise = np.random.default_rng(1).integers(0, 255, (1300, 1700, 3), np.uint8)
    Image.fromarray(noise).save(folder / "large.jpg")
    Image.new("L", (300, 200), 90).save(folder / "small.png")
    (folder / "text.tif").write_bytes(b"no image")
    return folder


def config(scans: Path, tmp_path: Path) -> Config:
    return Config(folder=str(scans), data=tmp_path / "data")


def test_a_flat_scan_is_slow_until_it_is_fixed(scans: Path, tmp_path: Path) -> None:
    where = config(scans, tmp_path)
    found = inspect("large", where)
    assert (found.facts["format"], found.facts["width"], found.facts["tiles"]) == (
        *("jpeg", 1700, "none"),
    )
    assert {each.way for each in found.served} == {"whole decode"}
    assert "--fix makes its pyramid" in found.advice[0]
    assert all(each.measured_ms > 0 and each.foreseen_ms > 0 for each in found.served)
    assert fix("large", where) == "its pyramid was made"
    after = inspect("large", where)
    assert {each.way for each in after.served} == {"stored tile"}
    assert (after.facts["tiles"], after.facts["sidecar"]) == ("512 x 512", True)
    assert after.advice == ("nothing: every tile that a viewer asks for stands ready",)
    assert fix("large", where) == "nothing is missing"


def test_a_small_scan_is_well_as_it_is(scans: Path, tmp_path: Path) -> None:
    found = inspect("small.png", config(scans, tmp_path))
    assert (found.facts["colours"], found.facts["compression"]) == ("gray", "lossless")
    assert found.advice == ("nothing: it is small enough to be served as it is",)


def test_a_file_that_nobody_serves_gets_a_pyramid_beside_it(scans: Path, tmp_path: Path) -> None:
    copy = tmp_path / "large.jpg"
    copy.write_bytes((scans / "large.jpg").read_bytes())
    nowhere = Config(data=tmp_path / "data")
    assert "--fix puts one beside it" in inspect(str(copy), nowhere).advice[0]
    assert "large.pyramid.tif was made" in fix(str(copy), nowhere)
    made = inspect(str(tmp_path / "large.pyramid.tif"), nowhere)
    assert made.facts["levels"] == ["1700 x 1300", "850 x 650", "425 x 325"]
    with pytest.raises(ConfigurationError, match="is there already"):
        fix(str(copy), nowhere)
    assert inspect(str(copy), nowhere).facts["bytes"] == copy.stat().st_size


def test_what_is_published_is_called_by_its_identifier(tmp_path: Path) -> None:
    small = Small(tmp_path)
    (small.scans / "a1" / "1.png").write_bytes(png(1_100, 1_000))
    small.publish()
    found = inspect("a1-1", small.config())
    assert {each.way for each in found.served} == {"stored tile"}
    with pytest.raises(NotFound):
        inspect("none", small.config())


def test_an_image_of_another_source_is_called_by_its_prefix(scans: Path, tmp_path: Path) -> None:
    config = Config(folder=str(tmp_path), data=tmp_path / "data", sources=(f"maps={scans}",))
    assert inspect("maps/small.png", config).facts["width"] == 300


def test_the_command_tells_it_in_words_and_as_json(scans: Path, tmp_path: Path) -> None:
    where = ["--folder", str(scans), "--data", str(tmp_path / "data")]
    said = CliRunner().invoke(main, ["inspect", "small", *where]).output
    assert "do: nothing: it is small enough" in said
    found = json.loads(CliRunner().invoke(main, ["inspect", "small", "--json", *where]).output)
    assert (found["identifier"], found["facts"]["height"]) == ("small.png", 200)
    broken = CliRunner().invoke(main, ["inspect", "text", *where])
    assert broken.exit_code == 1
    assert "Traceback" not in broken.output
    assert "text" in broken.output
