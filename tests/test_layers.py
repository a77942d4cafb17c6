"""Who may import whom, and where each library lives: docs/architecture.md."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import iiifserver

PACKAGE = Path(iiifserver.__file__).parent
LAYERS = {
    0: ["errors", "homes", "config", "machine", "values", "metrics", "logs"],
    1: [
        "urls",
        "records",
        "language",
        "dates",
        "texts",
        "image.request",
        "image.plan",
        "image.info",
        "presentation",
    ],
    2: ["stores", "sources", "opened", "cache", "near", "far", "routing", "edition", "upgrading"],
    3: ["image", "pdf"],
    4: ["publish", "inspect", "doctor"],
    5: ["web", "server", "crew", "watchdog", "cli", "operators", "options"],
}
HOMES = {
    "flask": ["web"],
    "werkzeug": ["web"],
    "pyvips": ["image.render", "image.build"],
    "glymur": ["image.jp2"],
    "iiif_prezi3": ["presentation"],
    "click": ["cli", "operators", "options"],
    "uvloop": ["web.wire.loop", "image.broker.door"],
    "httptools": ["web.wire.requests"],
    "PIL": ["image.jp2", "image.render"],
    "nh3": ["web"],
    "simplejpeg": ["image.render"],
    "pypdfium2": ["image.containers"],
    "pi_heif": ["image.containers"],
    "distributed": ["publish.cluster"],
    "openpyxl": ["publish.spreadsheet", "publish.workbook"],
    "obstore": ["stores.buckets"],
}
# what a process that answers HTTP must never load
HEAVY = (
    "pyvips",
    "iiif_prezi3",
    "openpyxl",
    "PIL",
    "numpy",
    "glymur",
    "simplejpeg",
    "pypdfium2",
    "pi_heif",
    "obstore",  # only where what is published is in a bucket
)


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        if name and name != "image":
            yield name, path


def belongs(module: str, names: list[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def layer(module: str) -> int:
    """Return the lowest layer that names the module or a package that it is in."""
    return next(number for number, names in LAYERS.items() if belongs(module, names))


def imports(name: str, path: Path) -> Iterator[str]:
    """Yield what a module imports, absolute, at its top or anywhere inside."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*(["iiifserver", *base] if node.level else []), node.module or ""])
            module = module.rstrip(".")
            for alias in node.names:
                inside = module.startswith("iiifserver") and is_module(f"{module}.{alias.name}")
                yield f"{module}.{alias.name}" if inside else module


def is_module(dotted: str) -> bool:
    place = PACKAGE.joinpath(*dotted.split(".")[1:])
    return place.with_suffix(".py").exists() or place.joinpath("__init__.py").exists()


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_a_module_imports_its_own_layer_and_those_below(name: str, path: Path) -> None:
    ours = {
        each.removeprefix("iiifserver.") for each in imports(name, path) if "iiifserver." in each
    }
    above = {each for each in ours - {"image"} if layer(each) > layer(name)}
    assert not above


@pytest.mark.parametrize(("name", "path"), [pytest.param(*each, id=each[0]) for each in modules()])
def test_a_library_is_used_only_where_it_lives(name: str, path: Path) -> None:
    used = {each.split(".")[0] for each in imports(name, path)}
    strangers = {each for each in used & HOMES.keys() if not belongs(name, HOMES[each])}
    assert not strangers


def test_processes_that_answer_http_stay_small() -> None:
    code = f"import sys, iiifserver.web; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_is_longer_than_one_idea() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in modules()}
    assert {name: length for name, length in lengths.items() if length > 420} == {}


def test_every_exception_from_bandits_rules_says_why() -> None:
    bare = [
        f"{name}: {line.strip()}"
        for name, path in modules()
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"# noqa: S\d+", line) and not re.search(r"# noqa: S\d+( - |  # )\S", line)
    ]
    assert bare == []
