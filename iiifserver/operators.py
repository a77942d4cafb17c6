"""The commands of operators: what is set, whether all is well, what an image is; thin, as `cli`."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import orjson

from . import config as configuration
from .errors import ConfigurationError, RequestError, masked
from .options import FOLDER, JSON, published

_MOST_SHOWN = 20
_CREDENTIALS = ("AWS_", "AZURE_", "GOOGLE_")


@click.command("config")
@FOLDER
@JSON
@published
def config_command(
    folder: Path | None, for_machines: bool, data: Path | None, config_file: Path | None
) -> None:
    """Tell every setting as `serve` would use it, and where it was said. Secrets are masked."""
    settings: dict[str, Any] = {"folder": str(folder.resolve()) if folder else None, "data": data}
    said = configuration.explained(config_file, defaults=defaults_of(folder), **settings)
    credentials = sorted(name for name in os.environ if name.startswith(_CREDENTIALS))
    if for_machines:
        shown = {
            each.name: {"value": _plain(each.value), "from": masked(each.place)} for each in said
        }
        echo_json({"settings": shown, "credentials": credentials})
        return
    width = max(len(each.name) for each in said)
    for each in said:
        value = orjson.dumps(_plain(each.value)).decode()
        click.echo(f"{each.name:{width}} = {value}  # {masked(each.place)}")
    if credentials:
        click.echo(f"# of stores, not shown: {', '.join(credentials)}")


@click.command()
@published
def upgrade(data: Path | None, config_file: Path | None) -> None:
    """Publish the current edition again as this program writes it, whichever program wrote it.

    `serve` reads editions of older programs as they are; this makes it last. Images and documents
    stay, and so do the editions before.
    """
    from .publish.upgrade import upgrade

    done = upgrade(configuration.load(config_file, data=data).home)
    number = done.published.number
    what = "published" if done.published.changed else "is as this program writes it"
    click.echo(f"edition {number} {what}")
    for left in done.left:
        click.echo(f"edition {number}: {left}")


@click.command()
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where the scans lie now; by default where they were when they were published.",
)
@published
@click.pass_context
def restore(
    context: click.Context, images: Path | None, data: Path | None, config_file: Path | None
) -> None:
    """Check that what is published is whole, as after a copy, and tell it where its scans lie.

    Ends with 1, and changes nothing, if something is missing.
    """
    from .publish.restore import restore

    done = restore(configuration.load(config_file, data=data).home, images)
    for name in done.missing[:_MOST_SHOWN]:
        click.echo(f"missing: {name}")
    if len(done.missing) > _MOST_SHOWN:
        click.echo(f"... and {len(done.missing) - _MOST_SHOWN:,} more")
    number, changed = done.published
    if not done.missing:
        click.echo(
            f"edition {number} is whole" + (", and finds its scans there" if changed else "")
        )
    context.exit(int(bool(done.missing)))


@click.command()
@click.argument("name", metavar="FILE|IDENTIFIER")
@click.option("--fix", is_flag=True, help="Make what it lacks to be served fast.")
@FOLDER
@JSON
@published
def inspect(
    name: str,
    fix: bool,
    folder: Path | None,
    for_machines: bool,
    data: Path | None,
    config_file: Path | None,
) -> None:
    """Tell what an image is, how fast it will be served and why, and what to do.

    A tile and an overview are really served, and timed. Without --folder IDENTIFIER is one of what
    is published.
    """
    from . import inspect as looking

    config = serving(folder, config_file, data=data)
    try:
        done = looking.fix(name, config) if fix else ""
        found = looking.inspect(name, config)
    except RequestError as error:
        raise click.ClickException(f"{name}: {error}") from error
    if for_machines:
        echo_json({"fixed": done or None, **asdict(found)})
        return
    if done:
        click.echo(done)
    click.echo(f"{found.identifier}  {found.file}")
    for fact, value in found.facts.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        click.echo(f"  {fact:20} {shown}")
    for each in found.served:
        click.echo(f"{each.what}: {each.measured_ms} ms, {each.size_bytes:,} bytes, {each.request}")
        click.echo(f"  {each.way}: {each.reason}")
        if each.foreseen_ms:
            click.echo(f"  foreseen {each.foreseen_ms} ms of a render process")
    for each_advice in found.advice:
        click.echo(f"do: {each_advice}")


@click.command()
@FOLDER
@JSON
@published
@click.pass_context
def doctor(
    context: click.Context,
    folder: Path | None,
    for_machines: bool,
    data: Path | None,
    config_file: Path | None,
) -> None:
    """Tell whether all is well for a server: what was looked at, what was found, what to do.

    Ends with 1 if something is so that a server cannot run well.
    """
    from .doctor import Check, examine
    from .machine import Machine

    found = []
    try:
        checks = examine(serving(folder, config_file, data=data), Machine.here())
    except ConfigurationError as error:
        checks = iter([Check("settings", "fail", str(error), "mend what is named")])
    for check in checks:
        found.append(check)
        if not for_machines:
            click.echo(f"{check.state:4} {check.name}: {check.said}")
            if check.do:
                click.echo(f"     do: {check.do}")
    failed = any(check.state == "fail" for check in found)
    if for_machines:
        echo_json({"well": not failed, "checks": [asdict(check) for check in found]})
    context.exit(int(failed))


@click.command()
@JSON
@published
@click.pass_context
def verify(
    context: click.Context, for_machines: bool, data: Path | None, config_file: Path | None
) -> None:
    """Read all that is published and compare it with the checksums of when it was written.

    Ends with 1 if something is damaged. It reads every pyramid: begin it when few readers are
    there, once a month, say.
    """
    from .publish.fixity import verify

    found = verify(configuration.load(config_file, data=data).home)
    if for_machines:
        echo_json({**asdict(found), "damaged": [d._asdict() for d in found.damaged]})
    else:
        for each in found.damaged:
            click.echo(f"damaged: {each.path}, of {each.of}: {each.why}")
        if found.damaged:
            click.echo("delete these files and publish again: they are made anew")
        unknown = f"; of {found.unknown:,} no checksum was taken" if found.unknown else ""
        click.echo(
            f"{found.objects:,} objects and {found.pyramids:,} pyramids read, "
            f"{len(found.damaged):,} damaged{unknown}"
        )
    context.exit(int(bool(found.damaged)))


def serving(
    folder: Path | None, config_file: Path | None = None, **settings: Any
) -> configuration.Config:
    """Return the settings under which `serve FOLDER` or `serve` runs."""
    from .server import user_folder

    settings["folder"] = str(folder.resolve()) if folder else None
    config = configuration.load(config_file, **settings)
    if not config.folder:
        return config
    return configuration.load(config_file, defaults={"data": user_folder("folders")}, **settings)


def defaults_of(folder: Path | None) -> dict[str, Any]:
    """Return the defaults of `serve FOLDER`, none where what is published is served."""
    from .server import user_folder

    return {"data": user_folder("folders")} if folder else {}


def echo_json(value: object) -> None:
    """Print *value* for machines."""
    click.echo(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _plain(value: Any) -> Any:
    """Return a setting's value as JSON has it, and as TOML does."""
    if isinstance(value, tuple):
        return [masked(each) for each in value]
    return masked(str(value)) if isinstance(value, str | Path) else value
