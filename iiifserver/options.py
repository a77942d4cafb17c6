"""What options of commands may be: places, which are folders or URLs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .homes import Home, home_of


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
