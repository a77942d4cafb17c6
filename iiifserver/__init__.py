"""The IIIF server for archives: exact image tiles, and multilingual manifests from a sheet."""

__version__ = "0.1.0"
