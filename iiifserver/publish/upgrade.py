"""Making the current edition one of this program's, whichever wrote it."""

from __future__ import annotations

from typing import NamedTuple

from iiifserver.edition import current, read_index
from iiifserver.homes import Home
from iiifserver.upgrading import advice

from .edition import Published, Store, writing


class Upgraded(NamedTuple):
    """What became of the current edition, and what is left to do, in words."""

    published: Published
    left: list[str]


def upgrade(home: Home) -> Upgraded:
    """Publish the current edition again as this program writes it; images and documents stay.

    Raises:
        ConfigurationError: nothing is published, or a newer program wrote it.
    """
    store = Store(home)
    with writing(home):
        while True:
            number = current(home).number
            index = read_index(home, number)
            published = store.switch_from(number, index)
            if published:
                return Upgraded(published, advice(index))
