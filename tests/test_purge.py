"""The command that forgets made pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from iiifserver.cache import Directory, write
from iiifserver.cli import main
from iiifserver.config import Config
from iiifserver.image.form import Form
from iiifserver.image.kept import PYRAMID, SIDECAR, Kept
from iiifserver.image.masters import FOLDER, stem_of
from iiifserver.server import user_folder
from iiifserver.sources import Folder


@pytest.mark.parametrize(
    ("arguments", "said", "left"),
    [
        (["a"], ["a: 2 files deleted"], {"b/c"}),
        (["a", "b/c", "d"], ["a: 2 files deleted", "b/c: 1 files deleted", "d: none kept"], set()),
        (["--all"], ["3 files deleted"], set()),
        (["d"], ["d: none kept"], {"a", "b/c"}),
    ],
)
def test_made_pictures_are_forgotten(
    tmp_path: Path, arguments: list[str], said: list[str], left: set[str]
) -> None:
    derived = Directory.of(Config(data=tmp_path))
    for identifier, key in (("a", "1"), ("a", "2"), ("b/c", "1")):
        path = derived.path(identifier, key)
        assert path is not None
        write(b"picture", path)
    done = CliRunner().invoke(main, ["purge", "--data", str(tmp_path), *arguments])
    assert (done.exit_code, done.output.splitlines()) == (0, said)
    assert {identifier for identifier in ("a", "b/c") if derived.get(identifier, "1")} == left


def test_of_a_folder_pyramids_are_forgotten_too_where_serve_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    scans = tmp_path / "scans"
    scans.mkdir()
    Image.new("RGB", (30, 20)).save(scans / "s0.png")
    config = Config(folder=str(scans), data=user_folder("folders"))
    entry = Directory.of(config).path("s0.png", "1")
    assert entry is not None
    picture = Path(entry)
    write(b"picture", picture)
    kept = Kept(config.data / FOLDER, 0)
    kept.folder.mkdir(parents=True)
    stem = stem_of(Folder(scans).find("s0"), Form.of(config))
    for ending in (PYRAMID, SIDECAR):
        kept.path(stem, ending).write_bytes(b"made")
    done = CliRunner().invoke(main, ["purge", "--folder", str(scans), "s0"])
    assert (done.exit_code, done.output) == (0, "s0.png: 3 files deleted\n")
    assert not picture.exists()
    assert list(kept.folder.iterdir()) == []


@pytest.mark.parametrize("arguments", [[], ["a", "--all"]])
def test_what_to_forget_must_be_said(tmp_path: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, ["purge", "--data", str(tmp_path), *arguments])
    assert done.exit_code == 2
    assert "name images, or say --all" in done.output
