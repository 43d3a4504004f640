"""What a start changes of the run it continues, and what each change touches."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

REFUSE, RESTART_AFFECTED, CONTINUE = "refuse", "restart-affected", "continue"

_NOT_COMPARED = ("settings", "stages", "changes")
_UNSAID = {"ranks": 1}  # what a record means that was made before it said so


@dataclass(frozen=True)
class Change:
    """One setting that is not what it was."""

    text: str
    backbone: str | None = None
    """The only backbone it touches; None where it touches all of them."""
    longer_stage: str | None = None
    """The stage that merely got more epochs."""
    reshapes: bool = False
    """Whether models may have another shape since, so that no checkpoint from before fits."""


def find_changes(known: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Compare a run's record with what a start brings, each key of the latter or of both."""
    before = {key: value for key, value in known.items() if key not in _NOT_COMPARED}
    after = {key: value for key, value in now.items() if key not in _NOT_COMPARED}
    found = [
        Change(text, reshapes=_shape(old) != _shape(new))
        for key in dict.fromkeys([*before, *after])
        for old, new in [({key: before.get(key)}, {key: after.get(key)})]
        for text in _texts(old, new)
    ]
    if "stages" in known and "stages" in now:
        ours = "--epochs-" if "config" in known else "stages."
        found += _stage_changes(known["stages"], now["stages"], ours)
    old, new = known.get("settings", {}), now.get("settings", {})
    for name in [name for name in new if name in old]:
        texts = differences(old[name], new[name], f"{name}.")
        found += [Change(text, backbone=name) for text in texts]
    return found


def _shape(part: Mapping[str, Any]) -> tuple[object, object]:
    """Return what decides the shape of every backbone: the number of classes, and the size."""
    classes, config = part.get("classes"), part.get("config")
    return (
        len(classes) if isinstance(classes, list) else classes,
        config.get("size") if isinstance(config, Mapping) else None,
    )


def _texts(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Name what differs as its user knows it: by the option; images by what became of them."""
    was, now = old.get("data"), new.get("data")
    if isinstance(was, Mapping) and isinstance(now, Mapping) and "digest" in was:
        return [] if was == now else [_image_text(was, now)]
    return [_OPTION.sub(_as_option, text) for text in differences(old, new)]


_OPTION = re.compile(r"^config\.([\w.]+) was ")


def _as_option(found: re.Match[str]) -> str:
    name = found[1]
    return f"{name} was " if "." in name else f"--{name.replace('_', '-')} was "


def _image_text(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    if old.get("digest") == new.get("digest"):
        return "the images are the same, but are decoded otherwise now (another Pillow?)"
    was, now = old.get("images"), new.get("images")
    return "the images have changed" + (f" ({was}, now {now})" if was != now else "")


def _stage_changes(old: Mapping[str, int], new: Mapping[str, int], prefix: str) -> list[Change]:
    same_stages = list(old) == list(new)
    return [
        Change(text, longer_stage=stage if same_stages and new[stage] > old[stage] else None)
        for stage in dict.fromkeys([*old, *new])
        for text in differences({stage: old.get(stage, 0)}, {stage: new.get(stage, 0)}, prefix)
    ]


def differences(known: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Name each setting that is not what it was."""
    found = []
    for key in dict.fromkeys([*known, *now]):
        old, new = known.get(key, _UNSAID.get(key)), now.get(key, _UNSAID.get(key))
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append(f"{prefix}{key} was {old}, now {new}")
    return found
