"""Embeddings in place of images: principal components of the digits, from npz and Parquet to a report."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.decomposition import PCA
from torch import nn

import splitgen
from splitgen import (
    WAYS,
    DataConfig,
    DiscoveryConfig,
    Run,
    RunConfig,
    TrainingConfig,
    WayRequest,
    find_model,
    make_bench,
    make_dataset,
    open_dataset,
)
from splitgen.errors import ModelError, SettingError, SourceError
from splitgen.explain.evidence import gather_evidence
from splitgen.explain.explanation import explain_task
from splitgen.explain.features import measure_linear
from splitgen.models.networks import mlp_trunk
from splitgen.report.pictures import write_sheets
from splitgen.runs.compare import list_ways
from splitgen.screen.console import Screen
from splitgen.settings.layers import build_config
from splitgen.tasks.encoder import build_encoder, load_encoder

N_FEATURES = 32


@pytest.fixture(scope="module")
def embedded(digits) -> np.ndarray:
    """float32 [1797, 32]; the first component has 40 times the variance of the last."""
    found = PCA(N_FEATURES, random_state=0).fit_transform(digits.images.pixels.flatten(1).numpy())
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def npz(embedded, digits, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("features") / "pca.npz"
    np.savez(path, x=embedded, y=digits.labels)
    return f"features:{path}"


@pytest.fixture(scope="module")
def features(npz):
    return open_dataset(npz)


def test_features_lie_behind_the_seam_as_images_of_one_pixel(features, embedded, digits):
    assert features.source == "features:pca.npz"
    assert features.holds_features
    assert not digits.holds_features
    assert features.images.shape == (N_FEATURES, 1, 1)
    assert np.array_equal(features.images.pixels[:, :, 0, 0].numpy(), embedded)
    assert np.array_equal(features.labels, digits.labels)
    assert features.ids == digits.ids


def test_each_feature_is_standardised_by_itself(features):
    normal = make_bench(features, find_model("linear")).batch(torch.arange(1797))[:, :, 0, 0]
    torch.testing.assert_close(normal.mean(dim=0), torch.zeros(N_FEATURES), rtol=0, atol=1e-4)
    torch.testing.assert_close(normal.std(dim=0), torch.ones(N_FEATURES), rtol=1e-3, atol=0)


def write_table(path, table) -> str:
    pq.write_table(table, path)
    return f"features:{path}"


def test_parquet_of_vectors_or_of_numbers_is_the_same_data(embedded, digits, tmp_path):
    words = [f"digit {c}" for c in digits.labels]
    ids = [f"{row:05d}" for row in range(1797)]
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(embedded.ravel()), N_FEATURES)
    tables = [
        pa.table({"id": ids, "embedding": list(embedded), "label": words}),
        pa.table({"embedding": vectors, "label": words, "id": ids}),
        pa.table({"id": ids, "label": words, **{f"f{k}": embedded[:, k] for k in range(N_FEATURES)}, "text": words}),
    ]
    for table in tables:
        found = open_dataset(write_table(tmp_path / "a.parquet", table))
        assert np.array_equal(found.images.pixels[:, :, 0, 0].numpy(), embedded)
        assert found.class_names == tuple(f"digit {c}" for c in range(10))
        assert np.array_equal(found.labels, digits.labels)
        assert found.ids == tuple(ids)
    frame = pd.DataFrame({"y": digits.labels, "other": list(embedded * 2), "embedding": list(embedded)})
    frame.to_parquet(tmp_path / "a.parquet")
    found = open_dataset(DataConfig(f"features:{tmp_path / 'a.parquet'}", image_column="embedding", label_column="y"))
    assert np.array_equal(found.images.pixels[:, :, 0, 0].numpy(), embedded)


def test_names_of_classes_are_those_that_the_source_gives(embedded, digits, tmp_path):
    names = [f"digit {c}" for c in range(10)]
    table = pa.table({"embedding": list(embedded), "label": digits.labels})
    note = {"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}}  # as the hub's tables have it
    hub = open_dataset(
        write_table(tmp_path / "a.parquet", table.replace_schema_metadata({"huggingface": json.dumps(note)}))
    )
    assert hub.class_names == tuple(names)
    assert np.array_equal(hub.labels, digits.labels)
    np.savez(tmp_path / "words.npz", x=embedded, y=np.array(names)[9 - digits.labels])
    words = open_dataset(f"features:{tmp_path / 'words.npz'}")
    assert words.class_names == tuple(names)
    assert np.array_equal(words.labels, 9 - digits.labels)


VECTORS = [[1.0, 2.0]] * 40
LABELS = [0, 1] * 20


@pytest.mark.parametrize(
    ("columns", "settings", "words"),
    [
        ({"v": VECTORS}, {}, "no column has a usual name of labels .*; give --label-column"),
        (
            {"v": VECTORS, "y": LABELS},
            {"label_column": "class"},
            "it has no column 'class' of labels; columns that would do: y",
        ),
        ({"v": VECTORS, "y": LABELS}, {"image_column": "w"}, "it has no column 'w'; give --image-column, one of v"),
        ({"v": VECTORS, "w": VECTORS, "y": LABELS}, {}, r"2 columns of vectors \(v, w\); give --image-column"),
        ({"v": ["a"] * 40, "y": LABELS}, {}, "it has no column of vectors and none of numbers"),
        ({"v": ["a"] * 40, "y": LABELS}, {"image_column": "v"}, "column 'v' holds string; give one with lists"),
        ({"v": [[1.0], [1.0, 2.0]] * 20, "y": LABELS}, {}, "column 'v' has vectors of 1 to 2 numbers"),
        ({"v": [[1.0], None] * 20, "y": LABELS}, {}, "column 'v' is empty in 20 rows"),
        ({"v": [[1.0], [None]] * 20, "y": LABELS}, {}, "column 'v' has 20 missing numbers"),
        ({"v": [[1.0], [float("nan")]] * 20, "y": LABELS}, {}, "20 images have NaN or infinite pixels"),
        ({"a": [1.0, None] * 20, "y": LABELS}, {}, "column 'a' has 20 missing numbers"),
        ({"v": VECTORS, "y": [0, None] * 20}, {}, "column 'y' is empty in 20 rows"),
        ({"v": VECTORS, "y": [0.5, 1.0] * 20}, {}, "labels must be integers"),
        ({"v": VECTORS, "y": LABELS, "id": [1] * 40}, {}, "id '1' stands twice"),
    ],
)
def test_a_table_that_does_not_serve_is_one_line(columns, settings, words, tmp_path):
    spec = write_table(tmp_path / "a.parquet", pa.table(columns))
    with pytest.raises(SourceError, match=words) as caught:
        open_dataset(DataConfig(spec, **settings))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"x": np.zeros((40, 2))}, "it lacks the arrays x and y"),
        (
            {"x": np.zeros((40, 8, 8)), "y": LABELS},
            r"features have the shape \(40, 8, 8\); .* open images with npz:FILE",
        ),
        ({"x": np.zeros(40), "y": LABELS}, r"features have the shape \(40,\); give N x D"),
        ({"x": np.zeros((40, 0)), "y": LABELS}, r"features have the shape \(40, 0\)"),
        ({"x": np.zeros((40, 2), complex), "y": LABELS}, "features have the type complex128"),
        ({"x": np.zeros((40, 2)), "y": LABELS[1:]}, "40 images but labels of shape"),
    ],
)
def test_an_archive_that_does_not_serve_is_one_line(arrays, words, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(SourceError, match=words):
        open_dataset(f"features:{tmp_path / 'a.npz'}")


def test_files_that_are_no_features_are_one_line(tmp_path):
    (tmp_path / "a.csv").touch()
    (tmp_path / "a.npz").write_bytes(b"PK no archive")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no table")
    for name, words in (
        ("b.npz", "the file does not exist"),
        ("a.csv", "its suffix is '.csv'"),
        ("a.npz", "cannot be read as an npz archive"),
        ("a.parquet", "it cannot be read"),
    ):
        with pytest.raises(SourceError, match=words) as caught:
            open_dataset(f"features:{tmp_path / name}")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "learning_rate"), [("linear", 0.03), ("mlp", 0.004)])
def test_a_linear_probe_and_an_mlp_learn_from_features(features, name, learning_rate):
    bench = make_bench(features, find_model(name), training=TrainingConfig(learning_rate=learning_rate))
    bench.check_model(10)
    rows = torch.randperm(1797, generator=torch.Generator().manual_seed(0))
    network = bench.fit(bench.targets, rows[:1200], 10, seed=0)
    assert bench.score_accuracy(network, bench.targets, rows[1200:]) > 0.9


def test_a_linear_probe_is_one_linear_layer(features):
    network = find_model("linear").build(10, N_FEATURES, 1)
    assert sum(p.numel() for p in network.parameters()) == N_FEATURES * 10 + 10


@pytest.mark.parametrize("name", ["conv", "resnet18", "resnet18-small", "torchvision:resnet18"])
def test_models_of_images_are_refused_in_one_line(features, name):
    with pytest.raises(ModelError) as caught:
        make_bench(features, find_model(name)).check_model(10)
    assert "\n" not in str(caught.value)
    if not name.startswith("torchvision"):
        assert "the rows are vectors of 32 features; use --model linear or --model mlp" in str(caught.value)


def test_the_task_encoder_of_features_has_layers_instead_of_convolutions(features, digits):
    config = DiscoveryConfig().for_images(1)
    bench = make_bench(features, find_model("linear"))
    encoder = build_encoder(bench, config)
    assert not any(isinstance(module, nn.Conv2d) for module in encoder.modules())
    assert encoder(bench.batch(torch.arange(64)), bench.labels[:64]).shape == (64, config.dim)
    load_encoder(bench, config, encoder.state_dict())
    images = build_encoder(make_bench(digits, find_model("conv")), config)
    assert any(isinstance(module, nn.Conv2d) for module in images.modules())


def test_the_trunk_gives_four_times_its_width(features):
    assert mlp_trunk(N_FEATURES, 1, 6)(torch.randn(9, N_FEATURES, 1, 1)).shape == (9, 24)
    assert mlp_trunk(3, 50, 6)(torch.randn(9, 3, 50, 50)).shape == (9, 24)


def test_a_task_of_features_is_explained_by_a_linear_classifier_of_them(features, embedded):
    evidence = gather_evidence(features)
    assert {attribute.name for attribute in evidence.attributes} == {"class"}
    explanation = explain_task(evidence, "task 0", embedded[:, 2])
    assert explanation.joint_auc > 0.98
    assert explanation.sentences[-1].startswith("A linear classifier of the features tells the side of unseen")
    assert "image statistics" not in " ".join(explanation.sentences)
    noise = np.random.default_rng(0).normal(size=1797)
    assert explain_task(evidence, "task 0", noise).joint_auc < 0.6
    assert measure_linear(embedded, np.ones(1797)) is None


def test_ways_to_tasks_that_need_pictures_are_left_out_of_a_comparison(features, embedded, digits):
    bench = make_bench(features, find_model("linear"))
    run = Run(RunConfig(), RunConfig(), Screen(quiet=True), bench, None)
    assert set(WAYS) - set(list_ways(run)) == {"image statistics", "discovered", "given"}
    of_images = Run(RunConfig(), RunConfig(), Screen(quiet=True), make_bench(digits, find_model("conv")), None)
    assert "image statistics" in list_ways(of_images)
    with pytest.raises(SettingError, match="have no image statistics; use another way"):
        WAYS["image statistics"](bench, WayRequest())
    two = make_dataset("two", torch.from_numpy(embedded[:, :2, None, None]), digits.labels, raw=[b""])
    assert WAYS["principal components"](make_bench(two, find_model("mlp")), WayRequest()).margins.shape == (1797, 2)


def test_a_run_on_features_goes_from_vectors_to_a_report_without_pictures(features, tmp_path):
    settings = {
        "discovery": {"meta_steps": 2, "inner_steps": 10, "n_tasks": 1, "dim": 1},
        "refinement": {"meta_steps": 2, "first_round": 1, "inner_steps": 10},
        "tangent": {"starts": 2, "steps": [2], "rows": [60], "keep": []},
        "agreement": {"epochs": 2},
        "search": {"max_trained": 2, "n_cuts": 1, "rows": [400], "keep": []},
        "training": {"epochs": 5},
        "verification": {"seeds": 2},
    }
    run = splitgen.make(features, "linear", config=build_config(settings), out=tmp_path / "run")
    counts = run.split.counts()
    assert (counts["train"], counts["test"]) == (899, 898)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "<img" not in page
    assert "in pictures" not in page
    assert "The split, in numbers" in page
    assert re.search("A linear classifier of the features tells the side", page)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["config"]["model"] == "linear"
    with pytest.raises(SourceError, match="its rows are features and no images; there are no pictures to draw"):
        write_sheets(features, run.split, tmp_path / "sheets")


def test_the_index_of_a_table_is_no_feature(embedded, digits, tmp_path):
    frame = pd.DataFrame({"label": digits.labels, **{f"f{k}": embedded[:, k] for k in range(3)}})
    shuffled = frame.sample(frac=1, random_state=0)
    for table in (shuffled, frame.rename_axis("row")[::-1]):
        table.to_parquet(tmp_path / "a.parquet")
        found = open_dataset(f"features:{tmp_path / 'a.parquet'}")
        assert np.array_equal(found.images.pixels[:, :, 0, 0].numpy(), table[["f0", "f1", "f2"]].to_numpy())
