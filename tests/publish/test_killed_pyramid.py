"""Whoever makes a pyramid may be killed whatever it does to files: nothing half has a name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from image_sources import picture

# Each try is a fork: what it does to files is counted, and at number so and so it dies.
MOMENTS = """
import json, os, signal, sys
from functools import partial
from pathlib import Path
from iiifserver.image import build
from iiifserver.image.aside import sweep_aside
from iiifserver.image.containers import describe_page
from iiifserver.image.fixity import damage
from iiifserver.image.form import Form
from iiifserver.image.original import Original
from iiifserver.image.stored import read_stored
from iiifserver.publish.pyramids import Build, Wanted

scan, root = Path(sys.argv[1]), Path(sys.argv[2])

def tried(target, last):
    wanted = Wanted(scan.name, Original.of(scan))
    left = [last]
    def hear(event, arguments):
        if event in FILES and any(str(root) in str(each) for each in arguments):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        sys.addaudithook(hear)
        Build(wanted, target, Form(tile=128))()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

def whole(target):
    tiles = target.with_suffix(".tiles")
    if target.exists():
        assert describe_page(target).tile_size == (128, 128)
    if tiles.exists():
        assert read_stored(tiles, target, target.name) is not None
        assert damage(str(tiles), str(target), partial(open, mode="rb")) is None
    return [path.name for path in (target, tiles) if path.exists()]

FILES = ("open", "os.mkdir", "os.chmod", "os.rename", "shutil.rmtree", "os.remove", "os.rmdir")
seen = []
while True:
    target = root / str(len(seen)) / "p.tif"
    ended = tried(target, len(seen) + 1)
    there = whole(target)
    sweep_aside(target.parent)
    assert tried(target, 0) == 0
    assert sorted(path.name for path in target.parent.iterdir()) == ["p.tif", "p.tiles"]
    assert whole(target) == ["p.tif", "p.tiles"]
    if ended == 0:
        break
    assert ended == -signal.SIGKILL
    seen.append(there)
print(json.dumps(seen))
"""


def test_killed_at_whatever_it_does_to_files_the_next_run_makes_both(tmp_path: Path) -> None:
    scan = tmp_path / "scan.jpg"
    picture(700, 530).save(scan, quality=90)
    command = [sys.executable, "-c", MOMENTS, scan, tmp_path / "pyramids"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert len(seen) > 12
    names = [[], ["p.tif"], ["p.tif", "p.tiles"]]
    assert sorted(seen, key=len) == seen  # first none, then the pyramid, then its sidecar
    assert all(names in seen for names in names)
