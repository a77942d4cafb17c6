"""Settings: defaults, TOML, environment and command line, and what is refused."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from iiifserver.cli import main
from iiifserver.config import Config, background_rgb, environment, explained, load
from iiifserver.errors import ConfigurationError, masked


def written(folder: Path, text: str) -> Path:
    path = folder / "iiifserver.toml"
    path.write_text(text, "utf-8")
    return path


def refusal(*arguments: object, **overrides: object) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(*arguments, **overrides)
    return str(caught.value)


def test_limits_are_set_by_default():
    config = load(environment={})
    assert (config.max_width, config.max_height, config.max_area) == (16_383, 16_383, 10**8)
    assert (config.max_decoder_mib, config.max_source_pixels) == (512, 2_000_000_000)


def test_later_places_win(tmp_path):
    toml = written(tmp_path, "max_width = 100\nmax_height = 100\nmax_area = 100\nmax_age_s = 1\n")
    variables = {"IIIFSERVER_MAX_HEIGHT": "200", "IIIFSERVER_MAX_AREA": "200"}
    config = load(toml, variables, max_area=300, max_age_s=None)
    found = (config.max_width, config.max_height, config.max_area, config.max_age_s)
    assert found == (100, 200, 300, 1)


def test_other_variables_of_the_environment_do_not_count():
    assert load(environment={"MAX_WIDTH": "1", "IIIF_MAX_WIDTH": "1", "PATH": "/"}) == Config()


def test_settings_are_frozen():
    with pytest.raises(FrozenInstanceError):
        Config().max_width = 1


def test_every_setting_says_what_it_is_about():
    assert all(each.metadata["about"] for each in fields(Config))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ('base_url = "https://example.org/scans"', "base_url", "https://example.org/scans"),
        ('allowed_hosts = ["a.org", "b.org"]', "allowed_hosts", ("a.org", "b.org")),
        ("upscaling = false", "upscaling", False),
        ('data = "elsewhere"', "data", Path("elsewhere").absolute()),
        ('profile = "keep"', "profile", "keep"),
        ('executor = "dask://10.0.0.7:8786"', "executor", "dask://10.0.0.7:8786"),
        ("max_area = 1_000_000", "max_area", 1_000_000),
    ],
)
def test_toml_sets(tmp_path, text, name, value):
    assert getattr(load(written(tmp_path, text), {}), name) == value


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("ALLOWED_HOSTS", "a.org, b.org,", ("a.org", "b.org")),
        ("ALLOWED_HOSTS", "", ()),
        ("UPSCALING", "no", False),
        ("UPSCALING", "TRUE", True),
        ("DATA", "elsewhere", Path("elsewhere").absolute()),
        ("PROFILE", "keep", "keep"),
        ("MAX_AREA", "1_000_000", 1_000_000),
    ],
)
def test_the_environment_sets(variable, text, value):
    config = load(environment={f"IIIFSERVER_{variable}": text})
    assert getattr(config, variable.lower()) == value


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ('executor = "threads"', "executor = 'threads': 'processes', or dask://host:port"),
        ('executor = "dask://host"', "executor = 'dask://host'"),
        ('executor = "dask://host:port"', "executor = 'dask://host:port'"),
        ('executor = "http://host:8786"', "executor = 'http://host:8786'"),
        ("max_widht = 1", "'max_widht'; did you mean 'max_width'?"),
        ("[limits]\nmax_width = 1", "'limits'"),
        ('max_width = "100"', "max_width = '100'"),
        ("max_width = 1.5", "max_width = 1.5"),
        ("max_width = true", "max_width = True"),
        ("max_width = 0", "max_width = 0: at least 1"),
        ("max_width = 65501", "max_width = 65501: at most 65500"),
        ("jpeg_quality = 101", "jpeg_quality = 101: at most 100"),
        ("upscaling = 1", "upscaling = 1"),
        ('upscaling = "no"', "upscaling = 'no'"),
        ('allowed_hosts = "a.org"', "allowed_hosts = 'a.org'"),
        ("allowed_hosts = [1]", "allowed_hosts = [1]"),
        ("data = 1", "data = 1"),
        ('profile = "cmyk"', "profile = 'cmyk': one of 'srgb', 'keep'"),
        ('jpeg_subsampling = "4:2:0"', "jpeg_subsampling = '4:2:0'"),
        ('background = "white"', "background = 'white': write it as #rrggbb"),
        ('background = "#fffff"', "background = '#fffff'"),
        ('background = "#gggggg"', "background = '#gggggg'"),
        ('background = "#ff ff0"', "background = '#ff ff0'"),
        ('base_url = "https://example.org/"', "base_url = 'https://example.org/'"),
        ('base_url = "example.org"', "base_url = 'example.org'"),
        ('base_url = "ftp://example.org"', "base_url = 'ftp://example.org'"),
        ('base_url = "https:///scans"', "base_url = 'https:///scans'"),
        ('base_url = "https://a.org/?x"', "base_url = 'https://a.org/?x'"),
        ('base_url = "https://a.org/#x"', "base_url = 'https://a.org/#x'"),
        ('base_url = "https://[::1"', "base_url = 'https://[::1'"),
        ('base_url = "https://me@a.org"', "base_url = 'https://***@a.org'"),
        ('base_url = "https://a.org/b\\n"', "base_url = 'https://a.org/b\\n'"),
        ('base_url = "https://a.org\\r\\n/b"', "base_url = 'https://a.org\\r\\n/b'"),
        ('base_url = "https://a.org/b c"', "base_url = 'https://a.org/b c'"),
        ('base_url = "https://a.org/<b>"', "base_url = 'https://a.org/<b>'"),
        ('base_url = "https://資料.example"', "as browsers send them: xn--"),
        ('base_url = "javascript:alert(1)"', "base_url = 'javascript:alert(1)'"),
        ("max_width = ", "not TOML"),
    ],
)
def test_a_setting_that_cannot_be_used_stops_the_start_by_name(tmp_path, text, culprit):
    assert culprit in refusal(written(tmp_path, text), {})


@pytest.mark.parametrize(
    ("variable", "text", "culprit"),
    [
        ("IIIFSERVER_MAX_WIDHT", "1", "'IIIFSERVER_MAX_WIDHT'; did you mean 'max_width'?"),
        ("IIIFSERVER_", "1", "'IIIFSERVER_'"),
        ("IIIFSERVER_MAX_WIDTH", "", "max_width = ''"),
        ("IIIFSERVER_MAX_WIDTH", "1e3", "max_width = '1e3'"),
        ("IIIFSERVER_MAX_WIDTH", "-1", "max_width = '-1'"),
        ("IIIFSERVER_MAX_WIDTH", "１００", "max_width = '１００'"),
        ("IIIFSERVER_MAX_WIDTH", "1__0", "max_width = '1__0'"),
        ("IIIFSERVER_MAX_WIDTH", "9" * 5000, "max_width"),
        ("IIIFSERVER_MAX_WIDTH", "_", "max_width = '_'"),
        ("IIIFSERVER_UPSCALING", "perhaps", "upscaling = 'perhaps'"),
        ("IIIFSERVER_PROFILE", "SRGB", "profile = 'SRGB'"),
    ],
)
def test_a_variable_that_cannot_be_used_stops_the_start_by_name(variable, text, culprit):
    assert culprit in refusal(environment={variable: text})


def test_a_file_that_cannot_be_read_stops_the_start_by_name(tmp_path):
    missing = tmp_path / "none.toml"
    assert str(missing) in refusal(missing, {})
    not_utf8 = tmp_path / "latin.toml"
    not_utf8.write_bytes(b'base_url = "\xe9"')
    assert str(not_utf8) in refusal(not_utf8, {})


def test_settings_travel_to_other_processes_in_their_environment():
    config = Config(
        base_url="https://example.org/scans",
        allowed_hosts=("a.org", "b.org"),
        folder="/スキャン/1972",
        data=Path("a b"),
        upscaling=False,
        max_area=12_345,
        profile="keep",
        background="#102030",
    )
    assert load(environment=environment(config)) == config
    assert load(environment=environment(Config())) == Config()


def places(*arguments: object, **overrides: object) -> dict[str, str]:
    return {each.name: each.place for each in explained(*arguments, **overrides)}


def test_every_setting_tells_where_it_was_said(tmp_path):
    toml = written(tmp_path, '# max_area = 1\nmax_width = 100\n\n"max_height" = 100\nmax_area=1\n')
    variables = {"IIIFSERVER_MAX_HEIGHT": "200"}
    found = places(toml, variables, {"folder": "/x"}, max_age_s=3, data=None)
    assert found["max_width"] == f"{toml}:2"
    assert found["max_height"] == "environment: IIIFSERVER_MAX_HEIGHT"
    assert found["max_area"] == f"{toml}:5"
    assert found["max_age_s"] == "command line: --max-age-s"
    assert found["folder"] == "default of this command"
    assert found["data"] == "default"
    assert list(found) == [each.name for each in fields(Config)]


def test_what_is_explained_is_what_is_loaded(tmp_path):
    toml = written(tmp_path, "max_width = 100\n")
    said = explained(toml, {"IIIFSERVER_UPSCALING": "no"}, max_area=5)
    assert Config(**{each.name: each.value for each in said}) == load(
        toml, {"IIIFSERVER_UPSCALING": "no"}, max_area=5
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://me:secret@scans/a", "s3://***@scans/a"),
        ("https://a.org/x?sv=1&sig=abc%2F&b=2", "https://a.org/x?sv=1&sig=***&b=2"),
        (
            "https://a.org/?X-Amz-Credential=a&X-Amz-Signature=b",
            "https://a.org/?X-Amz-Credential=***&X-Amz-Signature=***",
        ),
        ("https://a.org/a@b", "https://a.org/a@b"),
        ("dask://host:8786", "dask://host:8786"),
    ],
)
def test_secrets_in_addresses_are_masked(text, shown):
    assert masked(text) == shown
    assert str(ConfigurationError(f"no store: {text!r}")) == f"no store: {shown!r}"


def test_a_command_tells_the_settings_without_secrets(tmp_path, monkeypatch):
    toml = written(tmp_path, "max_width = 100\n")
    monkeypatch.setenv("IIIFSERVER_TRUSTED_PROXIES", "10.0.0.1,10.0.0.2")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    run = CliRunner().invoke(main, ["config", "--config", str(toml), "--json"])
    said = json.loads(run.output)
    assert said["settings"]["max_width"] == {"value": 100, "from": f"{toml}:1"}
    assert said["settings"]["trusted_proxies"]["value"] == ["10.0.0.1", "10.0.0.2"]
    assert "AWS_SECRET_ACCESS_KEY" in said["credentials"]
    text = CliRunner().invoke(main, ["config", "--config", str(toml)]).output
    assert f"max_width           = 100  # {toml}:1\n" in text
    assert "hidden" not in run.output + text
    shown = tmp_path / "shown.toml"
    shown.write_text(text, "utf-8")
    assert load(shown, {}) == load(toml)  # what is told can be used as it is


def test_background_is_red_green_and_blue():
    assert background_rgb("#0a80FF") == (10, 128, 255)
