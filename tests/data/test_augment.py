import math

import pytest
import torch
from torch import Tensor

from holdfast.data import Augment, resize_for
from holdfast.data.augment import IMAGENET_MEAN, IMAGENET_STD

OFF = {"horizontal_flip": 0.0, "vertical_flip": 0.0, "rotation": 0.0, "jitter": 0.0}


def _images(count: int = 16, side: int = 37) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, side, side, 3), dtype=torch.uint8, generator=generator)


def _pixels(normalised: Tensor) -> Tensor:
    """Undo the normalisation: (B, 3, S, S) back to (B, S, S, 3), 0..255."""
    channels_last = normalised.permute(0, 2, 3, 1)
    return (channels_last * torch.tensor(IMAGENET_STD) + torch.tensor(IMAGENET_MEAN)) * 255


def _seeded(augment: Augment, images: Tensor, seed: int) -> Tensor:
    torch.manual_seed(seed)
    out: Tensor = augment(images)
    return out


@pytest.mark.parametrize(("size", "resize"), [(224, 256), (32, 37), (96, 110), (8, 9)])
def test_the_cache_is_larger_in_proportion(size: int, resize: int) -> None:
    """256 for 224, and the same for smaller images."""
    assert resize_for(size) == resize


def test_the_same_seed_gives_the_same_bits() -> None:
    """Randomness is torch's alone: nothing carries over from the calls before."""
    augment, images = Augment(32), _images()
    first = _seeded(augment, images, 1)
    augment(images[:3])
    assert torch.equal(_seeded(augment, images, 1), first)
    assert torch.equal(_seeded(Augment(32), images, 1), first)
    assert not torch.equal(_seeded(augment, images, 2), first)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("changes", [{}, {"crop": False}, OFF, {"rotation": 0.0}])
def test_a_part_of_a_batch_comes_out_as_of_the_whole(
    training: bool, changes: dict[str, float]
) -> None:
    """Ranks that share a batch vary each image as one alone does, and draw as much."""
    augment, images = Augment(32, **changes).train(training), _images()
    whole, drawn = _seeded(augment, images, 1), torch.rand(1)

    for first, end in [(0, 6), (6, 11), (11, 16)]:
        torch.manual_seed(1)
        assert torch.equal(augment(images[first:end], first, 16), whole[first:end])
        assert torch.equal(torch.rand(1), drawn)


def test_the_shape_and_type() -> None:
    """uint8 (B, R, R, 3) becomes float32 (B, 3, S, S)."""
    out = Augment(32)(_images())
    assert out.shape == (16, 3, 32, 32)
    assert out.dtype == torch.float32
    assert out.is_contiguous()
    assert Augment(32)(_images(1)).shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    "on",
    [
        {"horizontal_flip": 0.5, "crop": False},
        {"vertical_flip": 0.5, "crop": False},
        {"rotation": 15.0, "crop": False},
        {"jitter": 0.2, "crop": False},
        {"crop": True},
    ],
)
def test_every_sample_draws_its_own_parameters(on: dict[str, float]) -> None:
    """Sixteen copies of one image do not come out alike, whichever step is on."""
    images = _images(1).expand(16, -1, -1, -1)
    out = _seeded(Augment(32, **(OFF | on)), images, 0)
    assert len({tuple(image.flatten().tolist()) for image in out}) > 1


def test_all_off_is_evaluation() -> None:
    """A probability or angle of 0 leaves the step out altogether."""
    images = _images()
    off = Augment(32, **OFF, crop=False)
    assert torch.equal(off(images), Augment(32).eval()(images))


def test_evaluation_is_the_centre_normalised() -> None:
    """Without randomness: the middle of the image, ImageNet's mean and deviation."""
    images = _images(2, 36)
    state = torch.get_rng_state()
    out = Augment(32).eval()(images)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.allclose(_pixels(out), images[:, 2:34, 2:34].float(), atol=1e-3)


def test_a_crop_is_a_window_of_the_image() -> None:
    """With the crop alone, each result is found in its image, at one of the 36 places."""
    images = _images()
    out = _pixels(_seeded(Augment(32, **OFF), images, 3))
    windows = images.float().unfold(1, 32, 1).unfold(2, 32, 1)  # (B, 6, 6, 3, 32, 32)
    difference = (windows - out.permute(0, 3, 1, 2)[:, None, None]).abs().amax((3, 4, 5))
    places = difference.flatten(1).min(1)
    assert places.values.max() < 0.1
    assert len(set(places.indices.tolist())) > 5


