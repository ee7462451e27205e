"""Models of libraries: built without weights or network, for the images' own size where they take it."""

from __future__ import annotations

import socket

import pytest
import torch

from splitgen import find_model
from splitgen.errors import ModelError
from splitgen.models.checks import check_model
from splitgen.models.preparation import Resize, ToThreeChannels
from splitgen.models.registry import build_network

pytest.importorskip("timm", reason="timm is not installed")


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a model was fetched")

    monkeypatch.setattr(socket.socket, "connect", refuse)


def test_a_model_of_one_size_alone_sees_the_images_at_that_size():
    network = build_network(find_model("timm:vit_tiny_patch16_224"), 5, (1, 32, 32), seed=0)
    assert isinstance(network[0], ToThreeChannels)
    assert isinstance(network[1], Resize)
    seen = []
    network[2].register_forward_pre_hook(lambda _, images: seen.append(images[0].shape))
    assert network(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert seen == [(2, 3, 224, 224)]


def test_a_model_of_any_size_sees_the_images_as_they_are():
    network = build_network(find_model("torchvision:mobilenet_v3_small"), 5, (3, 32, 32), seed=0)
    assert not any(isinstance(module, Resize) for module in network.modules())


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_auxiliary_heads_are_left_out(name):
    network = build_network(find_model(f"torchvision:{name}"), 4, (3, 32, 32), seed=0).train()
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("timm:no_such", "is no model of timm's; see timm.list_models()"),
        ("torchvision:no_such", "is no classifier"),
        ("torchvision:fcn_resnet50", "is no classifier"),
        ("resnet18x0", "unknown"),
        ("resnet19", r"unknown; use one of conv, .*, resnet18x0.5 \(of any width\), torchvision:NAME, timm:NAME"),
    ],
)
def test_a_name_that_is_none_is_refused_before_any_work(name, words):
    with pytest.raises(ModelError, match=words):
        find_model(name)


def test_images_of_five_channels_are_refused_by_a_library():
    with pytest.raises(ModelError, match="takes images of 1, 3 or 4 channels, these have 5"):
        check_model(find_model("timm:resnet10t"), 3, torch.randn(2, 5, 32, 32))


def test_a_resnet_has_any_width():
    def count(name: str) -> int:
        return sum(p.numel() for p in build_network(find_model(name), 10, (3, 32, 32), seed=0).parameters())

    assert count("resnet18x0.25") == count("resnet18-small")
    assert count("resnet18x1") == count("resnet18")
    assert count("resnet18x0.5") < count("resnet18")


@pytest.mark.parametrize("size", [1, 8, 28, 31, 32, 64, 224])
def test_a_small_transformer_has_at_most_eight_patches_a_side(size):
    network = build_network(find_model("vit-small"), 10, (1, size, size), seed=0)
    assert network(torch.randn(2, 1, size, size)).shape == (2, 10)
    assert network.positions.shape[1] <= 64
    first, second = network.blocks.layers[:2]
    assert not torch.equal(first.linear1.weight, second.linear1.weight)
