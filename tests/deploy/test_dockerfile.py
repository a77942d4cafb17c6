"""The Dockerfile: what we ask of it, and that what it names is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from dockerfiles import complaints, stages, whole

from iiifserver.options import DEFAULT_PORT

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
GOOD = """FROM base:1.2.3-slim
USER 10001
HEALTHCHECK --interval=9s CMD ["true"]
ENTRYPOINT ["serve"]
CMD ["x"]
"""


def test_nothing_is_to_be_said_against_ours() -> None:
    assert complaints(TEXT) == []
    assert complaints(GOOD) == []


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("base:1.2.3-slim", "base", "FROM base: not pinned"),
        ("base:1.2.3-slim", "base:latest", "FROM base:latest: not pinned"),
        ("base:1.2.3-slim", "base:3", "FROM base:3: not pinned"),
        ("USER 10001\n", "", "USER: none"),
        ("USER 10001", "USER root", "USER: none, root"),
        ("USER 10001", "USER 0:0", "USER: none, root"),
        ("USER 10001", "USER 10001\nUSER root", "USER: none, root"),
        ("USER 10001", "USER 10001\nRUN make", "RUN after USER"),
        ("USER", "ADD http://x.example/y /\nUSER", "ADD http"),
        (
            "USER",
            "RUN apt-get update && apt-get install -y x\nUSER",
            "apt-get install -y x: leaves",
        ),
        ("USER", "RUN curl x | sh\nUSER", "fetches"),
        ("USER", "RUN true \\\n  && pip install x\nUSER", "packages without hashes"),
        ("USER", "RUN pip install --require-hashes -r y && pip install x\nUSER", "without hashes"),
        ("USER", "COPY . /app\nUSER", "COPY .:"),
        ("USER", "ENV S3_SECRET=x\nUSER", "a secret"),
        ("ENTRYPOINT [", "ENTRYPOINT serve [", "a shell"),
        ("HEALTHCHECK", "LABEL", "HEALTHCHECK: none"),
        ('CMD ["true"]', "CMD true", "HEALTHCHECK --interval=9s CMD true: a shell"),
    ],
)
def test_what_is_wrong_is_found(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    assert any(complaint in each for each in complaints(GOOD.replace(old, new, 1)))


def test_what_is_copied_is_there_and_not_left_out() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in rules  # all else is left out
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    own = [each for stage in stages(TEXT) for each in stage.own]
    copied = [text.split()[:-1] for name, text in own if name == "COPY" and "--from" not in text]
    for path in {path for paths in copied for path in paths}:
        assert (ROOT / path).exists(), path
        assert any(Path(path).match(pattern) for pattern in allowed), path
    assert all(list(ROOT.glob(pattern)) for pattern in allowed)


def test_stages_that_are_named_exist() -> None:
    names = [stage.name for stage in stages(TEXT)]
    assert set(re.findall(r"--from=(\S+)", TEXT)) <= set(names)
    assert names[-1] == "serve"


def test_nothing_that_builds_is_in_what_serves() -> None:
    named = {stage.name: stage for stage in stages(TEXT)}
    made = whole(named["serve"], named)
    brought = {text.split()[0] for name, text in made if name == "COPY" and "--from" in text}
    assert brought == {"--from=program"}
    assert not any("pip" in text or "/tools" in text for _, text in made)


def test_the_port_is_that_of_the_program() -> None:
    named = {stage.name: stage for stage in stages(TEXT)}
    made = dict(whole(named["serve"], named))
    assert made["EXPOSE"] == str(DEFAULT_PORT)
    assert f"127.0.0.1:{DEFAULT_PORT}/health" in made["HEALTHCHECK"]


def pins(lock: Path) -> dict[str, str]:
    text = lock.read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries), lock
    return dict(re.match(r"([\w.-]+)==([\w.!+-]+)", entry).groups() for entry in entries)  # type: ignore[union-attr,misc]


@pytest.mark.parametrize("name", ["requirements-dask.lock", "requirements-build.lock"])
def test_locks_of_images_pin_what_is_tested(name: str) -> None:
    tested, pinned = pins(ROOT / "requirements-dev.lock"), pins(ROOT / "deploy" / name)
    assert {n: v for n, v in pinned.items() if tested.get(n, v) != v} == {}
    wanted = pins(ROOT / "requirements.lock") if "dask" in name else {"hatchling": ""}
    assert wanted.keys() <= pinned.keys()


def test_python_is_one_that_we_support() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (version,) = set(re.findall(r"FROM python:(\d+\.\d+)\.", TEXT))
    assert project["requires-python"] == f">={version}"
