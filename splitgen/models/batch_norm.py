"""Batch-norm statistics that belong to a whole dataset, and not to the batches that a network was last trained on."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn


@torch.no_grad()
def settle_batch_norm(module: nn.Module, parts: Iterable[torch.Tensor]) -> None:
    """Set running statistics to the cumulative average over images [n, ...], part by part; then switch to evaluation.

    A part of one row is left out: some batch norms take none, and it has no variance.
    """
    norms = [each for each in module.modules() if isinstance(each, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    module.train()
    for part in parts:
        if len(part) > 1:
            module(part)
    module.eval()
