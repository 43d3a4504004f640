"""The images of a run, split as it split them, for whoever only reads the run."""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from holdfast.config import RunConfig, resolve
from holdfast.data import ImageCache, Source, demo_digits, find_cache, prepare, resize_for
from holdfast.errors import ConfigError, DataError
from holdfast.pipeline import Material, divide, open_source
from holdfast.rundir import IMAGE_CACHE, Result, Started, last_start
from holdfast.storage.objects import is_url, located, shown

OnProgress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


def run_material(
    directory: Path,
    where: str | Path,
    config: RunConfig,
    recorded: Result,
    *,
    data: str | None,
    keep: ExitStack,
    on_progress: OnProgress,
) -> Material:
    """Return the images that a run was trained on, and how it split them.

    From the run's cache; where that is gone, decoded anew, into a temporary folder that lives
    as long as ``keep``, from ``data``, from what it was started with, or from the demo's digits.

    Raises:
        DataError: the images are not to be found, or are not the same any more.
    """
    resize, digest = resize_for(config.image_size), str(recorded["digest"])
    homes = [directory, located(where)] if is_url(where) else [directory]
    for home in [] if data else homes:
        cache = find_cache(home / IMAGE_CACHE, digest, resize)
        if cache is not None and _is_same(cache, recorded):
            return divide(config, cache)
    source = _source(directory, config, digest, data)
    place = Path(keep.enter_context(tempfile.TemporaryDirectory(prefix="holdfast-")))
    decoding: Callable[[int, int], None] = lambda done, total: on_progress(  # noqa: E731
        "Decoding", done, total
    )
    cache = prepare(source, place, resize=resize, max_bad_images=1.0, progress=decoding)
    if not _is_same(cache, recorded):
        raise DataError(
            f"{data or shown(directory)}: the images are not those that the run was trained on; "
            "its cache of them is gone, so name the folder as it was: --data DIR"
        )
    return divide(config, cache)


def _is_same(cache: ImageCache, recorded: Result) -> bool:
    fingerprint, digest = recorded.get("decoded"), str(recorded["digest"])
    return cache.digest.startswith(digest) and cache.fingerprint[:16] == fingerprint


def _source(directory: Path, config: RunConfig, digest: str, data: str | None) -> Source:
    digits = demo_digits()
    if data is None and digits.digest().startswith(digest):
        return digits
    started = last_start(directory)
    folder = data or (_data_of(started) if started else None)
    if folder is None:
        raise DataError(
            f"{shown(directory)}: the run's images are not here (no {IMAGE_CACHE}/), and where "
            "they came from is not known; name the folder: --data DIR"
        )
    return open_source(config.model_copy(update={"data": folder}))


def _data_of(started: Started) -> str | None:
    """Return the folder or URL of images that a start named, in an option or in its settings."""
    given = dict(zip(started.command[::2], started.command[1::2], strict=False))
    folder = given.get("--data")
    if folder is None and "--config" in given:
        try:
            folder = resolve({}, Path(started.cwd) / given["--config"]).data
        except ConfigError:  # changed or gone since
            return None
    if folder is None or is_url(folder):
        return folder
    return str(Path(started.cwd) / folder)