@pytest.mark.parametrize(("step", "dimension"), [("horizontal_flip", 2), ("vertical_flip", 1)])
def test_flips_mirror_as_often_as_asked(step: str, dimension: int) -> None:
    """Each image comes out as it was or mirrored, in the share asked for."""
    images = _images(1, 8).expand(400, -1, -1, -1)
    out = _pixels(_seeded(Augment(8, **(OFF | {step: 0.3}), crop=False), images, 0))
    mirrored = (out - images.flip(dimension)).abs().amax((1, 2, 3)) < 0.1
    same = (out - images).abs().amax((1, 2, 3)) < 0.1
    assert (mirrored ^ same).all()
    assert 0.2 < mirrored.float().mean() < 0.4


def test_rotation_stays_within_its_angle() -> None:
    """A wedge at the top turns by up to 15 degrees, to both sides, about the centre."""
    side = 65
    y, x = torch.meshgrid(torch.arange(side) - 32.0, torch.arange(side) - 32.0, indexing="ij")
    spot = ((x**2 + (y + 20) ** 2) < 9).to(torch.uint8) * 255
    images = spot[None, ..., None].expand(200, side, side, 3)
    out = _pixels(_seeded(Augment(side, **(OFF | {"rotation": 15.0}), crop=False), images, 0))
    weight = out[..., 0].clamp(0)
    centre_x = (weight * x).sum((1, 2)) / weight.sum((1, 2))
    centre_y = (weight * y).sum((1, 2)) / weight.sum((1, 2))
    angles = torch.atan2(centre_x, -centre_y) * 180 / math.pi
    assert angles.abs().max() < 15.5
    assert angles.min() < -10 < 10 < angles.max()


def test_a_rotated_corner_is_filled_with_picture() -> None:
    """No black corners: the network would learn the angle from them."""
    images = torch.full((50, 37, 37, 3), 200, dtype=torch.uint8)
    out = _pixels(_seeded(Augment(32, **(OFF | {"rotation": 15.0})), images, 0))
    assert (out - 200).abs().max() < 0.1


def test_jitter_keeps_the_range() -> None:
    """Colours stay colours: nothing leaves 0..255, and the mean moves by a fifth at most."""
    images = torch.full((200, 8, 8, 3), 100, dtype=torch.uint8)
    out = _pixels(_seeded(Augment(8, **(OFF | {"jitter": 0.2}), crop=False), images, 0))
    assert 79.9 < out.min() < 85
    assert 115 < out.max() < 120.1
    wild = _pixels(_seeded(Augment(32, jitter=0.9), _images(), 0))
    assert wild.min() > -0.1
    assert wild.max() < 255.1


def test_an_autocast_around_it_changes_nothing() -> None:
    """Half-precision training sees the same pixels."""
    images = _images()
    plain = _seeded(Augment(32), images, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(_seeded(Augment(32), images, 0), plain)


def test_it_has_no_state() -> None:
    """Nothing of it belongs into a checkpoint, before and after use; images need no gradient."""
    augment = Augment(32)
    assert not augment(_images()).requires_grad
    assert augment.state_dict() == {}
    assert list(augment.parameters()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        torch.zeros(2, 37, 37, 3),
        torch.zeros(2, 3, 37, 37, dtype=torch.uint8),
        torch.zeros(37, 37, 3, dtype=torch.uint8),
        torch.zeros(2, 37, 40, 3, dtype=torch.uint8),
    ],
)
def test_a_wrong_layout_is_refused(wrong: Tensor) -> None:
    """Channels first, floats or a single image are named, not misread."""
    with pytest.raises(ValueError, match="expected uint8"):
        Augment(32)(wrong)


def test_too_small_images_are_refused() -> None:
    """Nothing is scaled up behind the back."""
    with pytest.raises(ValueError, match="31 pixels are smaller than 32"):
        Augment(32)(_images(2, 31))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_gets_the_same_variations() -> None:
    """Parameters are drawn on the CPU: the device changes rounding, not the randomness."""
    images = _images()
    on_cpu = _seeded(Augment(32), images, 0)
    on_gpu = _seeded(Augment(32).to("cuda"), images.to("cuda"), 0)
    assert torch.allclose(on_cpu, on_gpu.cpu(), atol=1e-3)
