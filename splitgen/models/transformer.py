"""A vision transformer for small images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

PATCHES = 8  # a side, at most


class VisionTransformer(nn.Module):
    """ViT (Dosovitskiy et al., "An Image is Worth 16x16 Words", ICLR 2021) on at most 8 x 8 patches, without dropout.

    The paper's for CIFAR-10 has `dim` 512, `depth` 6 and 8 heads. Tokens are averaged, not read off a class token. An
    image whose side is no multiple of the patch is filled up with zeros on the right and below.
    """

    def __init__(
        self, n_classes: int, in_channels: int, image_size: int, *, dim: int = 512, depth: int = 6, heads: int = 8
    ) -> None:
        super().__init__()
        self.patch = max(1, -(-image_size // PATCHES))
        self.side = self.patch * -(-image_size // self.patch)
        self.embed = nn.Conv2d(in_channels, dim, self.patch, stride=self.patch)
        self.positions = nn.Parameter(0.02 * torch.randn(1, (self.side // self.patch) ** 2, dim))
        block = nn.TransformerEncoderLayer(dim, heads, dim, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(block, depth, nn.LayerNorm(dim), enable_nested_tensor=False)
        for layer in self.blocks.layers:  # the encoder copies one block: each draws weights of its own
            reset_block(layer)
        self.head = nn.Linear(dim, n_classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [B, n_classes] of images [B, in_channels, image_size, image_size]."""
        missing = [self.side - length for length in images.shape[:1:-1]]
        padded = F.pad(images, (0, missing[0], 0, missing[1])) if any(missing) else images
        tokens = self.embed(padded).flatten(2).transpose(1, 2) + self.positions
        logits: torch.Tensor = self.head(self.blocks(tokens).mean(dim=1))
        return logits


def reset_block(block: nn.Module) -> None:
    """Draw its weights anew."""
    for module in block.modules():
        if isinstance(module, nn.MultiheadAttention):
            module._reset_parameters()
        elif isinstance(module, nn.Linear | nn.LayerNorm):
            module.reset_parameters()
    for parameter in block.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_uniform_(parameter)


def vit(n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """The paper's: 6 blocks of 512, 8 heads."""
    return VisionTransformer(n_classes, in_channels, image_size)


def vit_small(n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    """4 blocks of 128, 4 heads: for two CPU cores."""
    return VisionTransformer(n_classes, in_channels, image_size, dim=128, depth=4, heads=4)
