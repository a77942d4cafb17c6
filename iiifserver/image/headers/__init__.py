"""What the headers of image files say: a module for each format, none needs a decoder."""

from .header import Format, Header, Level

__all__ = ["Format", "Header", "Level"]
