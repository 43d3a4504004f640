"""The command line: one file for each command."""

from holdfast.cli.app import app

__all__ = ["app"]
