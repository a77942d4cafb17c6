"""A short fuzz, the same each time, of all that strangers' bytes come into; docs/fuzzing.md."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pipeline
import pytest
from mutator import Mutator
from run import bounded
from targets import TARGETS

RUN = Path(__file__).parents[1] / "fuzz" / "run.py"
EXECUTIONS = 150


@pytest.fixture(autouse=True)
def _alarm() -> Iterator[None]:
    before = signal.getsignal(signal.SIGVTALRM)
    yield
    signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("name", TARGETS)
def test_damage_is_answered_with_an_error_of_ours(name: str) -> None:
    target = TARGETS[name]
    run = bounded(target.run, cpu_s=20)  # of another machine; the long run has the real bound
    for data in Mutator(target.seeds(), 6, target.most_bytes).inputs(EXECUTIONS):
        run(data)


def test_the_same_seed_makes_the_same_damage() -> None:
    def made(seed: int) -> list[bytes]:
        return list(Mutator([b"a picture" * 300, b"another"], seed, 2_000).inputs(50))

    assert made(1) == made(1) != made(2)
    assert all(len(one) <= 2_000 for one in made(1))


def test_an_input_that_takes_too_long_is_a_fault() -> None:
    def hangs(_: bytes) -> None:
        while True:
            pass

    with pytest.raises(BaseException, match="CPU time"):
        bounded(hangs, cpu_s=0.05)(b"")


@pytest.mark.skipif("sys.platform != 'linux'", reason="the limit of memory is Linux's")
def test_an_input_that_takes_much_memory_is_a_fault() -> None:
    code = (
        "import run; run.limit_memory(64 << 20)\n"
        "run.bounded(lambda data: bytearray(200 << 20))(b'')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=RUN.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "MemoryError" in done.stderr


@pytest.mark.parametrize("name", ["request", "png"])
def test_a_run_tells_how_many_executions_it_had(name: str) -> None:
    done = subprocess.run(
        [sys.executable, RUN, name, "--executions", "200", "--engine", "own"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.split()[:3]) == (0, [name, "200", "executions"])


@pytest.mark.long
def test_damaged_files_harm_neither_the_server_nor_other_pictures(tmp_path: Path) -> None:
    counts = pipeline.run(tmp_path, 210, seed=60)
    assert counts.total() == 4 * 210
    assert counts[200] > 100  # what is only a little damaged is shown
    assert counts[500] > 100
