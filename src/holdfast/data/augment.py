"""Random variation of training images, on the training device, with kornia.

Crop, flips and rotation are composed into one matrix per sample and applied in one resampling:
faster and sharper than one pass each, and a rotated crop is filled with the pixels that really
surround it; only beyond the image's own border is it filled by reflection.
"""

from typing import Any

import kornia.augmentation as K
import torch
from kornia.enhance import normalize
from kornia.geometry.transform import warp_affine
from torch import Tensor, nn

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def resize_for(image_size: int) -> int:
    """Return the side in pixels at which to cache images: 256 for 224, and in proportion."""
    return round(image_size * 256 / 224)


class Augment(nn.Module):
    """Turns cached images into what a backbone sees.

    Maps uint8 (B, R, R, 3) to float32 (B, 3, S, S), S = ``image_size`` <= R. In training mode:
    random crop, flips, rotation and colour jitter, then ImageNet normalisation; in evaluation
    mode: centre crop and normalisation. A probability, angle or strength of 0 leaves that step
    out. Each sample draws its own parameters; only the order of brightness, contrast and
    saturation is drawn once per batch.

    All randomness comes from torch's global CPU generator, whatever the device: reseed it and
    the same calls give the same bits. No state is kept between calls or in the state dict.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        image_size: int,
        *,
        horizontal_flip: float = 0.5,
        vertical_flip: float = 0.3,
        rotation: float = 15.0,
        jitter: float = 0.2,
        crop: bool = True,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD), persistent=False)
        # Kept in tuples, so that `.to(device)` does not reach them: parameters drawn on the CPU
        # are the same on every device and need no synchronisation with it.
        self._crop = (K.RandomCrop((image_size, image_size)),) if crop else ()
        self._turns = _turns(horizontal_flip, vertical_flip, rotation)
        # brightness, contrast and saturation; not hue, which tells a yellow leaf from a green one
        self._jitter = (K.ColorJitter(jitter, jitter, jitter),) if jitter else ()

    @torch.no_grad()
    def forward(self, images: Tensor, first: int = 0, total: int | None = None) -> Tensor:
        """Turn uint8 (B, R, R, 3) into normalised float32 (B, 3, S, S).

        Where ``images`` are only those from ``first`` on of a batch of ``total``, they come out
        as they do of the whole batch.

        Raises:
            ValueError: the images have another layout, or are smaller than S.
        """
        self._check(images)
        # half-precision matrices would shift pixels, so an autocast around us does not reach in
        with torch.autocast(images.device.type, enabled=False):
            out = self._vary(images, first, total) if self.training else self._centre(images)
            normalised: Tensor = normalize(out, self.mean, self.std)
        return normalised

    def extra_repr(self) -> str:
        """Show what is done, and with which parameters."""
        return f"{self.image_size}, {[*self._crop, *self._turns, *self._jitter]}"

    @property
    def _warps(self) -> bool:
        return bool(self._crop or self._turns)

    def _check(self, images: Tensor) -> None:
        shape = tuple(images.shape)
        if images.dtype != torch.uint8 or len(shape) != 4 or shape[1:] != (shape[1], shape[1], 3):
            raise ValueError(f"expected uint8 (B, R, R, 3), got {images.dtype} {shape}")
        if shape[1] < self.image_size:
            raise ValueError(f"images of {shape[1]} pixels are smaller than {self.image_size}")

    def _vary(self, images: Tensor, first: int, total: int | None) -> Tensor:
        part, count = slice(first, first + len(images)), total or len(images)
        out = self._warp(images, part, count) if self._warps else self._centre(images)
        for op in self._jitter:
            drawn = op.forward_parameters(torch.Size((count, *out.shape[1:])))
            out = op(out, params=_of_part(drawn, part, count))
        return out

    def _warp(self, images: Tensor, part: slice, count: int) -> Tensor:
        source = _to_float(images)
        matrices = self._draw_matrices(count, images.shape[1])[part].to(source.device)
        size = (self.image_size, self.image_size)
        warped: Tensor = warp_affine(
            source, matrices[:, :2], size, padding_mode="reflection", align_corners=True
        )
        return warped

    def _draw_matrices(self, count: int, side: int) -> Tensor:
        """Draw the maps from pixels (x, y, 1) of the source to those of the output, (B, 3, 3)."""
        offsets = torch.full((count, 2), (side - self.image_size) // 2, dtype=torch.float32)
        for op in self._crop:
            drawn = op.forward_parameters(torch.Size((count, 3, side, side)))
            offsets = drawn["src"][:, 0].to(torch.float32)  # top left corners, (x, y)
        matrices = torch.eye(3).repeat(count, 1, 1)
        matrices[:, :2, 2] = -offsets
        # kornia asks for images only to learn their shape and type
        shape = torch.Size((count, 3, self.image_size, self.image_size))
        shaped = torch.zeros(()).expand(shape)
        for op in self._turns:
            drawn = op.forward_parameters(shape)
            matrices = op.generate_transformation_matrix(shaped, drawn, op.flags) @ matrices
        return matrices

    def _centre(self, images: Tensor) -> Tensor:
        start = (images.shape[1] - self.image_size) // 2
        stop = start + self.image_size
        return _to_float(images[:, start:stop, start:stop])


def _turns(horizontal_flip: float, vertical_flip: float, rotation: float) -> tuple[Any, ...]:
    """Build the geometric steps that are not off."""
    steps: list[Any] = []
    if horizontal_flip:
        steps.append(K.RandomHorizontalFlip(p=horizontal_flip))
    if vertical_flip:
        steps.append(K.RandomVerticalFlip(p=vertical_flip))
    if rotation:
        steps.append(K.RandomRotation(rotation, p=1.0))
    return tuple(steps)


def _of_part(drawn: dict[str, Tensor], part: slice, count: int) -> dict[str, Tensor]:
    """Return those of the parameters of ``count`` samples that concern some of them."""
    shape = drawn["forward_input_shape"].clone()
    shape[0] = part.stop - part.start
    own = {name: drawn[name] for name in ("order", "forward_input_shape")}
    each = {name: values[part] for name, values in drawn.items() if name not in own}
    return {**own, **each, "forward_input_shape": shape}


def _to_float(images: Tensor) -> Tensor:
    """Turn uint8 (B, H, W, 3) into float32 (B, 3, H, W) in [0, 1]."""
    channels_first = images.permute(0, 3, 1, 2)
    return channels_first.to(torch.float32, memory_format=torch.contiguous_format).div_(255)
