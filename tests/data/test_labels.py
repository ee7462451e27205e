"""Labels that cannot be are refused in a line, before they cost memory; and so is an own test set of other classes."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
import torch

from splitgen import DataConfig, make_dataset, open_dataset
from splitgen.data.dataset import OwnTest
from splitgen.errors import SourceError

N = 60
IMAGES = torch.arange(N * 64, dtype=torch.float32).reshape(N, 1, 8, 8)
GOOD = np.arange(N) % 3


def make(labels, own_test=None, class_names=None):
    return make_dataset("made", IMAGES, labels, raw=[], own_test=own_test, class_names=class_names)


def replace_last(value, dtype=None):
    labels = GOOD.astype(dtype or GOOD.dtype)
    labels[-1] = value
    return labels


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            replace_last(20_000_000),
            "class '3' has 0 rows, though labels go up to 20000000; every class needs",
        ),
        (GOOD + N, f"class '0' has 0 rows, though labels go up to {N + 2}"),
        (replace_last(2**63 - 1), f"class '3' has 0 rows, though labels go up to {2**63 - 1}"),
        (replace_last(2**64 - 1, np.uint64), f"class '3' has 0 rows, though labels go up to {2**64 - 1}"),
        (replace_last(2**63, np.float64), f"class '3' has 0 rows, though labels go up to {2**63}"),
        (replace_last(1e300, np.float64), "class '3' has 0 rows, though labels go up to 1000000000000000052504"),
        (replace_last(2**70, object), f"class '3' has 0 rows, though labels go up to {2**70}"),
        (np.where(GOOD == 1, 3, GOOD), "class '1' has 0 rows"),
        (replace_last(-1), "labels must be 0 or more, got -1"),
        (replace_last(-1e300, np.float64), "labels must be 0 or more, got -1000000000000000052504"),
        (replace_last(np.nan, np.float64), "labels must be integers, got float64 such as nan"),
        (replace_last(0.5, np.float64), "labels must be integers, got float64 such as 0.5"),
        (GOOD == 1, "labels must be integers, got bool such as False"),
        (GOOD.astype(str), "labels must be integers, got <U21 such as '0'"),
        (GOOD + 1j, "labels must be integers, got complex128"),
        (GOOD[:-1], "60 images but labels of shape (59,)"),
    ],
)
def test_labels_that_cannot_be_are_refused_in_a_line_at_little_cost(labels, message):
    make(GOOD)  # what is imported at the first call is no cost of a refusal
    tracemalloc.start()
    try:
        with pytest.raises(SourceError) as caught:
            make(labels)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint64, np.float64, np.float32, np.int16, object])
def test_whole_labels_of_any_type_are_kept(dtype):
    found = make(GOOD.astype(dtype))
    assert found.labels.dtype == np.int64
    assert np.array_equal(found.labels, GOOD)


def test_an_own_test_set_may_lack_classes_and_be_small():
    found = make(GOOD, OwnTest(IMAGES[:2], np.array([2.0, 2.0]))).own_test
    assert found.labels.tolist() == [2, 2]
    assert found.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (IMAGES, replace_last(3), "it has the label 3, the train part's classes are 0..2"),
        (IMAGES, replace_last(-1), "labels must be 0 or more, got -1"),
        (IMAGES, replace_last(0.7, np.float64), "labels must be integers, got float64 such as 0.7"),
        (IMAGES, replace_last(2**64 - 1, np.uint64), f"it has the label {2**64 - 1}, the train"),
        (IMAGES, GOOD[:-1], "60 images but labels of shape (59,)"),
        (IMAGES[..., :7], GOOD, "its images are (1, 8, 7), those of the train part (1, 8, 8)"),
        (IMAGES.repeat(1, 3, 1, 1), GOOD, "its images are (3, 8, 8), those of the train part (1, 8, 8)"),
        (IMAGES / 0, GOOD, "60 images have NaN or infinite pixels"),
    ],
)
def test_an_own_test_set_of_other_classes_or_images_is_refused_when_it_is_opened(images, labels, message):
    with pytest.raises(SourceError) as caught:
        make(GOOD, OwnTest(images, labels))
    assert str(caught.value).startswith("dataset 'made, its own test set': ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_test_files_of_an_idx_folder_are_looked_at_when_it_is_opened(tmp_path):
    def write(name, array):
        start = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(start + array.astype(np.uint8).tobytes()))

    pixels = IMAGES[:, 0].numpy() % 251
    for name, labels in (("train", GOOD), ("t10k", replace_last(9))):
        write(f"{name}-images-idx3-ubyte", pixels)
        write(f"{name}-labels-idx1-ubyte", labels)
    with pytest.raises(SourceError, match="own test set': it has the label 9"):
        open_dataset(DataConfig(f"idx:{tmp_path}"))
    write("t10k-labels-idx1-ubyte", GOOD)
    assert open_dataset(DataConfig(f"idx:{tmp_path}")).own_test.labels.tolist() == GOOD.tolist()
