"""What operators read is true: numbers, commands, dependencies, the unit of systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from iiifserver.cli import main
from iiifserver.image.job import State
from iiifserver.metrics import Counters, Total
from iiifserver.web.exposition import exposition

ROOT = Path(__file__).parents[1]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
UNIT = ROOT / "deploy" / "systemd" / "iiifserver.service"


def told() -> set[str]:
    alone = Counters().total()
    total = Total(alone.cells, alone.living, alone.died)
    total.living["web"] = total.died["web"] = 1
    text = exposition(total, State(), 1, 1.0)
    return set(re.findall(r"^# TYPE (\w+)", text, re.MULTILINE))


def test_every_number_is_in_the_manual_and_no_other() -> None:
    named = set(re.findall(r"\biiifserver_[a-z_]+", OPERATIONS))
    assert {name for name in named if not name.startswith("iiifserver_clients")} == told()


def test_every_command_that_the_manual_names_is_there() -> None:
    pages = [OPERATIONS, (ROOT / "SECURITY.md").read_text("utf-8")]
    named = {name for page in pages for name in re.findall(r"`iiifserver ([a-z]+)", page)}
    assert named <= set(main.commands)


def test_every_503_of_the_manual_can_happen() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "iiifserver").rglob("*.py"))
    section = OPERATIONS.split("## What each 503 means")[1].split("\n## ")[0]
    details = re.findall(r"^\| ([^|(]+?) \|", section, re.MULTILINE)[1:]
    pieces = [piece.strip(" .:") for detail in details for piece in detail.split("...")]
    assert [piece for piece in pieces if len(piece) > 1 and piece not in code] == []
    assert len(details) >= 12


def direct() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(each for extra in extras for each in extra)]
    return {re.split(r"[\[><=;~! ]", each)[0] for each in wanted}


def locked(name: str) -> dict[str, str]:
    """Return all versions by name; some packages have another one for each of Python's."""
    lock, found = (ROOT / name).read_text("utf-8"), dict[str, str]()
    for package, version in re.findall(r"^([a-z0-9-]+)==([^ \\;]+)", lock, re.MULTILINE):
        found[package] = f"{found[package]}, {version}" if package in found else version
    return found


def test_every_direct_dependency_was_looked_at_in_the_version_of_the_lock() -> None:
    versions = locked("requirements-dev.lock")
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| ([a-z0-9-]+) \| ([0-9][^|]*) \|", page, re.MULTILINE))
    assert rows == {name: versions[name] for name in direct()}


def test_both_locks_agree() -> None:
    small, large = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: large.get(name) for name in small} == small


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="needs systemd-analyze")
def test_the_unit_is_one_and_lets_the_server_do_little(tmp_path: Path) -> None:
    text = UNIT.read_text("utf-8")
    (command,) = re.findall(r"^ExecStart=(\S+)", text, re.MULTILINE)
    tried = tmp_path / UNIT.name
    tried.write_text(text.replace(command, "/bin/true"), "utf-8")  # which is not installed here
    verify = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tried)], capture_output=True, text=True
    )
    assert (verify.returncode, verify.stderr) == (0, "")
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(tried)],
        capture_output=True,
        text=True,
    )
    assert rated.returncode == 0, rated.stdout[-200:]  # at most 2.0 of 10


def test_the_unit_starts_a_command_that_there_is() -> None:
    (command,) = re.findall(r"^ExecStart=\S+ (.+)$", UNIT.read_text("utf-8"), re.MULTILINE)
    name, *options = command.split()
    there = {option for each in main.commands[name].params for option in each.opts}
    assert {option for option in options if option.startswith("--")} <= there
