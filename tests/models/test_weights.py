"""Weights from a file: put in everywhere but the head, refused where they are another model's, kept where frozen."""

from __future__ import annotations

import hashlib
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from splitgen import ModelFactory, TrainingConfig, find_model, make_bench
from splitgen.data.images import UnitStatistics
from splitgen.errors import ModelError, WeightsError
from splitgen.models.preparation import Renormalize, Wants
from splitgen.models.registry import build_network, start_model
from splitgen.models.weights import BeforeHead, HeadOnly, find_head, read_weights
from splitgen.tasks.inner_loop import FlatNetwork

SHAPE = (1, 8, 8)
MODELS = ["conv", "resnet18-small", "vit-small", "mlp"]


def save(network, path):
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return str(path)


@pytest.fixture
def trained(digits):
    """A network of five classes, and where its weights lie once they are saved by `save`."""
    return make_bench(digits, find_model("resnet18-small"), training=TrainingConfig(epochs=1)).fit(
        torch.from_numpy(digits.labels % 5), torch.arange(256), 5, seed=3
    )


@pytest.mark.parametrize("name", MODELS)
def test_a_network_starts_from_the_file_in_everything_but_a_fresh_head(name, tmp_path):
    source = build_network(find_model(name), 5, SHAPE, seed=3)
    model = start_model(find_model(name), save(source, tmp_path / "w.safetensors"))
    first, second = (build_network(model, 5, SHAPE, seed).state_dict() for seed in (0, 1))
    own, head = source.state_dict(), find_head(name, model.build, 5, 1, 8)
    assert head
    for key in own:
        if key.rpartition(".")[0] not in head:
            assert torch.equal(first[key], own[key]), key
        elif key.endswith("weight"):
            assert not torch.equal(first[key], own[key])
            assert not torch.equal(first[key], second[key])


@pytest.mark.parametrize("name", MODELS)
def test_the_head_is_what_depends_on_the_number_of_classes(name):
    last = [key for key, layer in build_network(find_model(name), 5, SHAPE, 0).named_modules() if is_linear(layer)][-1]
    assert find_head(name, find_model(name).build, 5, 1, 8) == {last}


def is_linear(layer):
    return isinstance(layer, nn.Linear)


def test_a_file_of_torch_and_what_training_programs_put_around_it_are_read(trained, tmp_path):
    state = trained.state_dict()
    wrapped = {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}
    torch.save(wrapped, tmp_path / "checkpoint.pt")
    model = start_model(find_model("resnet18-small"), str(tmp_path / "checkpoint.pt"))
    own = build_network(model, 10, SHAPE, seed=0).state_dict()
    assert all(torch.equal(own[name], state[name]) for name in state if name.rpartition(".")[0] != "13")


def test_a_frozen_network_keeps_everything_but_its_head_through_a_training(digits, trained, tmp_path):
    model = start_model(find_model("resnet18-small"), save(trained, tmp_path / "w.safetensors"), freeze=True)
    bench = make_bench(digits, model, training=TrainingConfig(epochs=2))
    before, after = bench.build(10, seed=5), bench.fit(bench.labels, torch.arange(512), 10, seed=5)
    assert isinstance(after, HeadOnly)
    same = {name: torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items()}
    assert {name for name, is_same in same.items() if not is_same} == {"network.13.weight", "network.13.bias"}


def test_the_inner_training_moves_the_head_alone_and_uses_the_trunks_own_statistics(digits, trained, tmp_path):
    model = start_model(find_model("resnet18-small"), save(trained, tmp_path / "w.safetensors"), freeze=True)
    bench = make_bench(digits, model)
    images = bench.batch(torch.arange(8))
    flat = FlatNetwork(bench.build(2, seed=1), images)
    assert len(flat.weights) == 2 * 128 + 2
    alone, among = flat.module(images[:1]), flat.module(images)[:1]
    torch.testing.assert_close(alone, among)  # no statistics of the batch


def test_weights_see_images_with_the_normalisation_that_they_were_made_for():
    raw = torch.rand(4, 1, 6, 6)
    before = UnitStatistics(torch.tensor([0.3]), torch.tensor([0.2]))
    wants = Wants(224, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3))
    seen = Renormalize(before, wants)(((raw - 0.3) / 0.2).expand(-1, 3, -1, -1))
    torch.testing.assert_close(seen[:, 2:], (raw - 0.3) / 0.3)
    torch.testing.assert_close(seen[:, :1], (raw - 0.5) / 0.1)


def test_a_librarys_weights_see_its_own_size_and_normalisation_of_the_datasets_bytes(digits, tmp_path):
    pytest.importorskip("timm", reason="timm is not installed")
    source = build_network(find_model("timm:test_vit"), 5, (3, 160, 160), seed=3)
    model = start_model(find_model("timm:test_vit"), save(source, tmp_path / "w.safetensors"))
    bench, seen = make_bench(digits, model), []
    network = bench.build(10, seed=0)
    network[-1].register_forward_pre_hook(lambda _, images: seen.append(images[0]))
    network(bench.batch(torch.arange(2)))
    assert seen[0].shape == (2, 3, 160, 160)
    low, high = digits.statistics.low, max(1.0, digits.statistics.high)
    brightness = (digits.images.take([0, 1]).float().mean() - low) / (high - low)
    torch.testing.assert_close(seen[0].mean(), (brightness - 0.5) / 0.5, atol=0.02, rtol=0)


class Payload:
    def __reduce__(self):
        return print, ("run",)


