"""The `iiifserver` command: thin, like the views. What a command needs it imports itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from . import __version__
from . import config as configuration
from .errors import IiifServerError

DEFAULT_PORT = 8182


class _Commands(click.Group):
    """Commands whose expected errors are one line on the terminal."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except IiifServerError as error:
            click.echo(f"iiifserver: {error}", err=True)
            context.exit(2)


def _listening(command: Any) -> Any:
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
        click.option("--workers", type=click.IntRange(1, 64), help="Processes that answer HTTP."),
        click.option(
            "--data",
            type=click.Path(file_okay=False, path_type=Path),
            help="Folder for what the server makes; by default in your cache folder.",
        ),
        click.option(
            "--config",
            "config_file",
            type=click.Path(dir_okay=False, path_type=Path),
            help="TOML file with settings.",
        ),
    )
    for option in reversed(options):  # as decorators are: the last one is applied first
        command = option(command)
    return command


@click.group(cls=_Commands)
@click.version_option(__version__)
def main() -> None:
    """Serve scans by the IIIF APIs, and publish exhibitions of them."""


@main.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@_listening
def serve(folder: Path, data: Path | None, config_file: Path | None, **listen: Any) -> None:
    """Serve the images in FOLDER as they are, under their names."""
    from .server import run, user_folder

    data = data or user_folder("folders")
    config = configuration.load(config_file, folder=str(folder.resolve()), data=data)
    run(config, **listen)


@main.command()
@click.option(
    "--exhibition",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("manifests/japan-mongolia"),
    show_default=True,
    help="Folder with the exhibition's sheets.",
)
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("images"),
    show_default=True,
    help="Folder with its scans, a folder a record.",
)
@_listening
def demo(
    exhibition: Path, images: Path, data: Path | None, config_file: Path | None, **listen: Any
) -> None:
    """Publish the demo exhibition and serve it."""
    from .server import publish_apart, run, settle, user_folder

    listen |= {"port": settle(listen["host"], listen["port"])}
    data = data or user_folder("demo")
    config = configuration.load(config_file, data=data)
    if not config.base_url:
        base_url = f"http://{listen['host']}:{listen['port']}"
        config = configuration.load(config_file, data=data, base_url=base_url)
    click.echo(publish_apart(exhibition, images, config))
    run(config, **listen)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--xlsx",
    "form",
    flag_value="xlsx",
    default="files",
    help="One workbook, not TOML and CSV files.",
)
@click.option(
    "--language",
    "languages",
    multiple=True,
    default=["en"],
    show_default=True,
    help="A language of the exhibition (en, ja, mn-Mong, ...), most important first; repeatable.",
)
@click.option(
    "--headings",
    type=click.Choice(["en", "ja", "mn"]),
    default="en",
    show_default=True,
    help="The language in which columns are called.",
)
def init(folder: Path, form: Any, languages: tuple[str, ...], headings: str) -> None:
    """Make a starter in FOLDER: sheets with a small example, and a folder for the scans."""
    from .language import parse_tag
    from .publish.starter import make_starter

    tags = list(dict.fromkeys(parse_tag(tag) for tag in languages))
    made = make_starter(folder, tags, form=form, headings=headings)
    click.echo(f"{folder}: made {', '.join(made)}")
    click.echo(f"Put scans into {folder}/images/record-1, then: iiifserver publish {folder}")


@main.command()
@click.argument("source", type=click.Path(exists=True, path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
def convert(source: Path, target: Path) -> None:
    """Write the sheets in SOURCE to TARGET: a workbook (.xlsx), or a folder of TOML and CSV."""
    from .publish.conversion import convert

    for mistake in convert(source, target):
        click.echo(f"{mistake.severity}: {mistake}")
    click.echo(f"{target}: written")


if __name__ == "__main__":
    sys.exit(main())
