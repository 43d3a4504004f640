"""The command line: ``to_….py`` say what there is to type, one file for each command does it."""

from holdfast.cli.app import app
from holdfast.cli.call import train_and_read

__all__ = ["app", "train_and_read"]
