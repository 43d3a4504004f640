"""A run in the browser: pages that follow it, read from its files alone; knows no torch."""

from holdfast.dashboard.serving import serve

__all__ = ["serve"]
