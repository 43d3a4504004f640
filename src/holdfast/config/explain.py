"""What is wrong with a setting, in one line."""

import difflib
from pathlib import Path

from pydantic import ValidationError

from holdfast.config.run_config import AugmentConfig, RunConfig, StageConfig

_MAY_HOLD_SECRETS = {"track", "notify"}  # what they were given is not repeated
_WORDS = {
    "string_pattern_mismatch": "use auto, cpu, cuda or cuda:N",
    "literal_error": "use {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be at most {le:g}",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
}


def explain(error: ValidationError, file: Path | None, prefix: str = "") -> str:
    """Return the first fault as one line that names the file, if it is from one, and the field."""
    first = error.errors()[0]
    where = prefix + ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        message = f"no such setting; {_near(str(first['loc'][-1]))}"
    else:
        words = _WORDS.get(first["type"], first["msg"].removeprefix("Value error, "))
        message = words.format(**first.get("ctx", {})) if first["type"] in _WORDS else words
        shown = where and first["loc"][0] not in _MAY_HOLD_SECRETS
        message = f"{message} (got {first['input']!r})" if shown else message
    return ": ".join(filter(None, [str(file or ""), where, message]))


def _near(name: str) -> str:
    """Ask for the settings that ``name`` may be a slip of, or say where all of them stand."""
    known = {key for model in (RunConfig, StageConfig, AugmentConfig) for key in model.model_fields}
    near = difflib.get_close_matches(name, sorted(known), n=2)
    return f"did you mean {' or '.join(near)}?" if near else "`holdfast init` writes all there are"
