"""All sources by kind, and how a dataset is opened.

A spec is `NAME` or `KIND:ARGUMENT`. To add a source, write a file with a function that takes the argument and a
`DataConfig` and returns an `ImageDataset`, and add its line to `SOURCES`; or, from another package, give it as an entry
point of the group `splitgen.datasets`. A spec of another kind that names a callable is the user's own code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from splitgen.data.cache.progress import OnProgress, listening
from splitgen.data.dataset import ImageDataset
from splitgen.data.duplicates import group_duplicates
from splitgen.data.metadata import Groups, code_column, join_metadata
from splitgen.data.resizing import resize_dataset
from splitgen.data.sources.csv import load_csv
from splitgen.data.sources.digits import load_digits
from splitgen.data.sources.features import load_features
from splitgen.data.sources.folder import load_folder
from splitgen.data.sources.hf import load_hf
from splitgen.data.sources.idx import load_idx
from splitgen.data.sources.jsonl import load_jsonl
from splitgen.data.sources.npz import load_npz
from splitgen.data.sources.parquet import load_parquet
from splitgen.data.sources.tiny_imagenet import load_tiny_imagenet
from splitgen.data.sources.torchvision import load_torchvision
from splitgen.data.sources.users import is_users_code, load_users, looks_like_code
from splitgen.data.sources.webdataset import load_webdataset
from splitgen.data.torch_dataset import hold_torch_dataset
from splitgen.errors import SourceError, SplitgenError
from splitgen.plugins import DATASETS, PluginError, list_plugins, load_plugin, tell_raised
from splitgen.settings.stages import DataConfig

Source = Callable[[str, DataConfig], ImageDataset]
SOURCES: dict[str, Source] = {
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
    "features": load_features,
    "tinyimagenet": load_tiny_imagenet,
}
ARGUMENTS = {  # of the others ":FILE"
    "digits": "",
    "idx": ":FOLDER",
    "folder": ":PATH",
    "parquet": ":PATH",
    "hf": ":PATH_OR_NAME",
    "webdataset": ":SHARDS",
    "torchvision": ":NAME",
    "tinyimagenet": ":PATH",
}
TABLES = ("parquet", "csv", "jsonl", "webdataset", "hf", "features")
COLUMNS = {  # what names a column, and the kinds that have columns; of others it would do nothing, in silence
    "image_column": TABLES,
    "label_column": TABLES,
    "target_column": ("torchvision",),
}
RECORDED = "recorded"  # stands in front of a spec that is code, and comes from a file


def open_dataset(given: DataConfig | str | Any, *, on_progress: OnProgress | None = None) -> ImageDataset:
    """A dataset, with its groups.

    given: settings, a spec such as "digits" or "folder:PATH", or a torch dataset of pairs (image, class), whose images
        are held where they fit into memory, else asked for when they are needed.
    on_progress: called with how many images are decoded, and of how many.
    Raises `SourceError`, `CacheError` and `MetadataError`.
    """
    if not isinstance(given, DataConfig | str):
        with listening(on_progress):
            return hold_torch_dataset(given)
    config = DataConfig(given) if isinstance(given, str) else given
    with listening(on_progress):
        dataset = resize_dataset(open_source(config), config)
    if config.metadata is not None:
        path, column = Path(config.metadata), config.group_column
        metadata = join_metadata(path, dataset.ids)
        groups = None if column is None else Groups(column, code_column(metadata.frame, path, column))
        notes = (*dataset.notes, *metadata.notes)
        dataset = replace(dataset, metadata=metadata.frame, groups=groups, notes=notes)
    return group_duplicates(dataset, config)


def open_source(config: DataConfig) -> ImageDataset:
    """The dataset of a spec: of a built-in kind, else of an entry point, else of the user's own code."""
    spec = config.dataset
    kind, colon, argument = spec.partition(":")
    if kind == RECORDED:
        problem = (
            "stands in the file as the dataset that it was made of, and is code, which is not run unless you name it"
        )
        raise SourceError(argument, problem, f"give the dataset {argument} if you trust it, or another one")
    if kind in SOURCES:
        refuse_columns(spec, kind, config)
        needs_argument = ARGUMENTS.get(kind) != ""
        if needs_argument == bool(argument) and (argument or not colon):
            return SOURCES[kind](argument, config)
    elif kind in list_plugins(DATASETS):
        return open_plugin(kind, argument, config)
    elif is_users_code(spec, SOURCES):
        refuse_columns(spec, kind, config)
        return load_users(spec, config)
    raise SourceError(spec, "unknown dataset", f"use {tell_kinds()}")


def refuse_columns(spec: str, kind: str, config: DataConfig) -> None:
    """Raise `SourceError` where a column is named of a kind of source that has none."""
    for name, kinds in COLUMNS.items():
        if getattr(config, name) is not None and kind not in kinds:
            option = f"--{name.replace('_', '-')}"
            raise SourceError(spec, f"{option} is of {', '.join(kinds)}", f"leave out {option}")


def open_plugin(kind: str, argument: str, config: DataConfig) -> ImageDataset:
    """A dataset by a function of another package."""
    try:
        load = load_plugin(DATASETS, kind)
    except PluginError as error:
        raise SourceError(config.dataset, error.problem, error.remedy) from error
    remedy = "an entry point takes (argument, DataConfig) and gives an ImageDataset: repair or uninstall the package"
    try:
        dataset = load(argument, config)
    except SplitgenError:
        raise
    except (Exception, SystemExit) as error:
        raise SourceError(config.dataset, f"its source failed: {tell_raised(error)}", remedy) from error
    if not isinstance(dataset, ImageDataset):
        raise SourceError(config.dataset, f"its source gave {type(dataset).__name__}", remedy)
    return dataset


def tell_kinds() -> str:
    """All specs that there are, in words."""
    known = [f"{kind}{ARGUMENTS.get(kind, ':FILE')}" for kind in SOURCES]
    plugins = [f"{kind}:..." for kind in list_plugins(DATASETS) if kind not in SOURCES]
    return ", ".join([*known, *plugins]) + " or package.module:callable"


def mark_recorded(spec: str) -> str:
    """A spec that a file recorded, marked where it is code: it opens only where the user names it again."""
    is_code = looks_like_code(spec, {*SOURCES, *list_plugins(DATASETS), RECORDED})
    return f"{RECORDED}:{spec}" if is_code else spec
