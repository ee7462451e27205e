"""Images of any number of channels: spectrograms, satellite bands."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image

import splitgen
from splitgen import DataConfig, find_model, make_bench, make_dataset, open_dataset
from splitgen.data.arrays import FIRST, LAST, find_channels
from splitgen.data.statistics import STATISTICS, measure_images
from splitgen.errors import ModelError, SourceError
from splitgen.models.checks import check_model
from splitgen.report.pictures import Album
from splitgen.settings.layers import build_config

N_BANDS = 5


def make_bands(digits, n_rows=300):
    """Digits in 5 bands, each with a scale of its own; float32 [n, 5, 8, 8]."""
    pixels = digits.images.pixels[:n_rows]
    return torch.cat([pixels * 10**k + 3 * k for k in range(N_BANDS)], dim=1)


@pytest.mark.parametrize(
    ("shape", "place"),
    [
        ((1, 8, 8), FIRST),
        ((3, 8, 8), FIRST),
        ((4, 8, 8), FIRST),
        ((8, 8, 1), LAST),
        ((8, 8, 3), LAST),
        ((8, 8, 4), LAST),
        ((13, 64, 64), FIRST),
        ((64, 64, 13), LAST),
        ((2, 128, 44), FIRST),
        ((128, 44, 2), LAST),
        ((10, 8, 8), FIRST),
        ((8, 8, 10), LAST),
        ((512, 1, 1), FIRST),
        ((8, 8, 8), None),
        ((13, 64, 13), None),
        ((60, 20, 50), None),
    ],
)
def test_channels_are_told_by_the_shape_or_not_at_all(shape, place):
    assert find_channels(shape) == place


@pytest.mark.parametrize("order", ["first", "last"])
def test_bands_of_an_npz_are_read_in_either_order(digits, tmp_path, order):
    bands = make_bands(digits).numpy()
    x = bands if order == "first" else bands.transpose(0, 2, 3, 1)
    np.savez(tmp_path / "bands.npz", x=x, y=digits.labels[:300])
    found = open_dataset(f"npz:{tmp_path / 'bands.npz'}")
    assert found.images.shape == (N_BANDS, 8, 8)
    assert np.array_equal(found.images.take([7])[0].numpy(), bands[7])
    normal = make_bench(found, find_model("conv")).batch(torch.arange(300))
    assert normal.mean(dim=(0, 2, 3)).abs().max() < 1e-3  # each band by its own scale
    torch.testing.assert_close(normal.std(dim=(0, 2, 3)), torch.ones(N_BANDS), rtol=1e-3, atol=0)


def test_a_shape_that_can_be_read_both_ways_is_refused(tmp_path):
    np.savez(tmp_path / "cubes.npz", x=np.zeros((40, 8, 8, 8)), y=np.arange(40) % 2)
    with pytest.raises(
        SourceError, match="images of 40 x 8 x 8 x 8 may have their channels first or last; crop or pad"
    ):
        open_dataset(f"npz:{tmp_path / 'cubes.npz'}")


def test_tensors_and_arrays_of_a_torch_dataset_have_any_number_of_channels(digits):
    bands = make_bands(digits, 100)
    for items in (list(bands), list(bands.numpy()), list(bands.permute(0, 2, 3, 1).numpy())):
        found = open_dataset([(item, row % 2) for row, item in enumerate(items)])
        assert torch.equal(found.images.take([7])[0], bands[7])
    sixteen = np.zeros((16, 9, 16), np.float32)
    with pytest.raises(SourceError, match=r"image 0, an array \(16, 9, 16\), may have its channels first or last"):
        open_dataset([(sixteen, row % 2) for row in range(40)])
    assert open_dataset([(torch.from_numpy(sixteen), row % 2) for row in range(40)]).n_channels == 16
    counts = np.full((5, 8, 8), 60_000, np.uint16)
    assert open_dataset([(counts, row % 2) for row in range(40)]).images.take([0]).max() == 60_000


def test_a_tensor_with_its_channels_last_is_no_image_of_many_channels():
    for images in (torch.zeros(40, 8, 8, 3), torch.zeros(40, 28, 28, 1)):
        with pytest.raises(SourceError, match=r"images have the shape \(40, .*give \[N, channels, height, width\]"):
            make_dataset("made", images, np.arange(40) % 2, raw=[b""])


def test_of_other_channels_than_colours_the_mean_is_measured_as_grey(digits):
    as_bytes = (digits.images.pixels[:60] * 15).to(torch.uint8)
    grey = measure_images(as_bytes)
    for n_channels in (2, 5, 13):
        measured = measure_images(as_bytes.expand(-1, n_channels, -1, -1))
        assert set(measured) == {name for name, statistic in STATISTICS.items() if not statistic.needs_colour}
        for name, values in measured.items():
            assert np.allclose(values, grey[name], atol=1e-4), name


def test_thumbnails_show_the_mean_of_channels_each_in_its_own_range(digits):
    dataset = make_dataset("bands", make_bands(digits), digits.labels[:300], raw=[b""])
    one = make_dataset("one", make_bands(digits)[:, [3, 3]], digits.labels[:300], raw=[b""])
    shown, alone = (np.asarray(Album(each).image(each.images.take([0])[0])).astype(int) for each in (dataset, one))
    assert shown.shape == (8, 8)
    assert np.abs(shown - alone).max() <= 1  # scales of 1 and of 10,000 look alike
    ink = digits.images.pixels[0, 0].numpy()
    assert shown[ink == 0].max() < 110
    assert shown[ink >= 14].min() > 190
    as_bytes = (make_bands(digits)[:, :1] * 15).byte().expand(-1, 6, -1, -1)
    six = make_dataset("six", as_bytes, digits.labels[:300], raw=[b""])
    assert np.array_equal(np.asarray(Album(six).image(six.images.take([0])[0])), ink * 15)


def test_torchvisions_models_say_how_many_channels_they_take(digits):
    with pytest.raises(
        ModelError, match="takes images of 1, 3 or 4 channels, these have 5; use a built-in model, or one of your own"
    ):
        check_model(find_model("torchvision:resnet18"), 10, make_bands(digits, 2))


@pytest.mark.parametrize("model", ["conv", "mlp", "linear", "resnet18-small"])
def test_built_in_models_take_any_number_of_channels(digits, model):
    check_model(find_model(model), 10, make_bands(digits, 2))


def test_a_run_on_five_channels_goes_from_images_to_a_report_with_pictures(digits, tmp_path):
    np.savez(tmp_path / "bands.npz", x=make_bands(digits, 600).numpy(), y=digits.labels[:600])
    settings = {
        "discovery": {"meta_steps": 1, "inner_steps": 5, "n_tasks": 1, "dim": 1},
        "refinement": {"meta_steps": 0},
        "agreement": {"epochs": 1},
        "search": {"max_trained": 1, "n_cuts": 1, "rows": [100], "keep": []},
        "training": {"epochs": 1},
        "verification": {"seeds": 2},
    }
    dataset = open_dataset(DataConfig(f"npz:{tmp_path / 'bands.npz'}"))
    run = splitgen.make(dataset, "conv", config=build_config(settings), out=tmp_path / "run")
    assert run.split.counts() == {"train": 300, "validation": 0, "test": 300, "reserve": 0}
    page = (tmp_path / "run" / "report.html").read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) > 20
    assert sum(Image.open(io.BytesIO(base64.b64decode(each))).mode == "L" for each in pictures) > 20
    assert run.record["explanations"][0]["joint_auc"] > 0.5
