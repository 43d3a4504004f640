"""What `track` and `notify` name: other tools, and people; no message repeats an address."""

import re
from typing import Any

_TRACKERS = ("tensorboard", "mlflow")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://\S+")
_WITH_SECRET = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*@")


def trackers(value: Any) -> tuple[str, ...]:
    """Return each tool that is named, alone or in a list with commas.

    Raises:
        ValueError: it is none that is known, is named twice, or holds a password.
    """
    named = tuple(one for part in _parts(value) for one in map(str.strip, part.split(",")) if one)
    kinds = [name.partition(":")[0] for name in named]
    for kind, name in zip(kinds, named, strict=True):
        if kind not in _TRACKERS:
            raise ValueError("use tensorboard, tensorboard:DIR, mlflow or mlflow:URI")
        if kind == "tensorboard" and "://" in name:
            raise ValueError("tensorboard: name a folder of this machine, or none")
        if _WITH_SECRET.search(name):  # it would be recorded, for whoever starts the run again
            raise ValueError(
                "leave user and password out of the URI: MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD are taken from the environment"
            )
    if len(set(kinds)) < len(kinds):
        raise ValueError("a tool is named twice")
    return named


def notify_addresses(value: Any) -> tuple[str, ...]:
    """Return each address; a text may hold several, with white space between them.

    Raises:
        ValueError: one is no URL.
    """
    named = tuple(one for part in _parts(value) for one in part.split())
    for number, name in enumerate(named, 1):
        if not _URL.fullmatch(name):
            raise ValueError(f"address {number} of {len(named)} is no URL as Apprise has them")
    return named


def _parts(value: Any) -> tuple[str, ...]:
    parts = (value,) if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise ValueError("must be a text, or a list of them")
    shown = [getattr(one, "get_secret_value", lambda one=one: one)() for one in parts]
    if not all(isinstance(one, str) for one in shown):
        raise ValueError("must be a text, or a list of them")
    return tuple(shown)
