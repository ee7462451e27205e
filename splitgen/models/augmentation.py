"""What a training may do to its images, by name: to each of a batch by itself, on the device, from one generator."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import torch
import torch.nn.functional as F

from splitgen.data.images import NormalizedImages
from splitgen.errors import SettingError

MARGIN = 8  # of a side, one part in so many is what a crop shifts an image by at most: 4 of 32 pixels, as is usual
SHARED = 8  # images of a batch that have one draw of RandAugment in common: one for each takes ten times a step
NEEDS = {"crop": MARGIN, "flip": 2, "randaugment": MARGIN}  # pixels a side, below which a name means nothing

Augmentation = Callable[[torch.Tensor, torch.Generator], torch.Tensor]


def flip(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the images [B, C, H, W], left and right exchanged."""
    flipped, found = draw_halves(images, generator), images.clone()
    found[flipped] = images[flipped].flip(3)
    return found


def draw_halves(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Which images, [B], each with an even chance."""
    return torch.rand(len(images), generator=generator).to(images.device) < 0.5


def crop(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """The same, and each shifted by up to an eighth of its side; what comes in from outside is the mean, 0."""
    flipped = draw_halves(images, generator)
    count, channels, height, width = images.shape
    most = (height // MARGIN, width // MARGIN)
    padded = F.pad(images, (most[1], most[1], most[0], most[0]))
    starts = [torch.randint(2 * n + 1, (count, 1), generator=generator).to(images.device) for n in most]
    rows, columns = (
        start + torch.arange(n, device=images.device) for start, n in zip(starts, (height, width), strict=True)
    )
    columns = torch.where(flipped[:, None], columns.flip(1), columns)
    which = torch.arange(count, device=images.device)[:, None, None] * padded.shape[2]
    places = (which + rows[:, :, None]) * padded.shape[3] + columns[:, None, :]  # of pixels, in all images
    taken = padded.permute(0, 2, 3, 1).reshape(-1, channels).index_select(0, places.flatten())
    return taken.view(count, height, width, channels).permute(0, 3, 1, 2)  # channels last, as they came


def make_randaugment(pixels: NormalizedImages) -> Augmentation:
    """RandAugment (Cubuk et al. 2020) as torchvision has it, after a flip; torch's global generator is drawn from."""
    change = importlib.import_module("torchvision.transforms.v2").RandAugment()  # here, as it takes long to load
    unit = pixels.unit_statistics
    mean, std = (values.to(pixels.device)[None, :, None, None] for values in (unit.mean, unit.std))

    def augment(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        shown = ((flip(images, generator) * std + mean) * 255).round().clamp(0, 255).to(torch.uint8)
        changed = torch.cat([change(part) for part in torch.split(shown, SHARED)])
        return ((changed / 255 - mean) / std).contiguous(memory_format=torch.channels_last)

    return augment


AUGMENTATIONS: dict[str, Callable[[NormalizedImages], Augmentation]] = {
    "none": lambda pixels: lambda images, generator: images,
    "flip": lambda pixels: flip,
    "crop": lambda pixels: crop,
    "randaugment": make_randaugment,
}
DRAWS_GLOBALLY = ("randaugment",)


def choose_augmentation(name: str, pixels: NormalizedImages) -> Augmentation:
    """What a training does to batches [B, C, H, W] of these images."""
    return AUGMENTATIONS[name](pixels)


def check_augmentation(name: str, shape: tuple[int, int, int]) -> None:
    """Raise `SettingError` where images of a shape (channels, height, width) cannot be augmented so."""
    channels, *size = shape
    least = NEEDS.get(name, 1)
    if min(size) < least:
        raise SettingError(
            f"augment must be none for images under {least} pixels a side, as for features, got {name!r}"
        )
    if name == "randaugment" and channels not in (1, 3):
        raise SettingError(f"augment must be none, flip or crop for images of {channels} channels, got {name!r}")
