"""A model that cannot be used is refused in one line before any work: each fault on the real path."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from splitgen import ModelFactory
from splitgen.errors import ModelError
from splitgen.models.checks import check_model

IMAGES = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(3))


class Linear(nn.Module):
    """A linear model of 3 classes whose logits go through a function of them and of the images."""

    def __init__(self, after):
        super().__init__()
        self.layer, self.after = nn.Linear(64, 3), after

    def forward(self, images):
        return self.after(self.layer(images.flatten(1)), images)


def raise_backward(logits):
    def refuse(grad):
        raise RuntimeError("no way back")

    logits.register_hook(refuse)
    return logits


def of_odd_batches(logits, images):
    return logits if len(images) == 2 else logits[:2]


FAULTS = {
    "a pair": (lambda z, x: (z, z), r"gives tuple of 2; return a tensor of logits"),
    "a dict of others": (lambda z, x: {"scores": z, "loss": 0}, r"gives a dict of scores, loss; return a tensor"),
    "None": (lambda z, x: None, r"gives NoneType"),
    "too few classes": (lambda z, x: z[:, :2], r"logits of shape \(3, 2\) for 3 images; return \[batch, 3\]"),
    "a batch size that is built in": (of_odd_batches, r"logits of shape \(2, 3\) for 3 images"),
    "a squeeze of one row": (lambda z, x: z.squeeze(0), r"logits of shape \(3,\) for 1 images"),
    "classes": (lambda z, x: z.argmax(1, keepdim=True).expand(-1, 3), r"logits of type torch.int64; return floats"),
    "detached": (lambda z, x: z.detach(), r"logits that no gradient goes back from"),
    "NaN": (lambda z, x: z * float("nan"), r"NaN or infinite logits before it is trained"),
    "infinite": (lambda z, x: z / 0, r"NaN or infinite logits before it is trained"),
    "a gradient of NaN": (lambda z, x: z + (z - z).abs().sqrt(), r"NaN or infinite gradients before it is trained"),
    "a gradient of zero": (lambda z, x: z * 0 + x.flatten(1)[:, :3], r"weights that no gradient arrives at"),
    "the same for all": (lambda z, x: z.mean(0, keepdim=True).expand(len(x), 3), r"the same logits for all images"),
    "a backward that fails": (lambda z, x: raise_backward(z), r"fails on the way back.*no way back"),
    "images that it changes": (lambda z, x: z + x.relu_().sum() * 0, r"changes the images that it is given"),
    "an exit": (lambda z, x: sys.exit(3), r"fails on images of 1x8x8: SystemExit"),
}


@pytest.mark.parametrize(("after", "words"), FAULTS.values(), ids=FAULTS)
def test_a_model_that_cannot_be_used_is_refused_in_one_line(after, words):
    with pytest.raises(ModelError, match=words) as caught:
        check_model(ModelFactory("theirs", lambda *_: Linear(after)), 3, IMAGES)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_batch_norm_that_has_to_work_on_one_row_at_a_time_is_refused():
    model = ModelFactory("theirs", lambda *_: nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.Linear(64, 3)))
    check_model(model, 3, IMAGES, batch_size=2)
    with pytest.raises(ModelError, match="fails on images of 1x8x8: .*more than 1 value per channel"):
        check_model(model, 3, IMAGES, batch_size=1)


class Named:
    def __init__(self, logits):
        self.logits = logits


@pytest.mark.parametrize("wrap", [Named, lambda z: {"logits": z, "aux": None}], ids=["an object", "a dict"])
def test_what_calls_its_logits_so_is_understood(wrap):
    check_model(ModelFactory("theirs", lambda *_: Linear(lambda z, x: wrap(z))), 3, IMAGES)


def test_a_head_of_zeros_is_no_fault():
    def build(*_):
        network = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
        nn.init.zeros_(network[1].weight)
        nn.init.zeros_(network[1].bias)
        return network

    check_model(ModelFactory("theirs", build), 3, IMAGES)


def test_some_frozen_and_some_unused_weights_are_no_fault():
    def build(*_):
        network = Linear(lambda z, x: z)
        network.unused = nn.Linear(2, 2)
        network.layer.bias.requires_grad_(False)
        return network

    check_model(ModelFactory("theirs", build), 3, IMAGES)
