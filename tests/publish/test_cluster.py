"""The jobs of a publication on a Dask cluster: the same guarantees as those of the pool."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from dask_here import DaskHere, dask_here, wait_until
from image_sources import picture
from store_servers import S3

from iiifserver.config import Config
from iiifserver.edition import pyramid_path
from iiifserver.errors import BrokenSource, ConfigurationError, IiifServerError, InvalidExhibition
from iiifserver.image.original import Original
from iiifserver.publish.cluster import cluster
from iiifserver.publish.examined import examine
from iiifserver.publish.folders import list_scans
from iiifserver.publish.jobs import run, workers_of
from iiifserver.publish.pyramids import Wanted, make_pyramids
from iiifserver.stores import opened


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskHere]:
    with dask_here(tmp_path_factory.mktemp("dask")) as started:
        yield started


def outcomes(
    here: DaskHere, folder: Path, jobs: dict[str, Callable[[], object]], patience_s: float = 60
) -> dict[str, object]:
    config = Config(executor=here.executor, render_memory_mib=512)
    with cluster(config, folder, patience_s=patience_s) as workers:
        return dict(run(jobs, workers))


def double(number: int) -> int:
    return 2 * number


def many() -> dict[str, Callable[[], object]]:
    return {str(number): partial(double, number) for number in range(12)}


DOUBLED = {str(number): 2 * number for number in range(12)}


def refuse() -> int:
    raise BrokenSource("7 cannot be read", parameter="identifier")


def stumble() -> int:
    return 1 // 0


def die() -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def kill_worker() -> int:
    """Kill the worker beside which this runs."""
    os.kill(os.getppid(), signal.SIGKILL)
    threading.Event().wait(60)
    return 0


def unless_tried(path: Path, harm: Callable[[], int]) -> int:
    """Do harm, unless it was tried before."""
    if not path.exists():
        path.touch()
        harm()
    return 1


def gorge() -> int:
    return len(bytearray(2 << 30))


def test_every_job_has_its_own_outcome(here: DaskHere, tmp_path: Path) -> None:
    found = outcomes(here, tmp_path, many() | {"bad": refuse})
    assert str(found.pop("bad")) == "7 cannot be read"
    assert found == DOUBLED
    assert list(tmp_path.iterdir()) == []


def test_a_job_that_kills_its_process_fails_alone(here: DaskHere, tmp_path: Path) -> None:
    found = outcomes(here, tmp_path, {"first": die} | many() | {"last": die})
    assert "died" in str(found.pop("first"))
    assert "died" in str(found.pop("last"))
    assert found == DOUBLED


@pytest.mark.skipif(sys.platform != "linux", reason="macOS has no such limit")
def test_a_job_that_wants_too_much_memory_fails_alone(here: DaskHere, tmp_path: Path) -> None:
    found = outcomes(here, tmp_path, {"large": gorge, "small": partial(double, 1)})
    assert "memory" in str(found["large"])
    assert found["small"] == 2


def test_a_fault_of_ours_is_not_taken_for_one_of_the_scan(here: DaskHere, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        outcomes(here, tmp_path, {"a": stumble})


def test_a_worker_that_is_killed_loses_nothing(here: DaskHere, tmp_path: Path) -> None:
    once = partial(unless_tried, tmp_path / "tried", kill_worker)
    folder = tmp_path / "shared"
    assert outcomes(here, folder, many() | {"once": once}) == DOUBLED | {"once": 1}


@pytest.mark.long
def test_a_job_that_kills_its_workers_is_named(here: DaskHere, tmp_path: Path) -> None:
    found = outcomes(here, tmp_path, {"bad": kill_worker} | many())
    assert isinstance(found["bad"], IiifServerError)
    assert "died" in str(found.pop("bad"))
    assert found == DOUBLED


# -- pyramids


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(6):
        picture(300, 260, seed=number).save(folder / f"{number}.png")
    return folder


def wanted(scans: Path) -> dict[str, Wanted]:
    return {
        f"{path.stem}.tif": Wanted(path.name, Original.of(path)) for path in sorted(scans.iterdir())
    }


def test_a_cluster_makes_the_pyramids_that_the_pool_makes(
    here: DaskHere, scans: Path, tmp_path: Path
) -> None:
    make_pyramids(wanted(scans), Config(data=tmp_path / "pool", pyramid_tile=128))
    config = Config(data=tmp_path / "dask", pyramid_tile=128, executor=here.executor)
    damaged = scans / "damaged.jpg"
    picture(300, 260).save(damaged)
    damaged.write_bytes(damaged.read_bytes()[:-4000])
    with pytest.raises(InvalidExhibition) as caught:
        make_pyramids(wanted(scans), config)
    assert [mistake.value for mistake in caught.value.mistakes] == ["damaged.jpg"]
    ours, theirs = (pyramid_path(tmp_path / each, "") for each in ("dask", "pool"))
    names = sorted(path.name for path in theirs.iterdir())
    assert sorted(path.name for path in ours.iterdir()) == names
    assert len(names) == 12
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes()


def test_a_cluster_finds_out_of_scans_what_this_machine_does(
    here: DaskHere, scans: Path, tmp_path: Path
) -> None:
    (scans / "damaged.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    record = tmp_path / "images" / "r1"
    record.parent.mkdir()
    shutil.move(scans, record)
    found = list_scans(record.parent)
    theirs = examine(found, record.parent, Config(data=tmp_path / "a", executor=here.executor))
    assert theirs == examine(found, record.parent, Config(data=tmp_path / "b"))
    assert sum(bool(scan.facts.problem) for scan in theirs.scans["r1"]) == 1


def test_a_cluster_puts_into_a_store_what_it_makes(s3: S3, scans: Path, tmp_path: Path) -> None:
    home = f"{s3.bucket('cluster')}/archive"
    with dask_here(tmp_path, workers=1) as near:
        config = Config(
            data=tmp_path / "scratch",
            store=home,
            pyramid_tile=128,
            executor=near.executor,
        )
        assert make_pyramids(wanted(scans), config) == 6
        assert make_pyramids(wanted(scans), config) == 0
        (scans / "0.png").unlink()
        shutil.move(scans, tmp_path / "elsewhere")
        moved = {f"new-{name}": each for name, each in wanted(tmp_path / "elsewhere").items()}
        gone = {
            name: each._replace(original=each.original._replace(home=scans))
            for name, each in moved.items()
        }
        with pytest.raises(ConfigurationError, match=r"worker w0 at .* does not see .*/scans:"):
            make_pyramids(gone, config)
    keys = {each.key for each in opened(home).list("pyramids")}
    assert keys == {f"pyramids/{n}{ending}" for n in range(6) for ending in (".tif", ".tiles")}
    assert not [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]


def test_workers_that_do_not_see_the_folder_are_named(
    here: DaskHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where they are not: a path of their own, as on another machine
    with pytest.raises(
        ConfigurationError, match=r"the worker w\d at .* does not see shared: share"
    ):
        outcomes(here, Path("shared"), many())


def test_a_scheduler_that_is_not_there_is_named(tmp_path: Path) -> None:
    config = Config(executor="dask://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match=r"'dask://127\.0\.0\.1:9': no scheduler"):  # noqa: SIM117
        with cluster(config, tmp_path, patience_s=0.5):
            pass


def test_without_dask_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    monkeypatch.delitem(sys.modules, "iiifserver.publish.cluster")
    with pytest.raises(ConfigurationError, match=r"pip install 'iiifserver\[dask\]'"):  # noqa: SIM117
        with workers_of(Config(executor="dask://127.0.0.1:9"), tmp_path):
            pass


def test_a_cluster_without_workers_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    with dask_here(tmp_path, workers=0) as empty:
        config = Config(executor=empty.executor)
        with pytest.raises(ConfigurationError, match="no worker"):  # noqa: SIM117
            with cluster(config, tmp_path, lonely_s=0.1):
                pass


def hold(path: Path) -> int:
    """Tell that it was begun, and wait."""
    path.touch()
    threading.Event().wait(60)
    return 0


@pytest.mark.long
def test_a_scheduler_that_goes_is_told_and_not_waited_for(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    with dask_here(tmp_path, workers=1) as alone:
        killer = threading.Thread(
            target=lambda: (wait_until(begun.exists), alone.started[0].kill()), daemon=True
        )
        killer.start()
        with pytest.raises(ConfigurationError, match="is gone"):
            outcomes(alone, tmp_path / "shared", {"a": partial(hold, begun)}, patience_s=10)
        killer.join()
