"""Which image sizes an architecture can be built for."""

from holdfast.errors import ConfigError


def require_multiple(image_size: int, multiple: int) -> None:
    """Raise ConfigError unless ``image_size`` is a positive multiple of ``multiple``."""
    if image_size < multiple or image_size % multiple:
        raise ConfigError(
            f"image_size {image_size} does not fit this backbone: use a multiple of {multiple}"
        )
