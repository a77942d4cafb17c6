"""hatch_build.py: when the viewers are made again, and what a build leaves behind."""

from __future__ import annotations

import importlib.util
import json
import stat
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _load(path):
    spec = importlib.util.spec_from_file_location("hatch_build", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


hatch_build = _load(ROOT / "hatch_build.py")

NPM = """#!/bin/sh
echo npm "$@" >> "$CALLS"
"""
FAILING_NPM = """#!/bin/sh
echo no network >&2
exit 1
"""
NODE = """#!/bin/sh
echo node "$1" >> "$CALLS"
echo made > "$2/mirador.js"
echo '{"packages": 1, "withoutLicenceFile": [], "bytes": {"mirador.js": {"plain": 5}}}'
"""


@pytest.fixture
def root(tmp_path):
    """A project whose inputs are made up."""
    (tmp_path / "viewer").mkdir()
    for name in hatch_build.INPUTS:
        (tmp_path / "viewer" / name).write_text(f"{name}\nof a test\n")
    return tmp_path


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Give the machine a node and an npm of ours; return the file that counts their calls."""

    def install(npm=NPM, node=NODE):
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, script in (("npm", npm), ("node", node)):
            (folder / name).write_text(script)
            (folder / name).chmod(stat.S_IRWXU)
        calls = tmp_path / "calls"
        calls.write_text("")
        monkeypatch.setenv("BUILD_VIEWERS", "system-node")
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        monkeypatch.setenv("CALLS", str(calls))
        return calls

    return install


def _stamp(root):
    hatch_build.output(root).mkdir(parents=True, exist_ok=True)
    (hatch_build.output(root) / "STAMP").write_text(hatch_build.digest(root))


def test_the_inputs_are_exactly_the_files_of_the_viewer_folder():
    files = {path.name for path in (ROOT / "viewer").iterdir() if path.is_file()}
    assert files == set(hatch_build.INPUTS)


@pytest.mark.parametrize("name", hatch_build.INPUTS)
def test_a_change_of_any_input_makes_the_viewers_stale(root, name):
    _stamp(root)
    assert hatch_build.is_current(root)
    with (root / "viewer" / name).open("a") as file:
        file.write("more")
    assert not hatch_build.is_current(root)


def test_line_endings_of_another_system_do_not_make_the_viewers_stale(root):
    _stamp(root)
    for name in hatch_build.INPUTS:
        path = root / "viewer" / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert hatch_build.is_current(root)


def test_a_byte_that_moves_from_one_input_to_the_next_counts(root):
    before = hatch_build.digest(root)
    first, second = (root / "viewer" / name for name in hatch_build.INPUTS[:2])
    text = first.read_text()
    first.write_text(text[:-1])
    second.write_text(text[-1] + second.read_text())
    assert hatch_build.digest(root) != before


@pytest.mark.parametrize(
    ("stamped", "choice", "wanted"),
    [
        (False, None, [hatch_build.NODE]),
        (True, None, []),
        (False, "skip", []),
        (False, "system-node", []),
    ],
)
def test_node_is_asked_for_only_when_something_is_built_with_it(
    root, monkeypatch, stamped, choice, wanted
):
    monkeypatch.delenv("BUILD_VIEWERS", raising=False)
    if choice:
        monkeypatch.setenv("BUILD_VIEWERS", choice)
    if stamped:
        _stamp(root)
    hook = hatch_build.ViewerHook(str(root), {}, None, None, str(root), "wheel")
    assert hook.dependencies() == wanted


def test_the_second_build_runs_nothing(root, programs):
    calls = programs()
    assert hatch_build.build(root)
    assert calls.read_text() == "npm ci --ignore-scripts --include=dev\nnode build.mjs\n"
    assert (hatch_build.output(root) / "mirador.js").read_text() == "made\n"
    assert not hatch_build.build(root)
    assert len(calls.read_text().splitlines()) == 2


def test_a_build_removes_what_an_older_one_made(root, programs):
    programs()
    hatch_build.output(root).mkdir(parents=True)
    (hatch_build.output(root) / "old.js").write_text("old")
    hatch_build.build(root)
    assert sorted(path.name for path in hatch_build.output(root).iterdir()) == [
        "STAMP",
        "mirador.js",
    ]


def test_a_failed_build_says_what_to_do_and_keeps_what_was_there(root, programs):
    programs(npm=FAILING_NPM)
    hatch_build.output(root).mkdir(parents=True)
    (hatch_build.output(root) / "mirador.js").write_text("old")
    with pytest.raises(RuntimeError, match="BUILD_VIEWERS=skip"):
        hatch_build.build(root)
    assert not hatch_build.is_current(root)
    assert (hatch_build.output(root) / "mirador.js").read_text() == "old"


def test_the_lock_file_pins_every_package_by_digest_and_names_no_registry():
    packages = json.loads((ROOT / "viewer" / "package-lock.json").read_text())["packages"]
    pinned = {name: package for name, package in packages.items() if name}
    assert [name for name, package in pinned.items() if "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_developers_have_the_node_that_the_hook_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert hatch_build.NODE in project["optional-dependencies"]["dev"]
