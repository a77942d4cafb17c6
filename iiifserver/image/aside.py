"""Files that are made in a folder aside, and then get their place whole or not at all."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_ASIDE = ".aside-"


@contextlib.contextmanager
def beside(target: Path) -> Iterator[Path]:
    """Make a folder beside *target* for as long as the work takes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.parent, fcntl.LOCK_SH):
        folder = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=target.parent))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def place(*files: tuple[Path, Path]) -> None:
    """Give each file that was made the name of its target, in this order.

    After that not even a power cut takes them away. All targets lie in one folder.
    """
    for made, _ in files:
        made.chmod(0o644)  # a server may run as another user
        _sync(made)
    for made, target in files:
        made.replace(target)
    _sync(target.parent)


def sweep_aside(folder: Path) -> None:
    """Delete what was left in *folder* by those who were killed, unless somebody is at work."""
    if not folder.is_dir():
        return
    with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
        for left in folder.glob(f"{_ASIDE}*") if alone else ():
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[bool]:
    """Lock *folder*; the system takes the lock back from a process that is killed."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, how)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(handle)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
