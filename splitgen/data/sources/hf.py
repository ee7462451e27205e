"""Datasets of Hugging Face's library: saved ones, and those of the hub."""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from splitgen.data.listings.arrow import (
    BYTES,
    PATH,
    TableColumns,
    as_found,
    find_columns,
    has_labels,
    read_labels,
    unpack_columns,
)
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.parts import choose_own_test, choose_part, name_part, refuse_part
from splitgen.data.listings.pictures import stamp_files
from splitgen.data.listings.rows import NO_LABELS, OWN_TEST, RowPart, RowParts, divide_rows, list_rows
from splitgen.data.listings.table_rows import TableRows, list_table_rows
from splitgen.data.pixels.decode import DecodeError
from splitgen.errors import SourceError
from splitgen.footers import DAMAGED
from splitgen.settings.stages import DataConfig

if TYPE_CHECKING:
    from splitgen.data.dataset import ImageDataset

PATHS = "paths of images\n"  # a column of our own, named as nobody does
BATCH = 10_000  # rows whose labels are read at a time


@dataclass(frozen=True)
class Spec:
    """What names a dataset: a saved folder, or a name on the hub with a configuration; and a split of it."""

    name: str
    config: str | None
    split: str | None

    @property
    def is_saved(self) -> bool:
        return Path(self.name).exists()

    @property
    def source(self) -> str:
        """Without paths of the machine."""
        name = Path(self.name).name if self.is_saved else self.name
        return f"hf:{name}{f':{self.config}' if self.config else ''}{f'@{self.split}' if self.split else ''}"


@dataclass(frozen=True)
class HubPictures:
    """The images of a dataset of the library, as they are encoded. column: of images, its only one."""

    dataset: Any
    column: str

    def __len__(self) -> int:
        return len(self.dataset)

    def read(self, row: int) -> bytes:
        """The bytes of an image. Raises `DecodeError` where there are none."""
        try:
            item = self.dataset[row][self.column]
        except (OSError, *DAMAGED) as error:
            raise DecodeError(f"cannot be read ({str(error).partition('. ')[0][:200]})") from error
        content = item.get(BYTES) if isinstance(item, dict) else item
        if not isinstance(content, bytes):
            raise DecodeError("has no image")
        return content

    def name(self, row: int) -> str:
        return f"row {row}"

    def stamp(self) -> str:
        files = [Path(entry["filename"]) for entry in self.dataset.cache_files]
        stamp = stamp_files(files) if files else ""
        return stamp and hashlib.sha256(f"{stamp} {self.column} {len(self)}".encode()).hexdigest()


@dataclass(frozen=True)
class Split:
    """A split without its images. light: all else that is read of its rows. in_files: rows without the bytes of an
    image, int64 [n]."""

    columns: TableColumns
    pictures: HubPictures
    light: pa.Table
    in_files: np.ndarray


def load_hf(argument: str, config: DataConfig) -> ImageDataset:
    """A dataset saved by `save_to_disk`, or one of the hub: `PATH_OR_NAME[:CONFIG][@SPLIT]`.

    Code of a dataset is never run. Columns are found as for Parquet; ids are a column `__key__` or `id`, else the
    images' paths, else row numbers. Raises `SourceError`.
    """
    return decode_listing(list_hf(argument, config), config)


def list_hf(argument: str, config: DataConfig) -> Listing:
    """What a dataset of the library lists. Raises `SourceError`."""
    spec = parse_spec(argument)
    library = import_library(spec.source)
    opened = open_saved(library, spec) if spec.is_saved else open_hub(library, spec, config.download)
    home = Path(spec.name) if spec.is_saved else Path(library.config.HF_CACHE_HOME)
    return list_rows(spec.source, choose_splits(spec, library, opened, home, config), config.skip_unreadable)


def parse_spec(argument: str) -> Spec:
    """PATH_OR_NAME[:CONFIG][@SPLIT], where a path that is there may have colons and @ in its name."""
    if Path(argument).exists():
        return Spec(argument, None, None)
    head, at, split = argument.rpartition("@")
    name = head if at else argument
    if Path(name).exists():
        return Spec(name, None, split or None)
    name, _, config = name.partition(":")
    return Spec(name, config or None, split if at and split else None)


def import_library(source: str) -> ModuleType:
    try:
        import datasets
    except ImportError as error:
        remedy = "install it with: pip install 'splitgen[hf]'"
        raise SourceError(source, "the library datasets is not installed", remedy) from error
    module: ModuleType = datasets
    return module


def open_saved(library: ModuleType, spec: Spec) -> Any:
    """A dataset, or several by split, of a saved folder. Raises `SourceError`."""
    try:
        return library.load_from_disk(spec.name)
    except FileNotFoundError as error:
        remedy = "give a folder of save_to_disk; for files use parquet:PATH or folder:PATH"
        raise SourceError(spec.source, "it is no saved dataset", remedy) from error
    except Exception as error:  # of the library, Arrow and JSON, on a folder that is damaged or of another version
        problem = f"it cannot be read ({tell_error(error)})"
        raise SourceError(spec.source, problem, "save it again with save_to_disk") from error


