"""Datasets of torchvision: any of its classes whose items are an image and its class."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from splitgen.data.arrays import to_channels_first
from splitgen.data.class_checks import check_classes, check_labels
from splitgen.data.dataset import ImageDataset, OwnTest, make_dataset
from splitgen.data.images import MemoryImages
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.pictures import FilePictures
from splitgen.data.pixels.encoded import Pictures
from splitgen.data.sources.torchvision_classes import Kind, find_kind
from splitgen.data.sources.torchvision_rows import Rows, has_arrays, list_attributes, list_rows
from splitgen.data.torch_dataset import ItemPictures
from splitgen.data.torch_items import place_paths
from splitgen.errors import SourceError
from splitgen.plugins import tell_raised
from splitgen.settings.stages import DataConfig

OWN_TESTS = ("test", "val", "valid")  # parts that serve as the own test set, the first that is there


@dataclass(frozen=True)
class Part:
    """A part that is open. dataset: torchvision's. make: gives it again. rows: what it lists."""

    name: str
    dataset: Any
    make: Callable[[], Any]
    rows: Rows

    def take(self, kept: np.ndarray) -> np.ndarray:
        """Images of some rows [n, ...], of a dataset that has all of them in an array."""
        return np.stack([np.asarray(self.dataset[int(row)][0]) for row in kept])


@dataclass(frozen=True)
class Classes:
    """What the labels of the opened part are in splitgen: class c is the c-th value that occurs, in their order."""

    values: np.ndarray
    names: tuple[str, ...]
    has_names: bool


def load_torchvision(argument: str, config: DataConfig) -> ImageDataset:
    """A torchvision dataset's train part, or another `part`, and its test part as the own test set.

    Labels that do not count from 0, or leave numbers out, are numbered anew in their order, as a note tells.
    Raises `SourceError`.
    """
    kind = find_kind(argument, config)
    check_root(kind, config)
    parts = kind.list_parts(config)
    part = open_part(kind, choose_part(kind, parts, config), parts, config)
    classes, notes = number_classes(kind.source, part)
    own, told = open_own_test(kind, part, parts, classes, config)
    labels = np.searchsorted(classes.values, check_values(kind.source, part))
    check_labels(kind.source, labels, len(labels))
    check_classes(kind.source, labels, classes.names)
    notes = (*notes, *told)
    if has_arrays(part.dataset):
        return hold_arrays(kind.source, part, own, labels, classes, notes)
    own_test = None if own is None else list_part(kind.source, *own, classes)
    every = np.arange(len(labels))
    listing = list_part(kind.source, part, every, labels, classes, notes, own_test)
    dataset = decode_listing(listing, config)
    return dataset if part.rows.paths is not None else replace(dataset, digests=None)


def check_root(kind: Kind, config: DataConfig) -> None:
    """Raise `SourceError` where the root is not there: some classes would make it."""
    if "root" in kind.parameters and not config.download and not Path(config.root).expanduser().is_dir():
        remedy = "give --root FOLDER, or --download to fetch it"
        raise SourceError(kind.source, f"there is no folder '{config.root}'", remedy)


def choose_part(kind: Kind, parts: dict[str, Any], config: DataConfig) -> str:
    """The part that is asked for, else train, else the class's own default; "" where it has none."""
    if config.part is not None and kind.part_keyword is None:
        raise SourceError(kind.source, f"it has no parts, and so no '{config.part}'", "leave out --part")
    if config.part is not None and parts and config.part not in parts:
        raise SourceError(kind.source, f"it has no part '{config.part}'", f"give --part {' or '.join(parts)}")
    if config.part is not None:
        return config.part
    if kind.part_keyword is None:
        return ""
    default = kind.parameters[kind.part_keyword].default
    return "train" if "train" in parts or not isinstance(default, str) else default


def open_part(kind: Kind, name: str, parts: dict[str, Any], config: DataConfig) -> Part:
    """A part with its rows listed. Raises `SourceError` in one line for whatever torchvision raises."""
    given = {**kind.choices, **kind.list_common(config)}
    if kind.part_keyword is not None:
        given[kind.part_keyword] = parts.get(name, name)
    make = partial(kind.class_, **given)
    dataset = open_class(kind, make)
    column, target = choose_target(kind, dataset, config)
    if target is not None:
        make = partial(kind.class_, **given, **{str(kind.target_keyword): target})
        dataset = open_class(kind, make)
    try:
        return Part(name, dataset, make, list_rows(kind.source, dataset, column, target))
    except (OSError, ValueError) as error:
        raise SourceError(kind.source, tell_raised(error), "see whether its files are whole") from error


def open_class(kind: Kind, make: Callable[[], Any]) -> Any:
    try:
        return make()
    except Exception as error:  # torchvision's classes raise all kinds for what is not there, or damaged
        can_fetch = "download" in kind.parameters
        remedy = "give --root FOLDER, or --download to fetch it" if can_fetch else "give --root FOLDER that has it"
        problem = tell_raised(error) or type(error).__name__
        raise SourceError(kind.source, problem.removeprefix("RuntimeError: ").rstrip("."), remedy) from error


