"""Object storage: a run's scratch directory here, a mirror of it there, one lease for both.

Nothing of this needs obstore before a URL is given.
"""

from holdfast.storage.objects.address import is_url
from holdfast.storage.objects.borrowed import Lent
from holdfast.storage.objects.photos import local_folder
from holdfast.storage.objects.places import (
    fetch,
    is_safe,
    lent,
    located,
    lock_of,
    look,
    named,
    outlines_do,
    refresh,
    shown,
    tell,
    thorough,
    viewed,
    whole,
)
from holdfast.storage.objects.store import GoneError

__all__ = [
    "GoneError",
    "Lent",
    "fetch",
    "is_safe",
    "is_url",
    "lent",
    "local_folder",
    "located",
    "lock_of",
    "look",
    "named",
    "outlines_do",
    "refresh",
    "shown",
    "tell",
    "thorough",
    "viewed",
    "whole",
]
