"""hatch_build.py: when the viewers are made again, and what a build leaves behind."""

from __future__ import annotations

import importlib.util
import json
import re
import stat
import tomllib
from pathlib import Path

import pytest

from iiifserver.web.assets import Assets

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


INPUTS = ["build.mjs", "package.json", "texts/mn.json", "zoom.js"]


@pytest.fixture
def root(tmp_path):
    """A project whose inputs are made up."""
    (tmp_path / "viewer" / "texts").mkdir(parents=True)
    for name in INPUTS:
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


def test_everything_in_the_viewer_folder_counts_but_what_npm_installs_there(root):
    (root / "viewer" / "node_modules" / "a").mkdir(parents=True)
    (root / "viewer" / "node_modules" / "a" / "index.js").write_text("not ours")
    assert hatch_build.inputs(root) == INPUTS


@pytest.mark.parametrize("name", INPUTS)
def test_a_change_of_any_input_makes_the_viewers_stale(root, name):
    _stamp(root)
    assert hatch_build.is_current(root)
    with (root / "viewer" / name).open("a") as file:
        file.write("more")
    assert not hatch_build.is_current(root)


def test_line_endings_of_another_system_do_not_make_the_viewers_stale(root):
    _stamp(root)
    for name in INPUTS:
        path = root / "viewer" / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert hatch_build.is_current(root)


def test_a_byte_that_moves_from_one_input_to_the_next_counts(root):
    before = hatch_build.digest(root)
    first, second = (root / "viewer" / name for name in INPUTS[:2])
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


def test_a_new_input_makes_the_viewers_stale(root):
    _stamp(root)
    (root / "viewer" / "texts" / "ru.json").write_text("{}")
    assert not hatch_build.is_current(root)


def test_a_build_is_given_every_input(root, programs):
    programs(node=NODE.replace("echo made", "find . -type f | sort"))
    hatch_build.build(root)
    found = (hatch_build.output(root) / "mirador.js").read_text().split()
    assert found == [f"./{name}" for name in INPUTS]


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


# -- what is built of


MIRADOR_TEXTS = sorted((ROOT / "viewer" / "texts").glob("mirador-*.json"))


def texts_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["texts"]


def test_mirador_has_texts_of_ours_in_every_language_that_it_lacks():
    assert [path.stem for path in MIRADOR_TEXTS] == ["mirador-ja", "mirador-mn", "mirador-ru"]


@pytest.mark.parametrize("path", MIRADOR_TEXTS, ids=lambda path: path.stem)
def test_texts_of_mirador_say_whether_a_speaker_has_read_them(path):
    assert json.loads(path.read_text(encoding="utf-8"))["review"].startswith(
        ("Unreviewed", "Reviewed")
    )
    assert all(text.strip() for text in texts_of(path).values())


def test_texts_of_mirador_say_the_same_in_all_languages_with_the_same_names_in_them():
    """That none of Mirador's own is missing the build itself tests: check-texts.mjs."""
    plural = re.compile(r"_(one|few|many|other)$")
    japanese, mongolian, russian = (
        {
            plural.sub("", key): sorted(re.findall(r"{{.*?}}", text))
            for key, text in texts_of(path).items()
        }
        for path in MIRADOR_TEXTS
    )
    assert mongolian == russian
    assert len(mongolian) > 150
    assert japanese.items() <= mongolian.items()


def test_languages_that_are_checked_are_those_that_mirador_is_given():
    files = {path.name for path in MIRADOR_TEXTS}
    given = set(re.findall(r"mirador-\w+\.json", (ROOT / "viewer" / "mirador.js").read_text()))
    [languages] = re.findall(r"LANGUAGES = \[(.*?)\]", (ROOT / "viewer" / "build.mjs").read_text())
    checked = {f"mirador-{language}.json" for language in re.findall(r"'(\w+)'", languages)}
    assert files == given == checked


def test_packages_are_named_with_one_version_each():
    package = json.loads((ROOT / "viewer" / "package.json").read_text())
    versions = {**package["dependencies"], **package["devDependencies"]}
    assert [name for name, version in versions.items() if not version[0].isdigit()] == []


# -- what was built, where it was


made = pytest.mark.skipif(
    not (hatch_build.output(ROOT) / "STAMP").is_file(), reason="no viewers: python hatch_build.py"
)


@made
def test_licences_of_all_that_is_bundled_are_served():
    notices = (hatch_build.output(ROOT) / "THIRD-PARTY-NOTICES.txt").read_text(encoding="utf-8")
    for package in ("mirador", "mirador-image-tools", "openseadragon", "react"):
        assert re.search(rf"^{package} [0-9.]+ \(", notices, re.MULTILINE), package
    assert re.search(
        r"^@fontsource/noto-sans-mongolian [0-9.]+ \(OFL-1\.1\)", notices, re.MULTILINE
    )
    assert "SIL OPEN FONT LICENSE" in notices.upper()


@made
def test_the_style_of_the_mongolian_script_names_its_font_by_its_public_name():
    assets = Assets()
    style = assets.get(assets.name("viewers/mongolian.css")).read("identity").decode()
    [font] = re.findall(r'url\("(.*?)"\)', style)
    assert assets.name("viewers/mongolian.woff2") == f"viewers/{font}"
    assert "U+1800-18AF" in style


@made
def test_the_script_of_the_zoom_stays_small():
    """It is OpenSeadragon, about 75 kB, and little else."""
    assert (hatch_build.output(ROOT) / "zoom.js.br").stat().st_size < 85_000