def open_hub(library: ModuleType, spec: Spec, download: bool) -> Any:
    """A dataset of the library's cache, by split; `download`: or of the hub. Raises `SourceError`."""
    if spec.name.startswith(("/", "./", "../", "~")) or not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", spec.name):
        raise SourceError(f"hf:{spec.name}", "there is no such folder", "give a saved dataset, or a name on the hub")
    try:
        # of versions before 4, which run a dataset's own code where they are allowed to; the extra asks for 4
        old = {"trust_remote_code": False} if int(library.__version__.partition(".")[0]) < 4 else {}
        with contextlib.nullcontext() if download else staying_offline(library):
            return library.load_dataset(spec.name, spec.config, **old)
    except Exception as error:  # of the library, the hub's client and all that it uses
        way = "a name on the hub and the way to it" if download else "--download to fetch it from the hub"
        remedy = f"give a folder of save_to_disk, or {way}"
        raise SourceError(spec.source, f"it cannot be loaded ({tell_error(error)})", remedy) from error


@contextlib.contextmanager
def staying_offline(library: ModuleType) -> Iterator[None]:
    """The library takes what is in its cache, and asks nobody: a name may have come out of somebody's file."""
    from huggingface_hub import constants

    modules: tuple[Any, ...] = (library.config, constants)
    before = [(module, module.HF_HUB_OFFLINE) for module in modules]
    try:
        for module, _ in before:
            module.HF_HUB_OFFLINE = True
        yield
    finally:
        for module, value in before:
            module.HF_HUB_OFFLINE = value


def tell_error(error: Exception) -> str:
    """An error of others in one line."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:200]


def choose_splits(spec: Spec, library: ModuleType, opened: Any, home: Path, config: DataConfig) -> RowParts:
    """The split to open, and the own test set. Raises `SourceError`."""
    source, wanted = spec.source, spec.split or config.part
    if spec.split and config.part and name_part(spec.split) != name_part(config.part):
        raise SourceError(source, f"it asks for @{spec.split}, --part for {config.part}", "give one of them")
    if isinstance(opened, Mapping):
        return choose_named(source, library, opened, home, wanted, config)
    split = open_split(source, library, opened, config)
    rows, column = list_split(source, split, home, config), split.columns.part
    if column is not None:
        return divide_rows(source, rows, column, split.light.column(column).to_pylist(), wanted)
    refuse_part(source, wanted)
    return RowParts(rows, None)


def choose_named(
    source: str, library: ModuleType, opened: Mapping[str, Any], home: Path, wanted: str | None, config: DataConfig
) -> RowParts:
    """The split to open among several by name, and the own test set."""
    usual = {name_part(name): name for name in opened}
    names = usual if len(usual) == len(opened) else {name: name for name in opened}
    chosen = choose_part(source, wanted, names)
    own = choose_own_test(chosen, names)
    notes = [] if chosen == "train" else [f"part '{chosen}' is opened"]
    if own is not None:
        notes.append(f"part '{own}' is the own test set ({len(opened[names[own]]):,} rows)")
    left = sorted(set(names) - {chosen, own})
    if left:
        notes.append(f"parts that are there and not used: {', '.join(left)}")
    split = open_split(source, library, opened[names[chosen]], config)
    own_test = None
    if own is not None and not has_labels(opened[names[own]].features.arrow_schema, split.columns):
        notes.append(NO_LABELS)
    elif own is not None:
        where, settings = f"{source}, {OWN_TEST}", as_found(config, split.columns)
        own_test = list_split(where, open_split(where, library, opened[names[own]], settings), home, config)
    return RowParts(list_split(source, split, home, config), own_test, tuple(notes))


def open_split(source: str, library: ModuleType, dataset: Any, config: DataConfig) -> Split:
    """A split without its images. Raises `SourceError` where its columns cannot be told."""
    columns = find_columns(source, dataset.features.arrow_schema, config)
    image = columns.image
    if isinstance(dataset.features[image.name], library.Image):
        dataset = dataset.cast_column(image.name, library.Image(decode=False))
    names = list(dict.fromkeys((image.name, *columns.plain)))
    tables, lacks = [], [np.empty(0, dtype=bool)]
    for batch in dataset.select_columns(names).with_format("arrow").iter(BATCH):
        held = batch.column(image.name)
        content = pc.struct_field(held, BYTES) if image.nested and image.has_bytes else held
        lacks.append(pc.is_null(content).to_numpy() if image.has_bytes else np.ones(len(batch), dtype=bool))
        path = pc.struct_field(held, PATH) if image.nested and image.has_path else held
        light = {name: batch.column(name) for name in columns.plain}
        tables.append(pa.table({**light, PATHS: path if image.has_path else pa.nulls(len(batch), pa.string())}))
    if not tables:
        raise SourceError(source, "it has no rows", "give a dataset with at least two classes")
    pictures = HubPictures(dataset.select_columns([image.name]).with_format(None), image.name)
    return Split(columns, pictures, unpack_columns(pa.concat_tables(tables)), np.flatnonzero(np.concatenate(lacks)))


def list_split(source: str, split: Split, home: Path, config: DataConfig) -> RowPart:
    """All rows of a split. Raises `SourceError` for files of images that are outside of the home folder."""
    paths = split.light.column(PATHS).to_pylist()
    rows = TableRows(
        labels=read_labels(split.light.column(split.columns.label), split.columns.class_names),
        paths=paths,
        keys=None if split.columns.key is None else split.light.column(split.columns.key).to_pylist(),
        in_files=split.in_files,
        places=[paths[row] for row in split.in_files],
        home=home,
        keys_first=True,  # the library keeps of a path the name alone
    )
    return list_table_rows(source, rows, split.pictures, config.follow_links)
