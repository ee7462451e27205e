"""A user's own torch dataset runs through the stages as the same images in memory do: held where it fits into memory,
else a batch at a time."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from splitgen import (
    DatasetImages,
    DiscoveryConfig,
    Split,
    TrainingConfig,
    VerificationConfig,
    discover_tasks,
    find_model,
    make_bench,
    open_dataset,
    score_datapoints,
    select_split,
    verify_split,
)
from splitgen.data import images as seam
from splitgen.data.images import CHUNK, NormalizedImages
from splitgen.errors import SourceError
from splitgen.explain.evidence import gather_evidence
from splitgen.models import training
from splitgen.tasks import encoder, trunks

CONFIG = DiscoveryConfig(meta_steps=2, inner_steps=5, n_tasks=1, batch_size=32, pool_size=256, held_out_size=128)
SIDES = np.where(np.arange(10) < 5, 1, -1)


class Digits(Dataset):
    """Pairs of an image and its class, made anew each time; it counts how often each is asked for."""

    def __init__(self, dataset):
        self.pixels, self.digits = dataset.images.pixels, dataset.labels
        self.asked = np.zeros(len(self.digits), dtype=int)

    def __len__(self):
        return len(self.digits)

    def __getitem__(self, row):
        self.asked[row] += 1
        return self.pixels[row].clone(), int(self.digits[row])


class Listed(Digits):
    """The same with `targets` and `classes`, as torchvision's have them; its items' own labels must not be asked."""

    def __init__(self, dataset):
        super().__init__(dataset)
        self.targets, self.classes = self.digits.tolist(), [f"digit {c}" for c in range(10)]

    def __getitem__(self, row):
        return super().__getitem__(row)[0], "not a label"


def run_stages(dataset):
    """Discovery, a split of its task, and what verification says."""
    bench = make_bench(dataset, find_model("conv"), "0,1,2,3,4", TrainingConfig(epochs=4), seed=5)
    found = discover_tasks(bench, CONFIG)
    margins = found.margins[:, 0]
    scores = score_datapoints(margins, dataset.labels, SIDES)
    parts = select_split(scores, dataset.labels, dataset.ids, seed=5).parts
    split = Split(dataset.ids, dataset.labels, bench.target.values, parts, scores, margins, {})
    return found, parts, verify_split(bench, split, VerificationConfig(seeds=2))


@pytest.fixture
def no_room(monkeypatch) -> None:
    """Nothing fits into memory."""
    monkeypatch.setattr(seam, "MEMORY_BYTES", 0)


def test_images_that_fit_are_asked_for_once_and_give_the_very_same_split(digits):
    mine = Listed(digits)
    given = open_dataset(mine)
    asked = mine.asked.copy()
    assert (asked == 1).mean() > 0.99  # a few are asked for again, and compared
    (expected, parts, judged), (found, own_parts, own_judged) = run_stages(digits), run_stages(given)
    assert np.array_equal(mine.asked, asked)
    assert np.array_equal(found.margins, expected.margins)
    assert np.array_equal(own_parts, parts)
    assert own_judged.figures == judged.figures


def test_all_stages_agree_with_those_of_the_images_in_memory_up_to_rounding(digits, monkeypatch):
    expected_run = run_stages(digits)
    monkeypatch.setattr(seam, "MEMORY_BYTES", 0)
    given = open_dataset(Digits(digits))
    assert isinstance(given.images, DatasetImages)
    assert (given.source, given.n_points, given.n_classes) == ("dataset:Digits", 1797, 10)
    assert np.array_equal(given.labels, digits.labels)
    assert given.ids == digits.ids
    (expected, parts, judged), (found, own_parts, own_judged) = expected_run, run_stages(given)
    assert np.abs(found.margins - expected.margins).max() < 0.01
    assert np.corrcoef(found.margins[:, 0], expected.margins[:, 0])[0, 1] > 0.9999
    for one, other in zip(found.history, expected.history, strict=True):
        assert one.divergence == pytest.approx(other.divergence, rel=1e-3)
        assert one.class_imbalance == pytest.approx(other.class_imbalance, rel=1e-3, abs=1e-6)
    assert (own_parts == parts).mean() > 0.998
    assert set(own_judged.figures) == set(judged.figures)
    for name, figure in judged.figures.items():
        if name != "worst_class_accuracy":  # of a few rows
            assert own_judged.figures[name].mean == pytest.approx(figure.mean, abs=0.02), name
    assert own_judged.is_fair == judged.is_fair


@pytest.fixture
def small_chunks(monkeypatch) -> int:
    """What is looked at as a whole comes in chunks of 300, so that 1,797 rows are many of them."""
    monkeypatch.setattr(seam, "CHUNK", 300)
    monkeypatch.setattr(training, "PREDICTION_CHUNK", 300)
    for module in (encoder, trunks):
        monkeypatch.setattr(module, "SCORING_CHUNK", 300)
    return 300


def test_no_stage_asks_for_more_rows_than_a_chunk_or_holds_all_of_them(digits, no_room, small_chunks, monkeypatch):
    requests, held = [], {"now": 0, "most": 0}
    take, normalize = DatasetImages.take, NormalizedImages.normalize

    def count(self, rows):
        requests.append(len(rows))
        return take(self, rows)

    def follow(self, pixels):
        made = normalize(self, pixels)
        held["now"] += len(made)
        held["most"] = max(held["most"], held["now"])
        weakref.finalize(made, release, len(made))
        return made

    def release(n_rows):
        held["now"] -= n_rows

    monkeypatch.setattr(DatasetImages, "take", count)
    monkeypatch.setattr(NormalizedImages, "normalize", follow)
    mine = Digits(digits)
    run_stages(open_dataset(mine))
    assert max(requests) == small_chunks <= CHUNK
    assert (mine.asked > 5).all()  # it is made anew whenever it is needed, and so not kept
    assert held["most"] < digits.n_points / 2
    assert held["now"] == 0


def test_an_item_is_asked_for_when_its_row_is(digits, no_room):
    mine = Digits(digits)
    given = open_dataset(mine)
    mine.asked[:] = 0
    bench = make_bench(given, find_model("conv"))
    given.images.take([5, 9])
    assert mine.asked.nonzero()[0].tolist() == [5, 9]
    mine.asked[:] = 0
    _ = given.statistics  # measured once
    bench.batch(torch.tensor([1, 2, 2]))
    bench.batch(torch.tensor([3]))
    assert mine.asked[:4].tolist() == [1, 2, 3, 2]
    assert (mine.asked[4:] == 1).all()
    image, label = given[7]
    assert torch.equal(image, digits.images.pixels[7])
    assert label == digits.labels[7]


def test_labels_and_names_are_those_that_the_dataset_lists(digits):
    listed = open_dataset(Listed(digits))
    assert np.array_equal(listed.labels, digits.labels)
    assert listed.class_names == tuple(f"digit {c}" for c in range(10))
    by_items = open_dataset(Digits(digits))
    assert by_items.class_names == digits.class_names
    assert by_items.fingerprint == listed.fingerprint


@pytest.mark.parametrize("kind", [torch.tensor, np.array, list])
def test_labels_may_be_a_tensor_an_array_or_a_list_under_either_name(digits, kind):
    for name in ("targets", "labels"):
        mine = Listed(digits)
        del mine.targets
        setattr(mine, name, kind(digits.labels.tolist()))
        assert np.array_equal(open_dataset(mine).labels, digits.labels)


def test_labels_of_items_may_be_tensors(digits):
    pairs = TensorDataset(digits.images.pixels, torch.from_numpy(digits.labels))
    found = open_dataset(pairs)
    assert found.source == "dataset:TensorDataset"
    assert np.array_equal(found.labels, digits.labels)


def test_a_list_of_another_length_is_not_of_the_rows(digits):
    mine = Digits(digits)
    mine.labels = ["zero", "one"]  # names of the classes, say
    assert np.array_equal(open_dataset(mine).labels, digits.labels)


def test_the_fingerprint_is_of_pixels_and_labels(digits, monkeypatch):
    mine, other_pixels, other_labels = Digits(digits), Digits(digits), Digits(digits)
    other_pixels.pixels = other_pixels.pixels.clone()
    other_pixels.pixels[1796, 0, 7, 7] += 1
    other_labels.digits = np.roll(digits.labels, 1)
    found = [open_dataset(each).fingerprint for each in (mine, Digits(digits), other_pixels, other_labels)]
    assert found[0] == found[1]
    assert len(set(found)) == 3


def test_bytes_stay_bytes_and_are_what_the_stages_see(digits):
    mine = Digits(digits)
    mine.pixels = (mine.pixels * 15).to(torch.uint8)
    found = open_dataset(mine)
    assert found.images.dtype == torch.uint8
    assert found.statistics.high == 240
    batch = make_bench(found, find_model("conv")).batch(torch.arange(1797))
    assert batch.dtype == torch.float32
    assert float(batch.std()) == pytest.approx(1, abs=1e-3)


class Broken(Digits):
    """Row 3 gives something else."""

    def __init__(self, dataset, item):
        super().__init__(dataset)
        self.item = item

    def __getitem__(self, row):
        return self.item if row == 3 else super().__getitem__(row)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (("three", 3), "item 3 is no image but str"),
        ((torch.zeros(1, 9, 8), 3), r"image 3 is torch.float32 \(1, 9, 8\), the first torch.float32 \(1, 8, 8\)"),
        ((torch.full((1, 8, 8), torch.nan), 3), r"1 images have NaN or infinite pixels \(first: row 3\)"),
        ((torch.zeros(1, 8, 8), "three"), "labels must be integers"),
        ((torch.zeros(1, 8, 8), 3.5), "labels must be integers"),
        ((torch.zeros(1, 8, 8), -3), "labels must be 0 or more, got -3"),
        ((torch.zeros(1, 8, 8), 11), "class '10' has 0 rows"),
        ((torch.zeros(1, 8, 8), 10), "class '10' has 1 rows"),
    ],
)
def test_a_dataset_with_a_bad_item_is_refused_in_one_line(digits, item, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_dataset(Broken(digits, item))
    assert "\n" not in str(caught.value)
    assert "dataset:Broken" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([], "'dataset:list': it has no rows"),
        (iter([]), "'dataset:list_iterator': it has no length or no items"),
        (7, "'dataset:int': it has no length or no items"),
        (None, "'dataset:NoneType': it has no length or no items"),
        ([(torch.zeros(1, 8, 8), 0)] * 20, "it has one class only"),
        ([(torch.zeros(8, 8, 3), row % 2) for row in range(20)], r"images have the shape \(20, 8, 8, 3\)"),
        ([(torch.zeros(1, 0, 8), row % 2) for row in range(20)], r"images have the shape \(20, 1, 0, 8\)"),
    ],
)
def test_what_is_no_dataset_of_classes_is_refused_in_one_line(given, words):
    with pytest.raises(SourceError, match=words) as caught:
        open_dataset(given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "item",
    [{"image": torch.zeros(1, 8, 8), "label": 0}, torch.zeros(1, 8, 8), (torch.zeros(1, 8, 8),), None, 7],
    ids=["a record", "an image alone", "a tuple of one", "nothing", "a number"],
)
def test_items_that_are_no_pairs_are_refused_in_one_line(item):
    with pytest.raises(SourceError) as caught:
        open_dataset([item] * 20)
    assert "\n" not in str(caught.value)


def test_the_fingerprint_does_not_depend_on_how_many_images_are_looked_at_at_a_time(digits, monkeypatch):
    before = open_dataset(Digits(digits)).fingerprint
    monkeypatch.setattr(seam, "CHUNK", 300)
    assert open_dataset(Digits(digits)).fingerprint == before


def test_evidence_for_explanations_is_gathered_a_chunk_at_a_time(digits, no_room, monkeypatch):
    given, requests, take = open_dataset(Digits(digits)), [], DatasetImages.take

    def count(self, rows):
        requests.append(len(rows))
        return take(self, rows)

    monkeypatch.setattr(DatasetImages, "take", count)
    gather_evidence(given)
    assert max(requests) <= CHUNK


def test_a_spec_is_opened_as_its_settings_are(digits):
    found = open_dataset("digits")
    assert found.fingerprint == digits.fingerprint
    with pytest.raises(SourceError, match="unknown dataset"):
        open_dataset("digit")
