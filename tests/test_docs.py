"""The manual is true: settings, commands, addresses and links are those of the program.

UPDATE_DOCS=1 makes the pages that are generated anew.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from iiifserver.cli import main
from iiifserver.config import PREFIX, Config

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


def settings() -> str:
    rows = ["| setting | default | meaning |", "|---|---|---|"]
    for each in fields(Config):
        about, least, most = (each.metadata[key] for key in ("about", "least", "most"))
        bounds = [f"at least {least:,}"] if least is not None else []
        bounds += [f"at most {most:,}"] if most is not None else []
        meaning = f"{about} ({', '.join(bounds)})" if bounds else about
        default = ", ".join(each.default) if isinstance(each.default, tuple) else str(each.default)
        default = default.lower() if isinstance(each.default, bool) else default
        rows.append(f"| `{each.name}` | `{default or ' '}` | {meaning} |")
    return f"""# Settings

A setting stands in a TOML file (`--config FILE`) under its name, or in the environment as
`{PREFIX}` and its name in capitals, which wins: `max_area = 50_000_000` or
`{PREFIX}MAX_AREA=50000000`. Lists are separated by commas in the environment. An unknown name or a
value that cannot be used stops the start and is named.

{chr(10).join(rows)}
"""


def commands() -> str:
    parts = ["# Commands\n"]
    for name, command in [("", main), *sorted(main.commands.items())]:
        path = ["iiifserver", name] if name else ["iiifserver"]
        help_text = (
            CliRunner()
            .invoke(main, [*path[1:], "--help"], prog_name="iiifserver", terminal_width=80)
            .output
        )
        text = "\n".join(line.rstrip() for line in help_text.strip().splitlines())
        parts.append(f"## {' '.join(path)}\n\n```\n{text}\n```\n")
        assert isinstance(command, click.Command)
    return "\n".join(parts)


@pytest.mark.parametrize(("page", "make"), [("settings.md", settings), ("commands.md", commands)])
def test_generated_pages_are_up_to_date(page: str, make: object) -> None:
    assert callable(make)
    path, text = DOCS / page, make()
    if os.environ.get("UPDATE_DOCS"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_address_of_the_server_is_in_the_manual(served_rules: list[str]) -> None:
    table = (DOCS / "addresses.md").read_text(encoding="utf-8")
    assert [rule for rule in served_rules if f"`{rule}" not in table] == []


def test_every_file_named_in_the_manual_exists() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)*[a-z_]+\.py)`", text))
    places = [ROOT, ROOT / "iiifserver", ROOT / "iiifserver" / "publish"]
    missing = {name for name in named if not any((place / name).exists() for place in places)}
    assert missing == set()


def test_nothing_committed_names_a_registry_or_a_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    strange = re.compile(
        rb"pypi\.org|pythonhosted|registry\.npm|npmjs\.org/|deb\.debian|/work/|/root/|/home/[a-z]"
    )
    names = [name for name in listed.stdout.decode().split("\0") if name]
    texts = [
        name for name in names if not name.endswith((".jpg", ".png")) and (ROOT / name).is_file()
    ]
    culprits = [name for name in texts if strange.search((ROOT / name).read_bytes())]
    assert [name for name in culprits if name != "tests/test_docs.py"] == []