def choose_target(kind: Kind, dataset: Any, config: DataConfig) -> tuple[str | None, str | None]:
    """The attribute of the open dataset that is the class (CelebA's "Blond_Hair"), or the kind of target that it is to
    be opened with (iNaturalist's "genus"); both None for the class's own label. Raises `SourceError`."""
    wanted, attributes = config.target_column, list_attributes(dataset)
    if wanted in attributes:
        return wanted, None
    if wanted is None and not attributes:
        return None, None
    kinds = () if attributes or kind.target_keyword is None else kind.ask_values(kind.target_keyword, config)
    if wanted in kinds:
        return None, wanted
    if not attributes and not kinds:
        raise SourceError(kind.source, "it has one target alone", "leave out --target-column")
    problem = "its target is to be chosen" if wanted is None else f"it has no target '{wanted}'"
    raise SourceError(kind.source, problem, f"give --target-column, one of {', '.join([*attributes, *kinds])}")


def check_values(source: str, part: Part) -> np.ndarray:
    """The labels of a part, or a `SourceError` where it has rows without one."""
    values = part.rows.values
    if values is None or values.min() < 0:
        raise SourceError(source, f"rows of its part '{part.name}' have no class", "give another --part")
    return values


def number_classes(source: str, part: Part) -> tuple[Classes, tuple[str, ...]]:
    """The classes of a part, and a note where they are not numbered as torchvision does."""
    values, named = np.unique(check_values(source, part)), part.rows.names
    names = tuple(str(value) if named is None else named[int(value)] for value in values)
    classes = Classes(values, names, named is not None)
    if np.array_equal(values, np.arange(len(values))):
        return classes, ()
    n_missing = int(values[-1] - values[0]) + 1 - len(values)
    left_out = f"; {n_missing} numbers between have no rows, and are left out" if n_missing else ""
    note = f"labels {values[0]} to {values[-1]} of the source are the classes 0 to {len(values) - 1}{left_out}"
    return classes, (note,)


def open_own_test(
    kind: Kind, part: Part, parts: dict[str, Any], classes: Classes, config: DataConfig
) -> tuple[tuple[Part, np.ndarray, np.ndarray] | None, tuple[str, ...]]:
    """The part that serves as the own test set, its rows of known classes and their classes; and notes of what is left
    out, or not there."""
    notes = []
    of_year = part.name.partition("train")[0] + "valid"  # iNaturalist's 2021_train has 2021_valid
    for name in dict.fromkeys((*OWN_TESTS, of_year)):
        if part.name in ("test", name) or name not in parts:
            continue
        try:
            own = open_part(kind, name, parts, config)
            values = check_values(kind.source, own)
        except SourceError as error:
            notes.append(f"its part '{name}' is no own test set: {error.problem}")
            continue
        if own.rows.paths is not None and not own.rows.paths[0].is_file():
            notes.append(f"its part '{name}' is no own test set: its images are not there")
            continue
        kept, labels = match_classes(own, values, classes)
        if len(kept) < len(values):
            notes.append(f"{len(values) - len(kept)} rows of its part '{name}' are of other classes, and left out")
        if len(kept):
            return (own, kept, labels), tuple(notes)
    return None, tuple(notes)


def match_classes(own: Part, values: np.ndarray, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Rows [n] of a part whose class the opened part has, too, and their classes [n]; by name, where both have them."""
    if classes.has_names and own.rows.names is not None:
        numbers = {name: c for c, name in enumerate(classes.names)}
        known = {value: numbers[name] for value, name in own.rows.names.items() if name in numbers}
    else:
        known = {int(value): c for c, value in enumerate(classes.values)}
    kept = np.flatnonzero(np.isin(values, list(known)))
    return kept, np.array([known[int(value)] for value in values[kept]], dtype=np.int64)


def hold_arrays(
    source: str,
    part: Part,
    own: tuple[Part, np.ndarray, np.ndarray] | None,
    labels: np.ndarray,
    classes: Classes,
    notes: Sequence[str],
) -> ImageDataset:
    """A dataset whose images lie in one array: in memory, with their very pixels."""
    raw = [np.ascontiguousarray(part.dataset.data).tobytes()]
    images = to_channels_first(source, part.take(np.arange(len(labels))))
    own_test = None
    if own is not None:
        own_test = OwnTest(MemoryImages(to_channels_first(source, own[0].take(own[1]))), own[2])
    return make_dataset(
        source, images, labels, raw=raw, own_test=own_test, class_names=classes.names, notes=tuple(notes)
    )


def list_part(
    source: str,
    part: Part,
    kept: np.ndarray,
    labels: np.ndarray,
    classes: Classes,
    notes: Sequence[str] = (),
    own_test: Listing | None = None,
) -> Listing:
    """Some rows of a part, as images to be decoded. Raises `SourceError` where its files are not there."""
    paths = part.rows.paths
    pictures: Pictures
    if paths is None:
        ids = tuple(str(int(row)) for row in kept)
        pictures = ItemPictures(part.dataset, source, make=part.make, kept=kept)
    else:
        folder, names = place_paths(paths)
        ids = tuple(names[row] for row in kept)
        pictures = FilePictures(folder, ids)
        if not Path(pictures.locate(0)).is_file():
            raise SourceError(source, f"its image '{ids[0]}' is not there", "give --root with all of its files")
    return Listing(source, pictures, labels, ids, classes.names, tuple(notes), own_test)
