"""Folders of image files."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from unicodedata import normalize

import numpy as np

from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.listing import Listing, decode_listing
from splitgen.data.listings.names import check_names, tell_names
from splitgen.data.listings.part_names import TRAIN, find_meaning, find_part, list_own_tests, refuse_part
from splitgen.data.listings.pictures import FilePictures
from splitgen.data.listings.tree import FolderWalk
from splitgen.data.sources.tiny_imagenet import is_tiny_imagenet, load_tiny_imagenet
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

Classes = Mapping[str, Sequence[str]]  # paths of the images of each class folder, maybe none


@dataclass(frozen=True)
class Found:
    """Class folders of a folder, none of them empty.

    empty: folders that have no images. own_test: the class folders of another part, by name; own_part: that part.
    """

    classes: Classes
    empty: tuple[str, ...] = ()
    own_test: Classes | None = None
    own_part: str = ""
    notes: tuple[str, ...] = ()


def load_folder(argument: str, config: DataConfig) -> ImageDataset:
    """ImageFolder layout, PATH/CLASS/*: classes and files in plain sorted order, whatever lies deeper is of its class.

    Every suffix that Pillow reads is an image. A folder of train, val and test folders gives one of them, and another
    as the own test set; TinyImageNet's layout is known. Raises `SourceError` for links that leave the folder, unless
    the config says to follow them, and for names that cannot be ids.
    """
    root = Path(argument)
    if not root.is_dir():
        problem = "it is a file" if root.exists() else "the folder does not exist"
        raise SourceError(f"folder:{argument}", problem, "give PATH with one folder a class")
    if is_tiny_imagenet(root):
        return load_tiny_imagenet(argument, config)
    return decode_listing(list_folder(argument, config), config)


def list_folder(argument: str, config: DataConfig) -> Listing:
    """What a folder holds, before anything is decoded. Raises `SourceError`."""
    root, source = Path(argument), f"folder:{os.path.basename(os.path.abspath(argument))}"
    walk = FolderWalk(source, root, config.follow_links)
    names = walk.list_folders()
    parts = [name for name in names if find_meaning(name) is not None]
    beside = {name: walk.list_images(name) for name in names if name not in parts}
    if parts and not any(beside.values()):
        found = list_parted(walk, parts, config.part)
        found = replace(found, empty=(*beside, *found.empty))
    else:
        refuse_part(source, config.part, "it has no train, val or test folders")
        folders = {name: beside[name] if name in beside else walk.list_images(name) for name in names}
        refuse_mixed(walk.source, parts, folders)
        found = list_plain(walk, folders)
    walk.refuse_outside()
    return compose_listing(walk, found)


def list_plain(walk: FolderWalk, folders: Classes) -> Found:
    """Every folder is a class; one without images is none. Raises `SourceError`."""
    classes = {name: paths for name, paths in folders.items() if paths}
    walk.refuse_outside()
    if not classes:
        told = walk.tally.tell()
        problem = f"no images in class folders ({told})" if told else "no images in it"
        raise SourceError(walk.source, problem, "put them in one folder a class")
    refuse_shell(walk.source, classes)
    return Found(classes, empty=tuple(name for name in folders if name not in classes))


def list_parted(walk: FolderWalk, names: Sequence[str], wanted: str | None) -> Found:
    """The class folders of the part that is wanted, and of the one that is the own test set. Raises `SourceError`."""
    part = find_part(walk.source, names, wanted)
    folders = list_classes(walk, part)
    classes = {name: paths for name, paths in folders.items() if paths}
    walk.refuse_outside()
    if not classes:
        problem = f"its folders are parts ({', '.join(names)}), and '{part}' has no class folders with images"
        raise SourceError(walk.source, problem, f"put the images in one folder a class, as in {part}/CLASS/1.png")
    own_part, own_test, unlabelled = "", None, []
    for name in list_own_tests(names, part):
        listed = {key: paths for key, paths in list_classes(walk, name).items() if paths}
        if {normalize("NFC", key) for key in classes} & {normalize("NFC", key) for key in listed}:
            own_part, own_test = name, listed
            break
        unlabelled.append(name)
    note = tell_parts(part, own_part, [name for name in names if name not in (part, own_part)])
    if unlabelled:
        note += f"; no folders of these classes in {tell_names(unlabelled)}"
    empty = tuple(f"{part}/{name}" for name in folders if name not in classes)
    return Found(classes, empty, own_test, own_part, (note,))


def list_classes(walk: FolderWalk, part: str) -> Classes:
    """The folders of a part with the images of each."""
    return {name: walk.list_images(f"{part}/{name}") for name in walk.list_folders(part)}


def refuse_shell(source: str, classes: Classes) -> None:
    """Raise `SourceError` for one folder that holds the class folders, as archives are often packed."""
    ((name, paths), *others) = classes.items()
    inner = {path.split("/")[1] for path in paths if path.count("/") > 1}
    if not others and len(inner) > 1 and all(path.count("/") > 1 for path in paths):
        problem = f"its only folder '{name}' holds folders with images ({tell_names(sorted(inner))})"
        raise SourceError(source, problem, f"if these are the classes, give folder:PATH/{name}")


def refuse_mixed(source: str, parts: Sequence[str], folders: Classes) -> None:
    """Raise `SourceError` for train and test folders of class folders that have other folders of images beside them:
    taken as classes they would be wrong in silence."""
    deep = [name for name in parts if any(path.count("/") > 1 for path in folders[name])]
    if TRAIN in map(find_meaning, deep) and len({find_meaning(name) for name in deep}) > 1:
        others = [name for name, paths in folders.items() if paths and name not in parts]
        problem = f"{tell_names(deep)} look like parts, {tell_names(others)} beside them like classes"
        raise SourceError(source, problem, "move the others away, or give one part as folder:PATH/NAME")


def compose_listing(walk: FolderWalk, found: Found) -> Listing:
    """The listing of the class folders. Raises `SourceError` for names that cannot be."""
    names = sorted(found.classes)
    check_names(walk.source, names)
    listing = list_rows(walk, found.classes, names)
    check_names(walk.source, listing.ids)
    notes = list(found.notes)
    if found.empty:
        notes.append(f"folders without images are no classes: {tell_names(found.empty)}")
    told = walk.tally.tell()
    if told is not None:
        notes.append(told)
    own_test = None if found.own_test is None else list_own_rows(walk, found, names)
    return replace(listing, notes=tuple(notes), own_test=own_test)


def list_rows(walk: FolderWalk, classes: Classes, names: Sequence[str]) -> Listing:
    """Rows class by class; names: the classes in their order."""
    paths = tuple(path for name in names for path in classes.get(name, ()))
    labels = np.repeat(np.arange(len(names)), [len(classes.get(name, ())) for name in names])
    return Listing(walk.source, FilePictures(os.fspath(walk.root), paths), labels, paths, tuple(names))


def list_own_rows(walk: FolderWalk, found: Found, names: Sequence[str]) -> Listing:
    """The own test set, by the classes of the part that is split. Raises `SourceError` for a class that this lacks."""
    known = {normalize("NFC", name): name for name in names}
    own = {known.get(normalize("NFC", name), name): paths for name, paths in (found.own_test or {}).items()}
    others = sorted(set(own) - set(names))
    if others:
        problem = f"its own test set '{found.own_part}' has classes that the part which is split has not"
        raise SourceError(walk.source, f"{problem} ({tell_names(others)})", "move them away")
    return list_rows(walk, own, names)


def tell_parts(part: str, own_part: str, rest: Sequence[str]) -> str:
    """Which parts are taken, in a line; own_part: "" for none."""
    own = f"'{own_part}' is its own test set" if own_part else "there is no own test set"
    left = f"; {tell_names(rest)} not used" if rest else ""
    return f"its folders are parts: '{part}' is split, {own}{left} (--part takes another)"
