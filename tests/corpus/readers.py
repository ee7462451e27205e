"""Every reader of a file that others may have made: good files to begin with, changes of them, and what is read."""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import mutations
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

import splitgen
from splitgen.check.baseline import check_regression, read_baseline
from splitgen.check.judgement import judge_predictions, read_predictions
from splitgen.check.settings import choose_gate_settings
from splitgen.data.metadata import code_column, read_metadata
from splitgen.data.pixels.opening import DecodeError
from splitgen.data.sources.csv import list_csv
from splitgen.data.sources.features import load_features
from splitgen.data.sources.jsonl import list_jsonl
from splitgen.data.sources.npz import load_npz
from splitgen.data.sources.parquet import list_parquet
from splitgen.errors import SplitgenError
from splitgen.explain.attributes import list_metadata
from splitgen.exports.reading import read_foreign_split
from splitgen.models.bench import Bench
from splitgen.report.folder import read_run_folder
from splitgen.report.page import list_settings
from splitgen.report.sections import say_command
from splitgen.runs.split import tell_found
from splitgen.screen.console import Screen
from splitgen.screen.show import print_run, print_split
from splitgen.settings.layers import build_config, drop_unknown, read_toml
from splitgen.settings.stages import DataConfig, DiscoveryConfig
from splitgen.store.recall import recall_settings
from splitgen.store.replay import recall_replay
from splitgen.tasks.labellings import read_labellings
from splitgen.tasks.refinement import check_encoder
from splitgen.tasks.tasks_file import check_tasks_belong, read_encoder, read_tasks


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    place: of the file below a folder of good files. mutate: see `mutations`. read: reads what lies there, and uses it
    as commands do. others: contents to begin with, beside what lies there.
    """

    place: str
    mutate: mutations.Mutate
    read: Callable[[Path], object]
    others: Callable[[], list[bytes]] = list


@cache
def open_digits() -> splitgen.ImageDataset:
    return splitgen.open_dataset(DataConfig("npz:digits.npz"))


@cache
def make_digits_bench() -> Bench:
    return splitgen.make_bench(open_digits(), splitgen.find_model("mlp"))


@cache
def read_good_split() -> splitgen.Split:
    return splitgen.read_split("right.parquet")


def in_turn(*calls: Callable[[], object]) -> None:
    """All of them. Raises the last refusal where all of them refuse."""
    refusals = []
    for call in calls:
        try:
            call()
        except SplitgenError as error:
            refusals.append(error)
    if len(refusals) == len(calls):
        raise refusals[-1]


def recall(path: Path, recorded: dict[str, Any]) -> None:
    known, _ = drop_unknown(recall_settings(path, recorded))
    build_config(known)


def use_index(path: Path) -> None:
    split = splitgen.read_split(path)
    with contextlib.redirect_stdout(io.StringIO()):
        print_split(Screen(), split)
    json.dumps(split.metadata, allow_nan=False)
    in_turn(lambda: recall(path, split.metadata), lambda: splitgen.write_split(split, "copy.parquet"))


def use_tasks(path: Path) -> None:
    tasks = read_tasks(path)
    tell_found(tasks)
    in_turn(lambda: recall(path, tasks.metadata), lambda: check_tasks_belong(tasks, str(path), open_digits()))


def use_record(path: Path) -> None:
    folder = read_run_folder(path.parent)
    with contextlib.redirect_stdout(io.StringIO()):
        print_run(Screen(), folder.record)
    say_command(folder.record)
    list_settings(folder)
    in_turn(lambda: recall_replay(path.parent, "make"), lambda: recall(path.parent, {}))


def use_toml(path: Path) -> None:
    in_turn(lambda: build_config(read_toml(path)), lambda: choose_gate_settings({}, path))


def use_csv(path: Path) -> None:
    in_turn(
        lambda: list_csv(str(path), DataConfig()),
        lambda: read_metadata(path, open_digits().ids),
        lambda: read_foreign_split(path, open_digits()),
    )


def use_lines(path: Path) -> None:
    in_turn(lambda: list_jsonl(str(path), DataConfig()), lambda: read_foreign_split(path, open_digits()))


def use_archive(path: Path) -> None:
    in_turn(
        lambda: load_npz(str(path), DataConfig()),
        lambda: load_features(str(path), DataConfig()),
        lambda: read_foreign_split(path, open_digits()),
    )


def use_pictures(path: Path) -> None:
    """All that is known of the rows before an image is decoded, and the bytes of the first and the last."""
    listing = list_parquet(str(path), DataConfig())
    for row in {0, len(listing.labels) - 1}:
        with contextlib.suppress(DecodeError):  # told with all others that cannot be read
            listing.pictures.read(row)


def use_table(path: Path) -> None:
    """As metadata, whose columns are groups and are looked at for what a task is like, and as labellings."""
    ids = open_digits().ids

    def use_metadata() -> None:
        frame = read_metadata(path, ids)
        list_metadata(frame)
        if len(frame.columns):
            in_turn(*(partial(code_column, frame, path, column) for column in frame.columns))

    in_turn(use_metadata, lambda: read_labellings(path, ids))


def pack(columns: dict[str, list[Any]], **options: Any) -> bytes:
    """A Parquet file."""
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def write_table() -> list[bytes]:
    return [pack({"id": list(map(str, range(240))), "a": [row % 2 for row in range(240)], "b": ["x", "y", "z"] * 80})]


def write_features() -> list[bytes]:
    labels = [row % 2 for row in range(24)]
    vectors, numbers = {"v": [[0.5, 1.0, row] for row in range(24)]}, {"x": [0.5] * 24, "y": list(range(24))}
    return [pack({**columns, "label": labels}) for columns in (vectors, numbers)]


def use_predictions(path: Path) -> None:
    split = read_good_split()
    judge_predictions(split, read_predictions(path, split), "model")


def use_baseline(path: Path) -> None:
    split = read_good_split()
    judgement = judge_predictions(split, split.targets, "model")
    check_regression(read_baseline(path), "sha256:0", judgement)


def use_weights(path: Path) -> None:
    state = read_encoder(path)
    if state is not None:
        check_encoder(make_digits_bench(), DiscoveryConfig(dim=1, n_tasks=1), state)


def save_archives() -> list[bytes]:
    found = []
    for arrays in (
        {"train": np.arange(100), "test": np.arange(100, 240)},
        {"index": np.arange(240), "test_fold": np.repeat([-1, 0], 120)},
        {"x": np.random.default_rng(0).normal(size=(40, 5)), "y": np.arange(40) % 2},
    ):
        file = io.BytesIO()
        np.savez(file, **arrays)
        found.append(file.getvalue())
    return found


def save_tensors() -> list[bytes]:
    found = []
    for is_zip in (True, False):
        file = io.BytesIO()
        torch.save({"a": [(torch.arange(9), torch.arange(9, 20))]}, file, _use_new_zipfile_serialization=is_zip)
        found.append(file.getvalue())
    return found


def write_lines() -> list[bytes]:
    parts = [{"index": row, "id": str(row), "split": "train" if row % 2 else "test"} for row in range(12)]
    pictures = [{"path": f"pictures/{row % 2}/{row // 2}.png", "label": row % 2} for row in range(24)]
    return ["".join(f"{json.dumps(each)}\n" for each in records).encode() for records in (parts, pictures)]


def write_cells() -> list[bytes]:
    pictures = "".join(f"pictures/{row % 2}/{row // 2}.png,{row % 2}\n" for row in range(24))
    table = "".join(f"{row},{row % 7},{row / 3},2020-01-{1 + row % 28:02d}\n" for row in range(240))
    parts = "".join(f"{row},{row},{'train' if row % 2 else 'test'}\n" for row in range(12))
    return [f"path,label\n{pictures}".encode(), f"id,a,b,c\n{table}".encode(), f"index,id,split\n{parts}".encode()]


def write_baseline() -> list[bytes]:
    earlier = {"model": "model", "rows_hash": "sha256:0", "n_test": 120, "figures": {"test_accuracy": [0.5, 0.6]}}
    return [json.dumps({"results": [earlier]}).encode()]


def write_settings() -> list[bytes]:
    return [b"[tool.splitgen.check]\nsplits = ['a']\nfail_under = 0.5\nmax_drop = 0.1\nseeds = 3\njunit = 'x.xml'\n"]


def write_pictures() -> list[bytes]:
    images = [Path(f"pictures/{row % 2}/{row // 2}.png").read_bytes() for row in range(24)]
    labels, nested = [row % 2 for row in range(24)], [{"bytes": image, "path": None} for image in images]
    return [pack({"image": column, "label": labels}, row_group_size=12) for column in (images, nested)]


READERS = {
    "index file": Reader("run/split.parquet", mutations.change_parquet, use_index),
    "tasks file": Reader("run/tasks.parquet", mutations.change_parquet, use_tasks),
    "run.json": Reader("run/run.json", mutations.change_json, use_record),
    "TOML": Reader("quick.toml", mutations.change_toml, use_toml, write_settings),
    "CSV": Reader("table.csv", mutations.change_cells, use_csv, write_cells),
    "JSON Lines": Reader("lines.jsonl", mutations.change_lines, use_lines, write_lines),
    "npz": Reader("digits2.npz", mutations.change_archive, use_archive, save_archives),
    "pt": Reader(
        "pairs.pt", mutations.change_saved, lambda path: read_foreign_split(path, open_digits()), save_tensors
    ),
    "predictions in CSV": Reader("right.csv", mutations.change_cells, use_predictions),
    "predictions in Parquet": Reader("predictions.parquet", mutations.change_parquet, use_predictions),
    "images in Parquet": Reader("pictures.parquet", mutations.change_parquet, use_pictures, write_pictures),
    "table in Parquet": Reader("table.parquet", mutations.change_parquet, use_table, write_table),
    "features in Parquet": Reader(
        "features.parquet",
        mutations.change_parquet,
        lambda path: load_features(str(path), DataConfig()),
        write_features,
    ),
    "baseline": Reader("earlier.json", mutations.change_json, use_baseline, write_baseline),
    "safetensors": Reader("run/checkpoint/encoder.safetensors", mutations.change_weights, use_weights),
}


def list_seeds(reader: Reader) -> list[bytes]:
    """Good contents to begin with."""
    own = [Path(reader.place).read_bytes()] if os.path.exists(reader.place) else []
    return [*own, *reader.others()]


def try_to_read(reader: Reader, data: bytes) -> bool:
    """Whether the reader takes these bytes for a good file; whatever it raises but splitgen's own error is a fault."""
    path = Path(reader.place)
    path.write_bytes(data)
    try:
        reader.read(path)
    except SplitgenError:
        return False
    return True
