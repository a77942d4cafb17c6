"""A publication that is killed: the old edition serves on, and the next run finishes the work."""

import hashlib
import multiprocessing
import shutil
import time
from pathlib import Path

import pytest
from small_exhibition import RECORDS, Small, look

from iiifserver.edition import current, index_path, numbers
from iiifserver.publish.edition import create
from iiifserver.publish.publication import publish


class Killed(BaseException):
    """What a test raises where a process would be killed."""


def changed(small: Small, title: str) -> None:
    small.titles = {name: f"{title} {name}" for name in RECORDS}
    small.write()


@pytest.fixture
def small(tmp_path: Path) -> Small:
    made = Small(tmp_path)
    made.publish()
    changed(made, "Second")
    return made


def state(data: Path) -> str:
    """Return the title that all records have in common, after reading every byte."""
    edition, titles = current(data), set()
    for identifier, entry in edition.units.items():
        unit = edition.unit(identifier)
        if entry["kind"] == "record":
            titles.add(unit.label["en"][0].split()[0])
        for document in unit.documents.values():
            for each in document.codings.values():
                assert hashlib.sha256(each.read()).hexdigest().startswith(each.etag)
    [title] = titles
    return title


def expected(small: Small, tmp_path: Path) -> bytes:
    """Return the index that a publication which nobody disturbs writes."""
    small.publish(data=tmp_path / "undisturbed")
    return index_path(tmp_path / "undisturbed", 1).read_bytes()


def writes(small: Small) -> int:
    count = []

    def counted(path: Path, body: bytes) -> None:
        count.append(path)
        create(path, body)

    data = small.data.with_name("counted")
    shutil.copytree(small.data, data)
    small.publish(counted, data=data)
    return len(count)


@pytest.mark.parametrize("when", ["before", "within", "after"])
def test_killed_at_any_write_the_old_edition_stays_and_the_next_run_finishes(small, tmp_path, when):
    wanted, total = expected(small, tmp_path), writes(small)
    assert total == 6  # three records, two chapters, the index
    for number in range(total):
        data = tmp_path / f"{when}-{number}"
        shutil.copytree(small.data, data)
        count = []

        def killed(path: Path, body: bytes, count=count, number=number) -> None:
            count.append(path)
            if len(count) <= number:
                create(path, body)
                return
            if when == "after":
                create(path, body)
            elif when == "within":
                path.parent.mkdir(exist_ok=True)
                path.with_name(".aside-torn").write_bytes(body[: len(body) // 2])
            raise Killed

        with pytest.raises(Killed):
            small.publish(killed, data=data)
        switched = when == "after" and number == total - 1
        assert state(data) == ("Second" if switched else "Record")
        small.publish(data=data)
        assert state(data) == "Second"
        assert index_path(data, numbers(data)[-1]).read_bytes() == wanted


KILLS = 12


def test_killed_for_real_at_many_moments(small, tmp_path):
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["iiifserver.publish.publication", "iiif_prezi3"])
    wanted = expected(small, tmp_path)

    def started(data: Path) -> multiprocessing.process.BaseProcess:
        arguments = (small.sheets, small.scans, small.config(data=data), None, look)
        process = context.Process(target=publish, args=arguments)
        process.start()
        return process

    for name in ("warm", "timed"):  # the first one waits for the server of forks
        shutil.copytree(small.data, tmp_path / name)
        begun = time.monotonic()
        started(tmp_path / name).join()
        seconds = time.monotonic() - begun
    endings = set()
    for kill in range(KILLS):
        data = tmp_path / f"killed-{kill}"
        shutil.copytree(small.data, data)
        process = started(data)
        process.join(seconds * kill / KILLS)
        process.kill()
        process.join()
        endings.add(process.exitcode)
        assert state(data) in ("Record", "Second")
        small.publish(data=data)
        assert state(data) == "Second"
        assert index_path(data, numbers(data)[-1]).read_bytes() == wanted
    assert -9 in endings


def test_two_publishers_at_once_leave_one_whole_edition(small, tmp_path):
    """The worst interleaving: one publishes wholly before each write of the other."""
    other = Small(tmp_path / "other")
    changed(other, "Third")
    for number in range(writes(small)):
        data = tmp_path / f"raced-{number}"
        shutil.copytree(small.data, data)
        count = []

        def raced(path: Path, body: bytes, count=count, number=number, data=data) -> None:
            count.append(path)
            if len(count) == number + 1:
                other.publish(data=data)
                assert state(data) == "Third"
            create(path, body)

        small.publish(raced, data=data)
        assert state(data) == "Second"
        assert numbers(data) == [1, 2, 3]
