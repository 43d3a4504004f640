"""The guide's ``from config.settings import BACKBONES``."""

from holdfast.config import BACKBONES

__all__ = ["BACKBONES"]
