"""The `iiifserver` command: thin, like the views. What a command needs it imports itself."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Any

import click

from . import __version__, operators
from . import config as configuration
from .errors import IiifServerError
from .homes import Home
from .options import BASE_URL, EXECUTOR, FOLDER, IMAGES, JSON, SHEETS, listening, published

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


class _Commands(click.Group):
    """Commands whose expected errors are one line on the terminal."""

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except IiifServerError as error:
            click.echo(f"iiifserver: {error}", err=True)
            context.exit(2)
        except OSError as error:
            if error.errno not in _DISK:
                raise
            click.echo(f"iiifserver: {error.filename or 'a disk'}: {error.strerror}", err=True)
            context.exit(2)


@click.group(cls=_Commands)
@click.version_option(__version__)
def main() -> None:
    """Serve scans by the IIIF APIs, and publish exhibitions of them."""


@main.command()
@click.argument(
    "folder", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@listening
def serve(folder: Path | None, data: Path | None, config_file: Path | None, **listen: Any) -> None:
    """Serve the images in FOLDER as they are, under their names; without FOLDER what is published.

    What is published is read from --data, which is the setting `data` if it is not given.
    """
    from .server import address, linked_apart, run, settle, user_folder

    name = str(folder.resolve()) if folder else None
    environment = dict(os.environ)  # as it is before the server adds its own

    def read(**defaults: Any) -> configuration.Config:
        return configuration.load(config_file, environment, defaults, folder=name, data=data)

    config = read()
    if config.folder:
        defaults = {"data": user_folder("folders")}
        run(read(**defaults), **listen, reread=lambda: read(**defaults))
        return
    from .publish.publication import linked

    listen |= {"port": settle(listen["host"], listen["port"])}
    link = linked_apart if config.store else linked
    config, said = link(config, address(listen["host"], listen["port"]))
    if said:
        click.echo(said)
    run(config, **listen, reread=read)


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
@listening
def demo(
    exhibition: Path, images: Path, data: Path | None, config_file: Path | None, **listen: Any
) -> None:
    """Publish the demo exhibition and serve it."""
    from .server import address, publish_apart, run, settle, user_folder

    listen |= {"port": settle(listen["host"], listen["port"])}
    here = address(listen["host"], listen["port"])
    defaults = {"data": user_folder("demo"), "base_url": here}
    config = configuration.load(config_file, defaults=defaults, data=data)
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


@main.command()
@SHEETS
@IMAGES
@JSON
@click.option("--no-verify", is_flag=True, help="Read the headers of scans only, not all pixels.")
@published
@click.pass_context
def check(
    context: click.Context,
    /,
    folder: Path,
    images: Home | None,
    for_machines: bool,
    no_verify: bool,
    **where: Any,
) -> None:
    """Tell every mistake in FOLDER and its scans; write nothing there.

    Ends with 1 if there are errors. What was found out of scans is remembered below --data.
    """
    from .publish import examined, report
    from .publish.check import review

    config, scans = _config(**where), images or folder / "images"
    found = review(
        folder, scans, lambda found: examined.examine(found, scans, config, decode=not no_verify)
    )
    text = report.as_text if for_machines else report.in_words
    click.echo(text(found))
    context.exit(int(found.exhibition is None))


@main.command()
@SHEETS
@IMAGES
@BASE_URL
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
@EXECUTOR
@published
def publish(folder: Path, images: Home | None, dry_run: bool, **where: Any) -> None:
    """Make the exhibition in FOLDER what is published: whole, or nothing changes."""
    from .publish import publication

    if dry_run:
        _tell_changes(folder, images, **where)
        return
    click.echo(publication.publish(folder, images or folder / "images", _config(**where)))


@main.command()
@click.argument(
    "sheets", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@IMAGES
@click.option(
    "--folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder that is served as it is, in place of an exhibition.",
)
@EXECUTOR
@published
def pyramids(sheets: Path | None, images: Home | None, folder: Path | None, **where: Any) -> None:
    """Make the pyramids of the exhibition in SHEETS ahead of time; publish nothing.

    With --folder those of a folder that is served as it is, as far as folder_pyramids_mib allows.
    What is there already is not made again.
    """
    if bool(sheets) == bool(folder):
        raise click.UsageError("name the folder of an exhibition, or say --folder")
    if sheets:
        from .publish.publication import make_pyramids_of

        scans = images or sheets / "images"
        click.echo(make_pyramids_of(sheets, scans, _config(**where)))
        return
    from .publish.ahead import make_ahead

    done = make_ahead(operators.serving(folder, **where))
    click.echo(f"{done.ready:,} pictures are ready")
    if done.left:
        click.echo(f"{done.left:,} are left: they do not fit into folder_pyramids_mib")


@main.command()
@SHEETS
@IMAGES
@BASE_URL
@published
def diff(folder: Path, images: Home | None, **where: Any) -> None:
    """Tell in words what publishing FOLDER would change; write nothing."""
    _tell_changes(folder, images, **where)


@main.command()
@click.argument("number", required=False, type=click.IntRange(1, 999_999))
@published
def rollback(number: int | None, **where: Any) -> None:
    """Publish edition NUMBER again, the one before the current one if it is not given."""
    from .publish.edition import rollback

    done = rollback(_config(**where).home, number)
    click.echo(f"edition {done.number} {'published' if done.changed else 'unchanged'}")


@main.command()
@click.option("--keep", default=10, show_default=True, type=click.IntRange(1), help="Editions.")
@published
def prune(keep: int, **where: Any) -> None:
    """Delete all but the newest editions, and what only they needed."""
    from .publish.edition import prune

    done = prune(_config(**where).home, keep)
    click.echo(
        f"{done.editions} editions, {done.objects} objects, {done.pyramids} pyramids deleted"
    )


@main.command()
@click.argument("base_url")
@published
def relink(base_url: str, **where: Any) -> None:
    """Move what is published to the address BASE_URL; images stay as they are."""
    from .publish.edition import relink

    config = _config(base_url=base_url, **where)
    moved = relink(config.home, config.base_url, follows_server=False)
    click.echo(f"addresses {'moved to' if moved else 'are already at'} {base_url}")


@main.command()
@click.argument("identifiers", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Forget made pictures of all images.")
@FOLDER
@published
def purge(
    identifiers: tuple[str, ...], everything: bool, folder: Path | None, **where: Any
) -> None:
    """Forget what was made of images called IDENTIFIERS: it is made anew when it is asked for.

    That is pictures, and with --folder the pyramids of scans too. A file that was replaced needs
    none of this: what was made of the old one is never shown again.
    """
    from .image.purging import purge, purge_all

    if everything == bool(identifiers):
        raise click.UsageError("name images, or say --all")
    config = operators.serving(folder, **where)
    if everything:
        click.echo(f"{purge_all(config)} files deleted")
        return
    for identifier, count in purge(config, identifiers).items():
        click.echo(f"{identifier}: {count} files deleted" if count else f"{identifier}: none kept")


for _command in (
    operators.config_command,
    operators.doctor,
    operators.inspect,
    operators.restore,
    operators.upgrade,
    operators.verify,
):
    main.add_command(_command)


def _tell_changes(folder: Path, images: Home | None, **where: Any) -> None:
    from .publish import publication

    for line in publication.preview(folder, images or folder / "images", _config(**where)):
        click.echo(line)


def _config(config_file: Path | None, **settings: Any) -> configuration.Config:
    return configuration.load(config_file, **settings)


if __name__ == "__main__":
    sys.exit(main())
