"""All sources by kind, and how a dataset is opened.

A spec is `NAME` or `KIND:ARGUMENT`. To add a source, write a file with a function that takes the argument and a
`DataConfig` and returns an `ImageDataset`, and add its line to `SOURCES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from splitgen.data.dataset import ImageDataset
from splitgen.data.duplicates import group_duplicates
from splitgen.data.metadata import Groups, code_column, join_metadata
from splitgen.data.sources.csv import load_csv
from splitgen.data.sources.digits import load_digits
from splitgen.data.sources.folder import load_folder
from splitgen.data.sources.hf import load_hf
from splitgen.data.sources.idx import load_idx
from splitgen.data.sources.jsonl import load_jsonl
from splitgen.data.sources.npz import load_npz
from splitgen.data.sources.parquet import load_parquet
from splitgen.data.sources.tiny_imagenet import load_tiny_imagenet
from splitgen.data.sources.torchvision import load_torchvision
from splitgen.data.sources.webdataset import load_webdataset
from splitgen.data.torch_dataset import hold_torch_dataset
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

SOURCES: dict[str, Callable[[str, DataConfig], ImageDataset]] = {
    "digits": load_digits,
    "idx": load_idx,
    "npz": load_npz,
    "folder": load_folder,
    "parquet": load_parquet,
    "csv": load_csv,
    "jsonl": load_jsonl,
    "webdataset": load_webdataset,
    "hf": load_hf,
    "torchvision": load_torchvision,
    "tinyimagenet": load_tiny_imagenet,
}


def open_dataset(given: DataConfig | str | Any) -> ImageDataset:
    """A dataset, with its groups.

    given: settings, a spec such as "digits" or "folder:PATH", or a torch dataset of pairs (image, class), whose images
        are asked for when they are needed. Raises `SourceError` and `MetadataError`.
    """
    if not isinstance(given, DataConfig | str):
        return hold_torch_dataset(given)
    config = DataConfig(given) if isinstance(given, str) else given
    kind, colon, argument = config.dataset.partition(":")
    needs_argument = kind != "digits"
    if kind not in SOURCES or needs_argument != bool(argument) or (colon and not argument):
        allowed = (
            "digits, idx:FOLDER, torchvision:NAME, folder:PATH, npz:FILE, parquet:PATH, hf:PATH_OR_NAME, csv:FILE, "
            "jsonl:FILE, webdataset:SHARDS or tinyimagenet:PATH"
        )
        raise SourceError(config.dataset, "unknown dataset", f"use {allowed}")
    dataset = SOURCES[kind](argument, config)
    if config.metadata is not None:
        path, column = Path(config.metadata), config.group_column
        metadata = join_metadata(path, dataset.ids)
        groups = None if column is None else Groups(column, code_column(metadata.frame, path, column))
        notes = (*dataset.notes, *metadata.notes)
        dataset = replace(dataset, metadata=metadata.frame, groups=groups, notes=notes)
    return group_duplicates(dataset, config)
