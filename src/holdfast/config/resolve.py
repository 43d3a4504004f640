"""From defaults, preset, TOML file and flags to the settings of a run."""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from holdfast.config.explain import explain
from holdfast.config.run_config import BACKBONES, PRESETS, RunConfig
from holdfast.errors import ConfigError, UnknownBackboneError


def resolve(given: Mapping[str, Any], file: Path | None = None) -> RunConfig:
    """Return the config from, in rising order: defaults, preset, TOML file, ``given`` flags.

    Raises:
        ConfigError: a setting is unknown or cannot be used; the message names it.
        UnknownBackboneError: a backbone is not one of ours.
    """
    from_file = _read_toml(file) if file else {}
    settings = {**from_file, **given}
    preset = settings.get("preset") or ("full" if settings.get("data") else "demo")
    if preset == "full" and not settings.get("data"):
        raise ConfigError("preset: full is for your own images; add --data DIR, or leave it out")
    if preset not in list(PRESETS):  # a list, because TOML may give what has no hash
        raise ConfigError(f"preset: use {' or '.join(PRESETS)} (got {preset!r})")
    merged = _merge(PRESETS[preset], {**settings, "preset": preset})
    defaults = {stage: RunConfig.model_fields[stage].default for stage in ("head", "finetune")}
    merged = _merge({stage: d.model_dump() for stage, d in defaults.items()}, merged)
    try:
        config = RunConfig.model_validate(merged)
    except ValidationError as error:
        key = error.errors()[0]["loc"][:1]
        ours = file if key and key[0] in from_file and key[0] not in given else None
        raise ConfigError(explain(error, ours)) from None
    _check_names(config)
    _check_overrides(config, file)
    return config


def _check_overrides(config: RunConfig, file: Path | None) -> None:
    for name in config.overrides:
        for stage in ("head", "finetune"):
            try:
                config.stage(name, stage)
            except ValidationError as error:
                where = f"overrides.{name}.{stage}."
                raise ConfigError(explain(error, file, where)) from None


def _check_names(config: RunConfig) -> None:
    for name in (*config.backbones, *(config.fold_backbones or ()), *config.overrides):
        if name not in BACKBONES:
            raise UnknownBackboneError(name, difflib.get_close_matches(name, BACKBONES, n=3))


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``base`` with ``over`` on top, tables merged key by key."""
    merged = dict(base)
    for key, value in over.items():
        both_tables = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both_tables else value
    return merged


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{file}: no such file; `--config` names a TOML file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(
            f"{file}: {error}; mend it, or write a fresh one with `holdfast init`"
        ) from None
