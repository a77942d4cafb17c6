"""The command that forgets made pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from iiifserver.cache import Directory, write
from iiifserver.cli import main
from iiifserver.config import Config


@pytest.mark.parametrize(
    ("arguments", "deleted", "left"),
    [
        (["a"], 2, {"b/c"}),
        (["a", "b/c", "unknown"], 3, set()),
        (["--all"], 3, set()),
        (["unknown"], 0, {"a", "b/c"}),
    ],
)
def test_made_pictures_are_forgotten(
    tmp_path: Path, arguments: list[str], deleted: int, left: set[str]
) -> None:
    derived = Directory.of(Config(data=tmp_path))
    for identifier, key in (("a", "1"), ("a", "2"), ("b/c", "1")):
        path = derived.path(identifier, key)
        assert path is not None
        write(b"picture", path)
    done = CliRunner().invoke(main, ["purge", "--data", str(tmp_path), *arguments])
    assert (done.exit_code, done.output) == (0, f"{deleted} pictures deleted\n")
    assert {identifier for identifier in ("a", "b/c") if derived.get(identifier, "1")} == left


@pytest.mark.parametrize("arguments", [[], ["a", "--all"]])
def test_what_to_forget_must_be_said(tmp_path: Path, arguments: list[str]) -> None:
    done = CliRunner().invoke(main, ["purge", "--data", str(tmp_path), *arguments])
    assert done.exit_code == 2
    assert "name images, or say --all" in done.output
