"""docker-compose.yml, as Docker Compose reads it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import pytest

from iiifserver.cli import main
from iiifserver.config import PREFIX, Config, load

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PLACES = (
    Path.home() / ".docker/cli-plugins",
    Path("/usr/local/lib/docker/cli-plugins"),
    Path("/usr/local/libexec/docker/cli-plugins"),
    Path("/usr/lib/docker/cli-plugins"),
    Path("/usr/libexec/docker/cli-plugins"),
)
COMPOSE = next(
    (str(each / "docker-compose") for each in PLACES if (each / "docker-compose").is_file()),
    shutil.which("docker-compose"),
)
ONCE = {"publish", "bucket"}
MOST_MEMORY = 8 << 30

Service = dict[str, Any]


def read(*profiles: str, **variables: str) -> Mapping[str, Any]:
    """Return what Compose makes of our file under *profiles*."""
    if COMPOSE is None:
        pytest.skip("Docker Compose 2 is missing: .ci/compose")
    options = [option for profile in profiles for option in ("--profile", profile)]
    # neither a `.env` of this machine nor its variables
    command = [COMPOSE, "--env-file", os.devnull, "-f", str(FILE), *options]
    done = subprocess.run(
        [*command, "config", "--format", "json"],
        env={"PATH": os.defpath, "HOME": str(Path.home()), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return dict(json.loads(done.stdout))


def services(*profiles: str, **variables: str) -> dict[str, Service]:
    return dict(read(*profiles, **variables)["services"])


@pytest.fixture(scope="module")
def everything() -> dict[str, Service]:
    return services("*")


def test_without_a_profile_it_is_the_demo_at_one_address() -> None:
    (name, demo), *others = services().items()
    assert (name, others) == ("demo", [])
    (port,) = demo["ports"]
    address = f"http://{port['host_ip']}:{port['published']}"
    assert address == demo["environment"]["IIIFSERVER_BASE_URL"] == "http://127.0.0.1:8182"
    moved = services(PORT="9000")["demo"]
    assert moved["environment"]["IIIFSERVER_BASE_URL"] == "http://127.0.0.1:9000"


def test_the_front_listens_where_its_documents_say() -> None:
    found = services("scale", FRONT_PORT="9001")
    (plain, _tls) = found["front"]["ports"]
    base_url = f"http://{plain['host_ip']}:{plain['published']}"
    for name in ("publish", "node"):
        assert found[name]["environment"]["IIIFSERVER_BASE_URL"] == base_url
    believed = found["node"]["environment"]["IIIFSERVER_TRUSTED_PROXIES"]
    (network,) = read("scale")["networks"]["site"]["ipam"]["config"]
    address, given_out = ip_address(believed), ip_network(network["ip_range"])
    assert address in ip_network(network["subnet"])
    assert address not in given_out  # else another container may have it
    assert found["front"]["networks"]["site"]["ipv4_address"] == believed


def test_as_many_nodes_and_workers_as_are_asked_for() -> None:
    found = services("scale", "dask", NODES="5", WORKERS="7")
    assert found["node"]["deploy"]["replicas"] == 5
    assert found["worker"]["deploy"]["replicas"] == 7


def test_an_executor_takes_the_image_with_dask() -> None:
    found = services("scale", "dask", EXECUTOR="dask://scheduler:8786")
    publish = found["publish"]
    assert (publish["image"], publish["build"]["target"]) == ("iiifserver-cluster:0.1.0", "cluster")
    assert load(environment=publish["environment"]).executor == "dask://scheduler:8786"
    assert services("scale")["publish"]["image"] == "iiifserver:0.1.0"


def test_scans_may_lie_in_a_bucket_to_which_workers_find_a_way_of_their_own() -> None:
    found = services("scale", "dask", IMAGES="s3://masters/fonds-07")
    assert found["publish"]["command"][-1] == "s3://masters/fonds-07"
    assert services("scale")["publish"]["command"][-1] == "/scans"
    assert {name for name, each in found.items() if "out" in each["networks"]} == {"worker"}


def test_no_service_may_more_than_it_needs(everything: dict[str, Service]) -> None:
    for name, service in everything.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.keys() & {"privileged", "cap_add", "network_mode", "pid", "devices"}, (
            name
        )
        limits = service["deploy"]["resources"]["limits"]
        assert 0 < int(limits["memory"]) <= MOST_MEMORY, name
        assert 0 < limits["pids"] <= 1024, name
        assert all("size=" in each for each in service["tmpfs"]), name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        assert service.get("user", "10001") not in ("0", "root", "0:0"), name
        restart = service["restart"]
        assert restart == ("no" if name in ONCE else "unless-stopped"), name


def test_every_image_is_pinned(everything: dict[str, Service]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for name, service in everything.items():
        image, _, tag = service["image"].rpartition(":")
        if image.startswith("iiifserver"):
            assert tag == project["version"], name
        else:
            assert re.match(r"\d+\.\d+\.\d+|RELEASE\.\d{4}-\d\d-\d\dT", tag), name


def test_what_is_written_lies_in_named_volumes(everything: dict[str, Service]) -> None:
    for name, service in everything.items():
        for volume in service.get("volumes", []):
            if volume["type"] == "bind":
                # only who publishes writes, and only beside the sheets
                written = (name, volume["target"]) == ("publish", "/exhibition")
                assert volume.get("read_only", False) is not written, name
                assert Path(volume["source"]).is_dir(), name
            else:
                assert volume["type"] == "volume", name
                assert volume["source"], name


def test_nobody_else_reaches_a_port_unless_that_is_said(everything: dict[str, Service]) -> None:
    ports = [port for service in everything.values() for port in service.get("ports", [])]
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    assert read("*")["networks"]["cluster"]["internal"] is True
    assert set(everything["scheduler"]["networks"]) == {"cluster"}


def test_no_secret_stands_in_the_file(everything: dict[str, Service]) -> None:
    secret = re.compile("SECRET|PASSWORD|TOKEN|ACCESS_KEY")
    for name, service in everything.items():
        for key, value in service.get("environment", {}).items():
            assert value is None or not secret.search(key), name
    text = FILE.read_text(encoding="utf-8")
    given = re.findall(r"\w*(?:SECRET|PASSWORD|TOKEN)\w*[=:] *(\S+)", text)
    assert [value for value in given if not value.startswith(("-", "?", '"$$'))] == []


def test_keys_of_the_environment_reach_those_who_need_them() -> None:
    found = services("scale", "store", "dask", AWS_SECRET_ACCESS_KEY="k", STORE="s3://iiif")
    having = {
        name
        for name, service in found.items()
        if service.get("environment", {}).get("AWS_SECRET_ACCESS_KEY") == "k"
    }
    assert having == {"publish", "node", "worker", "store", "bucket"}
    assert load(environment=found["node"]["environment"]).store == "s3://iiif"


def test_health_is_asked_for_wherever_something_runs_on(everything: dict[str, Service]) -> None:
    for name, service in everything.items():
        checked = service.get("healthcheck", {})
        ours = service["image"].startswith("iiifserver:")  # its Dockerfile says how
        assert checked.get("test") or ours or checked["disable"], name
    waits = {
        (name, other): wait["condition"]
        for name, service in everything.items()
        for other, wait in service.get("depends_on", {}).items()
    }
    assert waits["front", "node"] == "service_healthy"
    assert waits["node", "publish"] == "service_completed_successfully"


def test_settings_and_commands_are_those_of_the_program(everything: dict[str, Service]) -> None:
    known = {f"{PREFIX}{each.name.upper()}" for each in fields(Config)}
    for name, service in everything.items():
        environment = service.get("environment", {})
        assert {key for key in environment if key.startswith(PREFIX)} <= known, name
        load(environment=environment)
        if service["image"].startswith("iiifserver") and not service.get("entrypoint"):
            command = main.commands[service["command"][0]]
            assert isinstance(command, click.Command)
            options = {option for each in command.params for option in each.opts}
            used = {word for word in service["command"] if word.startswith("--")}
            assert used <= options, name


def test_the_front_has_its_configuration(everything: dict[str, Service]) -> None:
    front = everything["front"]
    (mounted,) = (each for each in front["volumes"] if each["type"] == "bind")
    configuration = front["command"][1]
    assert configuration.startswith(f"{mounted['target']}/")
    for name in ("plain", "tls"):
        chosen = services("scale", FRONT=name)["front"]["command"][1]
        assert (Path(mounted["source"]) / Path(chosen).name).is_file()
    assert "server node:8182 " in (Path(mounted["source"]) / "nodes.conf").read_text()
