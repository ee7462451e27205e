"""Folders of relative links, without a copy of an image: torchvision's ImageFolder, timm, DomainBed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePath

from splitgen.errors import ExportError
from splitgen.exports.export import Export, find_parts, replacing_folder

# The folder that each part becomes.
IMAGE_FOLDER = {"train": "train", "validation": "validation", "test": "test"}
TIMM = {"train": "train", "validation": "holdout", "test": "validation"}  # timm judges on `validation`
DOMAIN_BED = {"train": "env0_train", "validation": "env1_validation", "test": "env2_test"}  # one environment each


def write_image_folder(export: Export) -> None:
    """OUT/train|validation|test/CLASS/NAME."""
    write_links(export, IMAGE_FOLDER)


def write_timm(export: Export) -> None:
    """OUT/train/CLASS/NAME, and the test part as OUT/validation; the split's own validation part as OUT/holdout."""
    write_links(export, TIMM)


def write_domain_bed(export: Export) -> None:
    """OUT/env0_train, env1_validation, env2_test: environments in this order, `test_envs` being the last."""
    write_links(export, DOMAIN_BED)


def write_links(export: Export, folders: Mapping[str, str]) -> None:
    """A link below its part's folder for every row, at its id, with the folder that is the class in front.

    Every class has a folder in every part, so that the numbers of the classes agree.
    Raises `ExportError` where ids are no files below `export.images`, or no folder of theirs is the class.
    """
    paths, split = export.image_paths(), export.split
    places = put_class_first(export, paths)
    assert export.images is not None
    root, out = export.images.resolve(), export.out.resolve()
    with replacing_folder(export) as temporary:
        for part in find_parts(split):
            for name in sorted({place.parts[0] for place in places}):
                (temporary / folders[part] / name).mkdir(parents=True, exist_ok=True)
            for index in split.indices(part):
                place = Path(folders[part]) / places[index]
                (temporary / place).parent.mkdir(parents=True, exist_ok=True)
                # relative to where the link will be, not to the temporary folder
                (temporary / place).symlink_to(os.path.relpath(root / paths[index], (out / place).parent))


def put_class_first(export: Export, paths: Sequence[PurePath]) -> list[Path]:
    """Paths [N] with the folder in front that is the class: in `train/cat/0.png` it is the second. Raises `ExportError`
    where none of their folders stands for one class each."""
    loose = next((path for path in paths if len(path.parts) < 2), None)
    if loose is not None:
        raise ExportError(export.consumer, f"id '{loose}' lies in no class folder", "ids must be CLASS/NAME")
    for depth in range(min(len(path.parts) for path in paths) - 1):
        names = [path.parts[depth] for path in paths]
        pairs = set(zip(names, export.split.labels.tolist(), strict=True))
        if len(pairs) == len({name for name, _ in pairs}) == len({label for _, label in pairs}):
            return [Path(path.parts[depth], *path.parts[:depth], *path.parts[depth + 1 :]) for path in paths]
    problem = f"no folder of the ids is the class (first: '{paths[0]}')"
    raise ExportError(export.consumer, problem, "ids must have a folder for each class, as CLASS/NAME")
