"""Pyramids made ahead of time: of an exhibition, and of a folder that is served as it is."""

from __future__ import annotations

import shutil
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from image_sources import picture
from small_exhibition import Small, look

from iiifserver.cli import main
from iiifserver.config import Config
from iiifserver.edition import numbers, pyramid_path
from iiifserver.errors import ConfigurationError, InvalidExhibition
from iiifserver.image.masters import FOLDER
from iiifserver.image.service import Images
from iiifserver.publish.ahead import Ready, make_ahead
from iiifserver.publish.jobs import Workers
from iiifserver.publish.publication import make_pyramids_of
from iiifserver.sources import Folder

SLOW = (300, 260)  # more than four tiles of 128


def thread(count: int) -> Executor:
    return ThreadPoolExecutor(1)


HERE = Workers(1, thread)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    folder = tmp_path / "scans"
    (folder / "box").mkdir(parents=True)
    picture(*SLOW).save(folder / "1.png")
    picture(*SLOW, seed=2).save(folder / "box" / "2.png")
    picture(60, 80).save(folder / "small.png")
    pages = [picture(90, 60, seed) for seed in range(3)]
    pages[0].save(folder / "box" / "letters.pdf", save_all=True, append_images=pages[1:])
    return Config(folder=str(folder), data=tmp_path / "data", pyramid_tile=128)


def made(config: Config) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (config.data / FOLDER).iterdir()}


class Refusing:
    """What a server has that is asked for nothing that stands ready."""

    def render(self, job):
        raise AssertionError(job)

    def begin(self, job):
        raise AssertionError(job)


def test_a_server_finds_what_was_made_ahead(config: Config) -> None:
    assert make_ahead(config, workers=HERE) == Ready(6, 0)
    assert len([name for name in made(config) if name.endswith(".tif")]) == 5
    images = Images(Folder(Path(config.folder)), config, Refusing())
    described = images.describe("1.png")
    assert described.source.path.parent == config.data / FOLDER
    assert described.source.stored is not None
    assert described.source.stored.exists()


def test_what_is_there_is_not_made_again(config: Config) -> None:
    make_ahead(config, workers=HERE)
    before = made(config)
    assert make_ahead(config, workers=HERE) == Ready(6, 0)
    assert made(config) == before
    picture(*SLOW, seed=3).save(Path(config.folder) / "1.png")
    make_ahead(config, workers=HERE)
    assert before.items() < made(config).items()


def test_nothing_makes_room_for_what_nobody_asked_for(config: Config) -> None:
    picture(2400, 1900).save(Path(config.folder) / "large.png")
    make_ahead(replace(config, folder_pyramids_mib=1), workers=HERE)
    before = made(config)
    assert make_ahead(replace(config, folder_pyramids_mib=1), workers=HERE).left == 1
    assert made(config) == before


def test_a_damaged_scan_is_named_and_the_others_are_made(config: Config) -> None:
    damaged = Path(config.folder) / "box" / "2.png"
    damaged.write_bytes(damaged.read_bytes()[:3000])
    with pytest.raises(InvalidExhibition) as caught:
        make_ahead(config, workers=HERE)
    assert [mistake.value for mistake in caught.value.mistakes] == ["box/2.png"]
    assert str(caught.value).count("box/2.png") == 1
    assert len([name for name in made(config) if name.endswith(".tif")]) == 4


def test_where_none_are_kept_none_are_made(config: Config) -> None:
    with pytest.raises(ConfigurationError, match="folder_pyramids_mib = 0"):
        make_ahead(replace(config, folder_pyramids_mib=0), workers=HERE)


def test_an_empty_folder_needs_nothing(tmp_path: Path) -> None:
    (tmp_path / "scans").mkdir()
    config = Config(folder=str(tmp_path / "scans"), data=tmp_path / "data")
    assert make_ahead(config, workers=HERE) == Ready(0, 0)


def test_those_of_an_exhibition_are_made_and_nothing_else(tmp_path: Path) -> None:
    small = Small(tmp_path)
    picture(*SLOW).save(small.scans / "b1" / "1.png")
    sheets = {path: path.read_bytes() for path in small.sheets.iterdir()}
    config = small.config(pyramid_tile=128)
    assert (
        make_pyramids_of(small.sheets, small.scans, config, look) == "6 pyramids made, 0 were there"
    )
    assert (
        make_pyramids_of(small.sheets, small.scans, config, look) == "0 pyramids made, 6 were there"
    )
    assert numbers(small.data) == []
    assert not (small.data / "objects").exists()
    assert {path: path.read_bytes() for path in small.sheets.iterdir()} == sheets
    before = {path.name: path.stat().st_ino for path in pyramid_path(small.data, "").iterdir()}
    small.publish(pyramid_tile=128)
    after = {path.name: path.stat().st_ino for path in pyramid_path(small.data, "").iterdir()}
    assert after == before


def said(*arguments: object) -> str:
    return CliRunner().invoke(main, ["pyramids", *map(str, arguments)]).output


def test_the_command_takes_either(config: Config, tmp_path: Path) -> None:
    shutil.rmtree(Path(config.folder) / "box")
    assert said("--folder", config.folder, "--data", tmp_path / "a") == "2 pictures are ready\n"
    small = Small(tmp_path / "b")
    assert "6 pyramids made" in said(small.sheets, "--images", small.scans, "--data", small.data)
    assert "say --folder" in said()
    assert "executor = 'fast'" in said("--folder", tmp_path, "--executor", "fast")
