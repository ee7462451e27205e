"""Sources and models of other packages: a small real package with the metadata of an installed one."""

from __future__ import annotations

import sys

import pytest
import torch

from splitgen import DataConfig, find_model, open_dataset
from splitgen.errors import ModelError, SourceError
from splitgen.models.checks import check_model
from splitgen.models.registry import build_network
from splitgen.plugins import DATASETS, list_plugins

CODE = """
import pathlib
pathlib.Path(__file__).with_name('mark').touch()
import numpy as np, torch
from splitgen import make_dataset
from splitgen.errors import SourceError
from torch import nn

def load_stripes(argument, config):
    size = int(argument) if argument else config.image_size
    upright = (torch.arange(size) % 2 * 255).to(torch.uint8).expand(size, size)
    images = torch.stack([upright, upright.T] * 20)[:, None]
    return make_dataset(f'stripes:{argument}', images, np.arange(40) % 2, raw=[images.numpy().tobytes()])

def load_wrong(argument, config): return [argument]
def load_failing(argument, config): raise OSError('no such\\ndisk')
def load_refusing(argument, config): raise SourceError('refusing:' + argument, 'it is empty', 'fill it')
def build_flat(n_classes, in_channels): return nn.Sequential(nn.Flatten(), nn.LazyLinear(n_classes))
def build_sized(n_classes, in_channels, image_size):
    return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size ** 2, n_classes))
def build_wrong(n_classes, in_channels): return 'a network'
"""
ENTRIES = """
[splitgen.datasets]
stripes = {name}:load_stripes
digits = {name}:load_wrong
wrong = {name}:load_wrong
failing = {name}:load_failing
refusing = {name}:load_refusing
broken = {name}_missing:load
absent = {name}:nothing

[splitgen.models]
flat = {name}:build_flat
sized = {name}:build_sized
conv = {name}:build_wrong
wrong-model = {name}:build_wrong
broken-model = {name}:nothing
"""


def install(folder, name, entries=ENTRIES):
    (folder / f"{name}.py").write_text(CODE)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries.format(name=name))


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The folder that a package of entry points is installed into."""
    install(tmp_path, "stripy_sets")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("stripy_sets", None)


def test_a_kind_of_another_package_is_opened_by_name_and_takes_the_settings(package):
    assert "stripes" in list_plugins(DATASETS)
    dataset = open_dataset("stripes:6")
    assert (dataset.source, dataset.n_points, dataset.images.shape) == ("stripes:6", 40, (1, 6, 6))
    assert dataset.images.take([1])[0, 0, 1].tolist() == [255] * 6
    assert open_dataset(DataConfig("stripes", image_size=9)).images.shape == (1, 9, 9)


def test_a_package_is_loaded_only_where_its_kind_is_asked_for_and_built_ins_win(package):
    assert open_dataset("digits").n_points == 1797
    assert find_model("conv").build(10, 1, 8)(torch.zeros(2, 1, 8, 8)).shape == (2, 10)
    with pytest.raises(SourceError, match=r"use digits, .*stripes:\.\.\..* or package.module:callable") as caught:
        open_dataset("strips:6")
    assert "broken:..." in str(caught.value)
    assert not (package / "mark").exists()
    open_dataset("stripes:6")
    assert (package / "mark").exists()


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("wrong:a", "its source gave list; an entry point takes"),
        ("failing:a", "its source failed: OSError: no such disk; "),
        ("refusing:a", "'refusing:a': it is empty; fill it"),
        (
            "broken:a",
            r"the entry point of package stripy_sets cannot be loaded \(No module named 'stripy_sets_missing'",
        ),
        (
            "absent:a",
            r"the entry point of package stripy_sets cannot be loaded \(module 'stripy_sets' has no attribute",
        ),
        ("stripes:six", "its source failed: ValueError: invalid literal"),
    ],
)
def test_an_entry_point_that_does_not_serve_is_one_line(package, spec, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_dataset(spec)
    assert "\n" not in str(caught.value)


def test_two_packages_with_one_name_are_told(package, monkeypatch):
    install(package, "other_sets")
    with pytest.raises(SourceError, match=r"several packages have .* 'stripes' \(other_sets, stripy_sets\); uninstall"):
        open_dataset("stripes:6")
    assert not (package / "mark").exists()


@pytest.mark.parametrize("name", ["flat", "sized"])
def test_a_model_of_another_package_is_built_by_name(package, name):
    factory = find_model(name)
    check_model(factory, 3, torch.rand(2, 2, 6, 6))
    assert build_network(factory, 3, (2, 6, 6), seed=0)(torch.zeros(5, 2, 6, 6)).shape == (5, 3)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("wrong-model", "returned str; return a torch.nn.Module"),
        ("broken-model", "the entry point of package stripy_sets cannot be loaded"),
        (
            "no-model",
            "unknown; use one of conv, .*linear, .*flat, sized.*torchvision:NAME, timm:NAME or package.module:callable",
        ),
    ],
)
def test_a_model_that_does_not_serve_is_one_line(package, name, words):
    with pytest.raises(ModelError, match=words):
        check_model(find_model(name), 3, torch.rand(2, 1, 6, 6))
