"""As many processes as suit a machine, or the container in which they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from iiifserver.config import Config
from iiifserver.image.broker import Bounds
from iiifserver.machine import Machine

GIB = 1 << 30


@pytest.mark.parametrize(
    ("files", "memory_mib", "expected"),
    [
        ({}, 64_000, 4),
        ({"cpu.max": "150000 100000"}, 64_000, 1),
        ({"cpu.max": "max 100000"}, 64_000, 4),
        ({"cpu/cpu.cfs_quota_us": "200000", "cpu/cpu.cfs_period_us": "100000"}, 64_000, 2),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64_000, 4),
        ({"memory.max": str(1100 << 20)}, 64_000, 2),
        ({"memory.max": "max"}, 64_000, 4),
        ({"memory/memory.limit_in_bytes": str(1 << 62)}, 1_700, 3),
        ({"memory.max": str(64 << 20)}, 64_000, 1),
    ],
)
def test_workers_suit_the_container(
    tmp_path: Path, files: dict[str, str], memory_mib: int, expected: int
) -> None:
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{text}\n")
    assert Machine(8, memory_mib << 20).within(tmp_path).workers == expected


@pytest.mark.parametrize(
    ("cores", "gib", "memory_mib", "expected"),
    [
        (1, 2, 2_048, 2),  # one of them takes nothing but small jobs
        (2, 64, 2_048, 2),
        (8, 64, 2_048, 8),
        (8, 16, 2_048, 6),  # four workers take two, the one for background work two as well
        (8, 16, 1_024, 8),
        (64, 256, 2_048, 16),
        (0.5, 64, 2_048, 2),
    ],
)
def test_as_many_render_processes_as_cores_if_memory_is_there_for_them(
    cores: float, gib: int, memory_mib: int, expected: int
) -> None:
    machine = Machine(cores, gib * GIB)
    assert machine.renders(Config(render_memory_mib=memory_mib)) == expected
    assert machine.renders(Config(render_processes=5)) == 5


def test_a_machine_is_asked_where_nothing_is_set() -> None:
    here = Machine.here()
    assert here.cores > 0
    assert here.memory_bytes > GIB // 4
    assert Bounds.of(Config()).processes == here.renders(Config())
    assert Bounds.of(Config(render_processes=3)).processes == 3
