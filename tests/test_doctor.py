"""The doctor looks at all that a server needs, and says what to do."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image
from small_exhibition import Small

from iiifserver import doctor
from iiifserver.cli import main
from iiifserver.config import Config
from iiifserver.doctor import Check, examine
from iiifserver.image import lossless
from iiifserver.image.jp2 import openjpeg_version
from iiifserver.machine import Machine

GIB = 1 << 30


def checks(config: Config, memory_bytes: int = 64 * GIB) -> dict[str, Check]:
    found = list(examine(config, Machine(2, memory_bytes)))
    assert max(Counter(each.name for each in found).values()) == 1
    return {each.name: each for each in found}


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    made.publish()
    return made


def test_a_server_that_can_run_has_nothing_that_fails(small: Small) -> None:
    found = checks(small.config())
    assert {each.name: each.said for each in found.values() if each.state == "fail"} == {}
    assert found["edition"].said.startswith("edition 1 at ")
    assert found["store"].state == found["tile of test"].state == "ok"
    assert found["tile of a1-1"].state == "ok"
    assert found["library OpenJPEG"].said == openjpeg_version()
    assert all(bool(each.do) == (each.state != "ok") for each in found.values())


def test_the_library_that_is_optional_is_told_and_what_its_absence_costs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(**settings: Any) -> str:
        config = Config(folder=str(tmp_path), data=tmp_path / "data", **settings)
        found = checks(config)["library libturbojpeg"]
        assert found.state == "ok"
        return found.said

    name = lossless.here()
    assert (name or "none, and none is needed") in said()
    assert "lossless_turns is off" in said(lossless_turns=False)
    # where it is looked for there is none
    (tmp_path / "sitecustomize.py").write_text(
        "import ctypes\ndef CDLL(*_, **__):\n    raise OSError\nctypes.CDLL = CDLL\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "none is needed" in said()
    assert "a third longer" in said()


@pytest.mark.parametrize(
    ("gone", "name"), [("data/editions", "holdings"), ("data/objects", "holdings")]
)
def test_what_is_gone_fails_and_the_rest_is_looked_at(
    small: Small, tmp_path: Path, gone: str, name: str
) -> None:
    shutil.rmtree(tmp_path / gone)
    found = checks(small.config())
    assert found[name].state == "fail"
    assert found[name].do
    assert found["tile of test"].state == "ok"


def test_a_scan_that_is_broken_fails_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    found = checks(Config(folder=str(tmp_path), data=tmp_path / "data"))
    assert found["tile of broken.png"].state == "fail"
    assert "inspect" in found["tile of broken.png"].do


def test_places_of_other_images_are_asked(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    here, away = tmp_path / "maps", tmp_path / "away"
    settings = {"folder": str(here), "sources": (f"maps={here}", f"away={away}")}
    found = checks(Config(data=tmp_path / "data", **settings))
    assert (found["source maps"].state, found["source away"].state) == ("ok", "fail")
    assert "No such file" in found["source away"].said


def test_memory_that_would_not_do_is_told(tmp_path: Path) -> None:
    found = checks(Config(folder=str(tmp_path), data=tmp_path), 2 * GIB)
    assert (found["memory"].state, "2,048 MiB" in found["memory"].said) == ("warn", True)
    assert "render_memory_mib" in found["memory"].do


def test_an_empty_folder_and_an_address_that_is_anybodys_are_told(tmp_path: Path) -> None:
    found = checks(Config(folder=str(tmp_path), data=tmp_path / "data"))
    assert (found["folder"].state, found["base_url"].state) == ("warn", "warn")


@pytest.mark.parametrize(
    ("free", "state"), [(50, "ok"), (11, "ok"), (10, "warn"), (2, "warn"), (1, "fail"), (0, "fail")]
)
def test_room_on_the_disk_is_told_before_it_is_gone(free: int, state: str) -> None:
    found = doctor._room("disk", free, 100, f"{free} free", Config())
    assert (found.state, bool(found.do)) == (state, state != "ok")


def test_data_that_may_not_be_written_is_told(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    found = checks(small.config())["data"]
    assert (found.state, "may not be written" in found.said) == ("warn", True)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(main, ["doctor", *arguments])


def test_the_command_ends_with_1_if_something_fails(tmp_path: Path) -> None:
    Image.new("L", (300, 200), 90).save(tmp_path / "well.png")
    where = ["--folder", str(tmp_path), "--data", str(tmp_path / "data")]
    well = run(*where)
    assert well.exit_code == 0
    assert "ok   tile of well.png: " in well.output
    ill = run("--json", "--data", str(tmp_path / "nothing"))
    assert ill.exit_code == 1
    said = json.loads(ill.output)
    assert said["well"] is False
    assert {each["state"] for each in said["checks"]} >= {"ok", "fail"}


def test_settings_that_cannot_be_used_are_a_finding(tmp_path: Path) -> None:
    settings = tmp_path / "settings.toml"
    settings.write_text("max_widht = 1\n", "utf-8")
    done = run("--config", str(settings))
    assert done.exit_code == 1
    assert done.output.startswith("fail settings: ")
    assert "did you mean 'max_width'" in done.output
