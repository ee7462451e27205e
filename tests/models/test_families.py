"""Every family of models on images of every size, grey and colour: each is checked, trains and predicts as in a run."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from splitgen import ModelFactory, TrainingConfig, find_model, make_bench, make_dataset
from splitgen.models.registry import build_others

SIZES = (8, 28, 32, 64, 224)
FAMILIES = [
    *("conv", "mlp", "linear", "resnet18-small", "resnet18", "resnet18x0.5", "resnet50", "vit-small", "vit"),
    *("torchvision:resnet18", "torchvision:mobilenet_v3_small", "timm:test_vit", "timm:resnet10t", "theirs"),
]
LIBRARY = {"timm": "timm is not installed"}
ROWS, BATCH = 4, 2


def their_model(n_classes: int, in_channels: int, image_size: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, n_classes))


@pytest.fixture(scope="module")
def picture(digits):
    """A few digits of two classes, at any size, grey or tinted."""
    rows = [*(digits.labels == 0).nonzero()[0][:20], *(digits.labels == 1).nonzero()[0][:20]]
    grey = digits.images.take(rows).float() * 15

    def make(size, channels):
        resized = F.interpolate(grey, (size, size), mode="bilinear").round().clamp(0, 255).to(torch.uint8)
        tints = torch.tensor([1.0, 0.7, 0.4])[:channels, None, None]
        return make_dataset("made", (resized * tints).to(torch.uint8), digits.labels[rows])

    return make


def find(family):
    if family == "theirs":
        return ModelFactory("theirs", lambda *sizes: build_others("theirs", their_model, *sizes))
    library = family.partition(":")[0]
    if library in LIBRARY:
        pytest.importorskip(library, reason=LIBRARY[library])
    return find_model(family)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_trains_and_predicts(family, size, channels, picture):
    dataset = picture(size, channels)
    bench = make_bench(dataset, find(family), training=TrainingConfig(epochs=1, batch_size=BATCH))
    bench.check_model(2)
    rows = torch.arange(0, 40, 40 // ROWS)
    fresh, trained = bench.build(2, seed=1), bench.fit(bench.labels, rows, 2, seed=1)
    moved = [not torch.equal(a, b) for a, b in zip(fresh.parameters(), trained.parameters(), strict=True)]
    assert sum(moved) > 0.5 * len(moved)
    logits = bench.predict_logits(trained, rows)
    assert logits.shape == (ROWS, 2)
    assert torch.isfinite(logits).all()
    assert not torch.equal(logits[0], logits[-1])
