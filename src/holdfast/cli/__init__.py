"""The command line: ``to_….py`` say what there is to type, one file for each command does it."""

from holdfast.cli.app import app

__all__ = ["app"]
