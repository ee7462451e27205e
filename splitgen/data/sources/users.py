"""Datasets of the user's own code: `package.module:callable`."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Collection
from dataclasses import replace
from typing import Any

from torch.utils.data import Dataset

from splitgen.data.dataset import ImageDataset
from splitgen.data.listings.part_names import refuse_part
from splitgen.data.torch_dataset import hold_torch_dataset
from splitgen.errors import SourceError, SplitgenError
from splitgen.plugins import PluginError, import_named, see_working_folder, tell_raised
from splitgen.settings.stages import DataConfig

NAME = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*"
USERS_CODE = re.compile(f"{NAME}:{NAME}")


def looks_like_code(spec: str, kinds: Collection[str]) -> bool:
    """Whether a spec can be `package.module:callable`; what is a kind of source never is. Nothing is imported."""
    return USERS_CODE.fullmatch(spec) is not None and spec.partition(":")[0] not in kinds


def is_users_code(spec: str, kinds: Collection[str]) -> bool:
    """Whether a spec is that of a callable to be imported: a module in a package, or one that is there."""
    if not looks_like_code(spec, kinds):
        return False
    module = spec.partition(":")[0]
    see_working_folder()
    return "." in module or importlib.util.find_spec(module) is not None


def load_users(spec: str, config: DataConfig) -> ImageDataset:
    """The dataset that the user's own code names: a torch dataset, or a callable that gives one without arguments.

    The code is imported, and so executed: only ever because the user named it. Raises `SourceError`.
    """
    refuse_part(spec, config.part, "its code gives one dataset")
    found = make_users(spec)
    if isinstance(found, ImageDataset):
        return replace(found, source=spec)
    try:
        return hold_torch_dataset(found, config, source=spec)  # made again, it might have another order
    except SplitgenError:
        raise
    except Exception as error:  # of the user's own items
        raise SourceError(spec, f"its code failed: {tell_raised(error)}", "repair it") from error


def make_users(spec: str) -> Any:
    """What the user's code gives: the object named, or what it returns. Raises `SourceError`."""
    try:
        found = import_named(spec)
    except PluginError as error:
        raise SourceError(spec, error.problem, error.remedy) from error
    if isinstance(found, (Dataset, ImageDataset)) or not callable(found):
        return found
    try:
        return found()
    except (Exception, SystemExit) as error:
        remedy = "it is called without arguments, and has to return a torch dataset"
        raise SourceError(spec, f"its code failed: {tell_raised(error)}", remedy) from error
