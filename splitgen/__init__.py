"""splitgen: find a train-test split of a labelled image dataset on which a model fails.

The public names load when they are first used, so that `splitgen --help` starts without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from splitgen._version import __version__

if TYPE_CHECKING:
    from splitgen.config import (
        AgreementConfig,
        DataConfig,
        DiscoveryConfig,
        RunConfig,
        SearchConfig,
        SelectionConfig,
        TrainingConfig,
        VerificationConfig,
    )
    from splitgen.data.dataset import ImageDataset, make_dataset
    from splitgen.data.sources import open_dataset
    from splitgen.errors import SplitgenError
    from splitgen.models.registry import ModelFactory, find_model
    from splitgen.splits.scores import Target, make_target, score_datapoints
    from splitgen.splits.selection import Selection, select_split
    from splitgen.splits.split import Split, read_split, write_split
    from splitgen.splits.verification import Verification, verify_split
    from splitgen.tasks.agreement import AgreementScore, score_agreement
    from splitgen.tasks.discovery import DiscoveredTasks, discover_tasks
    from splitgen.tasks.tasks_file import SavedTasks, read_tasks, write_tasks

MODULES = {
    "config": (
        "AgreementConfig",
        "DataConfig",
        "DiscoveryConfig",
        "RunConfig",
        "SearchConfig",
        "SelectionConfig",
        "TrainingConfig",
        "VerificationConfig",
    ),
    "data.dataset": ("ImageDataset", "make_dataset"),
    "data.sources": ("open_dataset",),
    "errors": ("SplitgenError",),
    "models.registry": ("ModelFactory", "find_model"),
    "splits.scores": ("Target", "make_target", "score_datapoints"),
    "splits.selection": ("Selection", "select_split"),
    "splits.split": ("Split", "read_split", "write_split"),
    "splits.verification": ("Verification", "verify_split"),
    "tasks.agreement": ("AgreementScore", "score_agreement"),
    "tasks.discovery": ("DiscoveredTasks", "discover_tasks"),
    "tasks.tasks_file": ("SavedTasks", "read_tasks", "write_tasks"),
}
HOMES = {name: module for module, names in MODULES.items() for name in names}
__all__ = ["__version__", *sorted(HOMES)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'splitgen' has no attribute {name!r}")
    return getattr(importlib.import_module(f"splitgen.{HOMES[name]}"), name)