def damage(path):
    path.write_bytes(path.read_bytes()[:-200])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "cannot be read (No such file or directory)"),
        (lambda path: path.write_text("weights"), "is no file of weights"),
        (lambda path: path.write_bytes(pickle.dumps({"a": Payload()})), "cannot be read as tensors alone"),
        (lambda path: torch.save(nn.Linear(2, 2), path), "cannot be read as tensors alone"),
        (lambda path: torch.save([torch.zeros(1)], path), "holds no tensors by name"),
        (lambda path: torch.save({"a": torch.tensor([1.0, float("nan")])}, path), "tensor a has values that are NaN"),
        (lambda path: (save_file({"a": torch.zeros(99)}, path), damage(path)), "is no file of weights"),
        (lambda path: (torch.save({"a": torch.zeros(99)}, path), damage(path)), "it is damaged"),
    ],
)
def test_a_file_that_holds_anything_but_tensors_is_refused_in_one_line(write, words, tmp_path, capsys):
    path = tmp_path / "weights"
    write(path)
    with pytest.raises(WeightsError) as caught:
        read_weights(str(path))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_a_digest_that_is_not_the_files_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_weights(f"{path}@sha256:{digest}").reference == f"{path}@sha256:{digest}"
    with pytest.raises(WeightsError, match="it is another file"):
        read_weights(f"{path}@sha256:{'0' * 64}")
    with pytest.raises(WeightsError, match="only this is recorded of it"):
        read_weights(f"@sha256:{digest}")


@pytest.mark.parametrize(
    ("model", "shape", "words"),
    [
        ("resnet18x0.5", SHAPE, "its 0.weight is 16x1x3x3, that of resnet18x0.5 for these images 32x1x3x3"),
        ("resnet18-small", (3, 8, 8), "its 0.weight is 16x1x3x3, that of resnet18-small for these images 16x3x3x3"),
        ("mlp", SHAPE, "it lacks mlp's 2.weight and 11 more"),
    ],
)
def test_weights_of_another_model_are_refused(model, shape, words, trained, tmp_path):
    started = start_model(find_model(model), save(trained, tmp_path / "w.safetensors"))
    with pytest.raises(WeightsError) as caught:
        build_network(started, 10, shape, seed=0)
    assert words in str(caught.value)


def test_weights_of_a_larger_model_that_has_all_layers_of_this_one_are_refused(tmp_path):
    def build(depth):
        return lambda n, channels, size: nn.Sequential(*(nn.Linear(4, 4) for _ in range(depth)), nn.Linear(4, n))

    deep = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 5))
    deep.extra = nn.Linear(4, 4)
    started = start_model(ModelFactory("shallow", build(1)), save(deep, tmp_path / "w.safetensors"))
    with pytest.raises(WeightsError, match="it has, and shallow has not, extra.bias and 1 more"):
        build_network(started, 3, (4, 1, 1), seed=0)


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (find_model("linear"), "is nothing but a head"),
        (ModelFactory("theirs", lambda n, c, s: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))), "has no layer that"),
        (ModelFactory("theirs", lambda n, c, s: nn.Sequential(nn.Flatten(), nn.LazyLinear(n))), "has lazy layers"),
    ],
)
def test_a_model_without_a_trunk_or_a_head_takes_no_weights(model, words, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=words):
        build_network(start_model(model, str(tmp_path / "w.safetensors")), 10, SHAPE, seed=0)


class Parts(nn.Module):
    """A model that makes something of what its head gives; without a layer for a head, where it is told so."""

    def __init__(self, n_classes, head):
        super().__init__()
        self.trunk = nn.Linear(64, 6)
        if head == "layer":
            self.head = nn.Linear(6, n_classes)
        elif head == "parameter":
            self.weight = nn.Parameter(torch.randn(n_classes, 6))
        else:
            self.head = nn.Linear(6, n_classes)
            self.forward = lambda images: self.trunk(images.flatten(1)) @ self.head.weight.T

    def forward(self, images):
        features = self.trunk(images.flatten(1))
        return self.head(features).log_softmax(dim=1) if hasattr(self, "head") else features @ self.weight.T


def name_parts(head):
    return ModelFactory(head, lambda n, c, s: Parts(n, head), ends_before_head=True)


def test_a_network_that_ends_before_its_head_gives_what_the_head_is_given_and_is_not_trained(digits):
    network, images = build_network(name_parts("layer"), 3, SHAPE, seed=0), digits.images.take(range(9)).float()
    assert isinstance(network, BeforeHead)
    features = network(images)
    assert torch.equal(features, network.network.trunk(images.flatten(1)))
    assert not features.requires_grad
    assert not any(layer._forward_pre_hooks for layer in network.modules())  # none of them stays


def test_a_head_of_several_dimensions_is_given_flat(digits):
    def build(n_classes, in_channels, image_size):
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.SiLU(), nn.Conv2d(4, n_classes, 1), nn.AdaptiveAvgPool2d(1))

    network = build_network(ModelFactory("theirs", build, ends_before_head=True), 3, SHAPE, seed=0)
    images = digits.images.take(range(9)).float()
    torch.testing.assert_close(network(images), network.network[:2](images).flatten(1))


@pytest.mark.parametrize(
    ("head", "words"),
    [("parameter", "has a head that is no layer of its own"), ("uncalled", "does not call its head on one tensor")],
)
def test_a_head_that_cannot_be_told_from_what_is_before_it_is_refused(head, words):
    with pytest.raises(ModelError, match=words):
        build_network(name_parts(head), 3, SHAPE, seed=0)(torch.zeros(2, *SHAPE))


def test_weights_that_are_not_there_are_asked_for_by_the_option_that_names_them():
    with pytest.raises(WeightsError, match="give --trunk-weights"):
        read_weights("@sha256:ab", "--trunk-weights")
