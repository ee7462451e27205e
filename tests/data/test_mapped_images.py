"""Images in a mapped file run through the stages as the same images in memory do, with the very same split."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from splitgen import (
    DiscoveryConfig,
    MemoryImages,
    RunConfig,
    SearchConfig,
    SelectionConfig,
    TrainingConfig,
    VerificationConfig,
    find_model,
    make,
    make_bench,
    make_dataset,
)
from splitgen.data import images as seam
from splitgen.data.images import MappedImages, hold_mapped
from splitgen.settings.stages import AgreementConfig, RefinementConfig, SharpeningConfig, TangentConfig

CONFIG = RunConfig(
    training=TrainingConfig(epochs=2),
    discovery=DiscoveryConfig(meta_steps=2, inner_steps=5, n_tasks=1, batch_size=32, pool_size=128, held_out_size=64),
    refinement=RefinementConfig(meta_steps=1, new_tasks=1, first_round=1, inner_steps=3, batch_size=32, pool_size=64),
    tangent=TangentConfig(starts=2, steps=(2,), rows=(60,), keep=()),
    agreement=AgreementConfig(max_rows=200, epochs=2),
    search=SearchConfig(rows=(100,), keep=()),
    sharpening=SharpeningConfig(rounds=1, networks=1, candidates=1),
    selection=SelectionConfig(target="0,1,2,3,4"),
    verification=VerificationConfig(seeds=2),
)


@pytest.fixture
def mapped_file(digits, tmp_path):
    """Digits as bytes in a mapped file [1797, 1, 8, 8]."""
    pixels = (digits.images.pixels * 15).to(torch.uint8).numpy()
    mapped = np.memmap(tmp_path / "pixels.u8", np.uint8, "w+", shape=pixels.shape)
    mapped[:] = pixels
    mapped.flush()
    return np.memmap(tmp_path / "pixels.u8", np.uint8, "c", shape=pixels.shape)


def make_split(images, labels, out=None):
    dataset = make_dataset("made", images, labels, raw=[b"the same"])
    return make(dataset, config=CONFIG, target="0,1,2,3,4", seed=5, out=out)


def test_the_rows_are_those_of_the_file(mapped_file):
    whole, part = MappedImages(mapped_file), MappedImages(mapped_file, np.array([7, 3, 1000]))
    assert (len(whole), len(part)) == (1797, 3)
    assert whole.shape == part.shape == (1, 8, 8)
    assert whole.dtype == torch.uint8
    for rows in ([7], [3, 900, 3], np.array([5, 2]), torch.tensor([4, 1]), [], torch.arange(1797)):
        assert np.array_equal(whole.take(rows).numpy(), np.array(mapped_file)[np.asarray(rows, dtype=int)])
    assert np.array_equal(part.take([2, 0]).numpy(), np.array(mapped_file)[[1000, 7]])


def test_what_a_caller_does_to_images_leaves_the_file_as_it_is(mapped_file, tmp_path):
    before = (tmp_path / "pixels.u8").read_bytes()
    taken = MappedImages(mapped_file).take([0, 1])
    taken += 9
    assert (tmp_path / "pixels.u8").read_bytes() == before


def test_images_that_fit_are_held_and_others_are_not(mapped_file, monkeypatch):
    assert isinstance(hold_mapped(mapped_file), MemoryImages)
    assert len(hold_mapped(mapped_file, np.array([4, 2]))) == 2
    monkeypatch.setattr(seam, "MEMORY_BYTES", 1796 * 64 * 4)
    assert isinstance(hold_mapped(mapped_file), MappedImages)
    assert isinstance(hold_mapped(mapped_file, np.arange(1796)), MemoryImages)


def test_statistics_are_those_of_memory_up_to_rounding(mapped_file):
    found, expected = MappedImages(mapped_file).statistics(), MemoryImages(torch.from_numpy(mapped_file)).statistics()
    torch.testing.assert_close(found.mean, expected.mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.std, expected.std, rtol=1e-6, atol=0)
    assert (found.low, found.high) == (expected.low, expected.high) == (0.0, 240.0)


def test_a_run_on_a_mapped_file_gives_the_very_same_split(digits, mapped_file, monkeypatch, tmp_path):
    memory = MemoryImages(torch.from_numpy(np.array(mapped_file)))
    statistics = memory.statistics()
    expected = make_split(memory, digits.labels)
    monkeypatch.setattr(seam, "MEMORY_BYTES", 0)
    monkeypatch.setattr(seam, "stream_statistics", lambda images: statistics)  # equal up to rounding alone
    found = make_split(MappedImages(mapped_file), digits.labels, tmp_path / "out")
    assert found.split.parts.tolist() == expected.split.parts.tolist()
    assert np.array_equal(found.split.margins, expected.split.margins)
    assert found.verification.figures == expected.verification.figures
    assert (tmp_path / "out" / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("kind", [MemoryImages, MappedImages])
def test_of_images_that_do_not_fit_no_float_copy_is_made(kind, digits, mapped_file, monkeypatch):
    monkeypatch.setattr(seam, "MEMORY_BYTES", 1000)
    pixels = torch.from_numpy(np.array(mapped_file)) if kind is MemoryImages else mapped_file
    bench = make_bench(make_dataset("made", kind(pixels), digits.labels, raw=[b""]), find_model("conv"))
    rows = torch.tensor([5, 900])
    mean, std = float(mapped_file.mean()), float(mapped_file.std())
    expected = (torch.from_numpy(np.array(mapped_file[[5, 900]])).float() - mean) / std
    torch.testing.assert_close(bench.batch(rows), expected, rtol=1e-3, atol=1e-3)
    assert "made_in_memory" not in bench.pixels.__dict__


def test_normalised_images_are_the_same_in_one_piece_and_in_chunks(mapped_file, monkeypatch):
    memory = MemoryImages(torch.from_numpy(np.array(mapped_file)))
    statistics = memory.statistics()
    whole = seam.NormalizedImages(memory, statistics, "cpu")
    at_once = whole.normalize(memory.pixels)
    monkeypatch.setattr(seam, "CHUNK", 300)
    assert torch.equal(whole.in_memory, at_once)
    assert whole.in_memory.stride() == at_once.stride()


def test_images_can_be_sent_to_another_process(mapped_file):
    sent = pickle.loads(pickle.dumps(MappedImages(mapped_file, np.array([3, 5]))))
    assert np.array_equal(sent.take([1]).numpy(), np.array(mapped_file)[[5]])
