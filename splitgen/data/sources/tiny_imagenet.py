"""TinyImageNet as its archive lays it out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.names import check_names, tell_names
from splitgen.data.listings.part_names import TRAIN, VAL, find_meaning
from splitgen.data.listings.pictures import FilePictures
from splitgen.data.listings.tree import FolderWalk
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

WNIDS, WORDS, ANNOTATIONS = "wnids.txt", "words.txt", "val/val_annotations.txt"


def is_tiny_imagenet(root: Path) -> bool:
    """Whether a folder has the layout: a list of classes, train, and val with a table of its labels."""
    return (root / WNIDS).is_file() and (root / "train").is_dir() and (root / ANNOTATIONS).is_file()


def load_tiny_imagenet(argument: str, config: DataConfig) -> ImageDataset:
    """TinyImageNet's layout: train/WNID/images/*, and val/images with val_annotations.txt as the own test set.

    Classes are in the order of their WordNet ids, as in ImageFolder, with the names of words.txt. `part` val gives the
    validation images alone; the test part has no labels. Raises `SourceError`.
    """
    root = Path(argument)
    source = f"tinyimagenet:{os.path.basename(os.path.abspath(argument))}"
    if not is_tiny_imagenet(root):
        remedy = f"give the unpacked folder with {WNIDS}, train and {ANNOTATIONS}"
        raise SourceError(f"tinyimagenet:{argument}", "it has not the layout of TinyImageNet", remedy)
    part = find_meaning(config.part or TRAIN)
    if part not in (TRAIN, VAL):
        problem = f"it has no part '{config.part}' with labels"
        raise SourceError(source, problem, f"give --part with one of those that it has: {TRAIN}, {VAL}")
    walk = FolderWalk(source, root, config.follow_links)
    wnids = sorted(set(read_lines(source, root / WNIDS)))
    val = list_val(walk, wnids)
    listing = val if part == VAL else replace(list_train(walk, wnids), own_test=val)
    walk.refuse_outside()
    check_names(source, listing.ids)
    notes = [tell_layout(part), *filter(None, [walk.tally.tell()])]
    listing = replace(listing, class_names=name_classes(source, root, wnids), notes=tuple(notes))
    return decode_listing(listing, config)


def tell_layout(part: str) -> str:
    own = "val is its own test set" if part == TRAIN else "there is no own test set"
    return f"the layout of TinyImageNet: {part} is split, {own}, the images of test have no labels"


def list_train(walk: FolderWalk, wnids: Sequence[str]) -> Listing:
    """The train part, class by class."""
    folders = {name: walk.list_images(f"train/{name}") for name in walk.list_folders("train")}
    refuse_others(walk.source, "train", [name for name, paths in folders.items() if paths], wnids)
    return list_rows(walk, [(path, c) for c, wnid in enumerate(wnids) for path in folders.get(wnid, ())], wnids)


def list_val(walk: FolderWalk, wnids: Sequence[str]) -> Listing:
    """The validation part, with the labels of its table. Raises `SourceError` for an image that is not there."""
    labels, images = read_annotations(walk.source, walk.root / ANNOTATIONS), walk.list_images("val")
    refuse_others(walk.source, ANNOTATIONS, sorted(set(labels.values())), wnids)
    by_name = {path.rpartition("/")[2]: path for path in images}
    missing = [name for name in labels if name not in by_name]
    if missing:
        problem = f"{len(missing)} images of {ANNOTATIONS} are not there (first: '{missing[0]}')"
        raise SourceError(walk.source, problem, "unpack the archive again")
    number = {wnid: c for c, wnid in enumerate(wnids)}
    return list_rows(walk, sorted((by_name[name], number[wnid]) for name, wnid in labels.items()), wnids)


def list_rows(walk: FolderWalk, rows: Sequence[tuple[str, int]], wnids: Sequence[str]) -> Listing:
    """rows: path and class of each."""
    paths, labels = tuple(path for path, _ in rows), np.array([c for _, c in rows], dtype=np.int64)
    return Listing(walk.source, FilePictures(os.fspath(walk.root), paths), labels, paths, tuple(wnids))


def refuse_others(source: str, where: str, names: Sequence[str], wnids: Sequence[str]) -> None:
    """Raise `SourceError` for classes that wnids.txt does not list."""
    others = [name for name in names if name not in set(wnids)]
    if others:
        raise SourceError(source, f"{where} has the classes {tell_names(others)}", f"list them in {WNIDS}, too")


def name_classes(source: str, root: Path, wnids: Sequence[str]) -> tuple[str, ...]:
    """The first word of words.txt for each class; all of its words, or the WordNet id too, where two share it."""
    words: dict[str, str] = {}
    if (root / WORDS).is_file():
        pairs = (line.partition("\t") for line in read_lines(source, root / WORDS))
        words = {wnid: text.strip() for wnid, _, text in pairs if text.strip()}
    named = {wnid: words.get(wnid, wnid) for wnid in wnids}
    first = Counter(text.split(",")[0] for text in named.values())
    whole = Counter(named.values())
    return tuple(
        text.split(",")[0] if first[text.split(",")[0]] == 1 else text if whole[text] == 1 else f"{text} ({wnid})"
        for wnid, text in named.items()
    )


def read_annotations(source: str, path: Path) -> Mapping[str, str]:
    """The class of each validation image by the image's file name."""
    rows = [line.split("\t") for line in read_lines(source, path)]
    short = [number for number, row in enumerate(rows) if len(row) < 2]
    if short:
        problem = f"line {short[0] + 1} of {ANNOTATIONS} is no file name and class"
        raise SourceError(source, problem, "give them with a tab between")
    return {row[0]: row[1] for row in rows}


def read_lines(source: str, path: Path) -> list[str]:
    """Lines of a text file that are not empty. Raises `SourceError`."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(source, f"{path.name} cannot be read", "give it as UTF-8 text") from error
    return [line.strip() for line in lines if line.strip()]
