"""What several commands are told alike: where things are, and where to listen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .homes import Home, home_of

DEFAULT_PORT = 8182


class Place(click.ParamType):  # type: ignore[type-arg]  # generic in newer ones only
    """A folder that is there, or the URL of a place in a bucket."""

    name = "place"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Home:
        """Return the place.

        Raises:
            ConfigurationError: it is no URL that we know.
        """
        home = home_of(value) if "://" in str(value) else Path(value)
        if isinstance(home, Path) and not home.is_dir():
            self.fail(f"there is no folder {str(home)!r}.", param, context)
        return home


SHEETS = click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
IMAGES = click.option(
    "--images",
    type=Place(),
    help="Folder with the scans, a folder a record, or s3://, gs://, az://; by default `images` "
    "in FOLDER.",
)
BASE_URL = click.option(
    "--base-url",
    help="Address under which readers will reach the server; by default that of the last time.",
)
EXECUTOR = click.option(
    "--executor",
    help="What makes pyramids: `processes` of this machine, or a Dask cluster, dask://host:port.",
)
FOLDER = click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The folder that is served as it is, if one is.",
)
JSON = click.option("--json", "for_machines", is_flag=True, help="Tell it as JSON.")
_CONFIG = click.option(
    "--config",
    "config_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file with settings.",
)


def published(command: Any) -> Any:
    """Return *command* with the options that say where what is published is."""
    data = click.option(
        "--data",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of what is published; by default the setting `data`.",
    )
    return data(_CONFIG(command))


def listening(command: Any) -> Any:
    """Return *command* with the options of a server."""
    options = (
        click.option(
            "--host", default="127.0.0.1", show_default=True, help="Address to listen on."
        ),
        click.option(
            "--port",
            default=DEFAULT_PORT,
            show_default=True,
            type=click.IntRange(0, 65535),
            help="Port to listen on; 0 takes a free one.",
        ),
        click.option(
            "--workers",
            type=click.IntRange(1, 64),
            help="Processes that answer HTTP; by default as cores and memory allow, at most 4.",
        ),
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder for what the server makes; by default in your cache folder.",
        ),
        _CONFIG,
    )
    for option in reversed(options):  # as decorators are: the last one is applied first
        command = option(command)
    return command
