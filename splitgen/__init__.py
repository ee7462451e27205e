"""splitgen: find a train-test split of a labelled image dataset on which a model fails.

The public names load when they are first used, so that `splitgen --help` starts without torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from splitgen._version import __version__

if TYPE_CHECKING:
    from splitgen.api import make as make
    from splitgen.check.assertion import assert_robust as assert_robust
    from splitgen.data.dataset import ImageDataset as ImageDataset
    from splitgen.data.dataset import make_dataset as make_dataset
    from splitgen.data.images import DatasetImages as DatasetImages
    from splitgen.data.images import Images as Images
    from splitgen.data.images import MemoryImages as MemoryImages
    from splitgen.data.sources.registry import open_dataset as open_dataset
    from splitgen.data.target import Target as Target
    from splitgen.data.target import make_target as make_target
    from splitgen.errors import SplitgenError as SplitgenError
    from splitgen.explain.evidence import gather_evidence as gather_evidence
    from splitgen.explain.explanation import Explanation as Explanation
    from splitgen.explain.explanation import explain_task as explain_task
    from splitgen.exports.reading import read_foreign_split as read_foreign_split
    from splitgen.exports.registry import export_split as export_split
    from splitgen.models.bench import Bench as Bench
    from splitgen.models.bench import make_bench as make_bench
    from splitgen.models.registry import ModelFactory as ModelFactory
    from splitgen.models.registry import find_model as find_model
    from splitgen.report.folder import RunFolder as RunFolder
    from splitgen.report.folder import read_run_folder as read_run_folder
    from splitgen.report.page import write_report as write_report
    from splitgen.runs.run import Run as Run
    from splitgen.settings.stages import AgreementConfig as AgreementConfig
    from splitgen.settings.stages import DataConfig as DataConfig
    from splitgen.settings.stages import DiscoveryConfig as DiscoveryConfig
    from splitgen.settings.stages import RefinementConfig as RefinementConfig
    from splitgen.settings.stages import RunConfig as RunConfig
    from splitgen.settings.stages import SearchConfig as SearchConfig
    from splitgen.settings.stages import SelectionConfig as SelectionConfig
    from splitgen.settings.stages import TrainingConfig as TrainingConfig
    from splitgen.settings.stages import VerificationConfig as VerificationConfig
    from splitgen.splits.scores import score_datapoints as score_datapoints
    from splitgen.splits.selection import Selection as Selection
    from splitgen.splits.selection import select_split as select_split
    from splitgen.splits.split import Split as Split
    from splitgen.splits.split import read_split as read_split
    from splitgen.splits.split import write_split as write_split
    from splitgen.tasks.agreement import AgreementScore as AgreementScore
    from splitgen.tasks.agreement import score_agreement as score_agreement
    from splitgen.tasks.discovery import discover_tasks as discover_tasks
    from splitgen.tasks.found import FoundTasks as FoundTasks
    from splitgen.tasks.refinement import Start as Start
    from splitgen.tasks.refinement import refine_tasks as refine_tasks
    from splitgen.tasks.tasks_file import SavedTasks as SavedTasks
    from splitgen.tasks.tasks_file import read_tasks as read_tasks
    from splitgen.tasks.tasks_file import write_tasks as write_tasks
    from splitgen.tasks.ways.registry import WAYS as WAYS
    from splitgen.tasks.ways.request import WayRequest as WayRequest
    from splitgen.verification.verification import Verification as Verification
    from splitgen.verification.verification import verify_split as verify_split

MODULES = {
    "api": ("make",),
    "settings.stages": (
        "AgreementConfig",
        "DataConfig",
        "DiscoveryConfig",
        "RefinementConfig",
        "RunConfig",
        "SearchConfig",
        "SelectionConfig",
        "TrainingConfig",
        "VerificationConfig",
    ),
    "data.dataset": ("ImageDataset", "make_dataset"),
    "data.images": ("DatasetImages", "Images", "MemoryImages"),
    "data.sources.registry": ("open_dataset",),
    "data.target": ("Target", "make_target"),
    "check.assertion": ("assert_robust",),
    "errors": ("SplitgenError",),
    "explain.evidence": ("gather_evidence",),
    "explain.explanation": ("Explanation", "explain_task"),
    "exports.reading": ("read_foreign_split",),
    "exports.registry": ("export_split",),
    "models.bench": ("Bench", "make_bench"),
    "models.registry": ("ModelFactory", "find_model"),
    "report.folder": ("RunFolder", "read_run_folder"),
    "report.page": ("write_report",),
    "runs.run": ("Run",),
    "splits.scores": ("score_datapoints",),
    "splits.selection": ("Selection", "select_split"),
    "splits.split": ("Split", "read_split", "write_split"),
    "verification.verification": ("Verification", "verify_split"),
    "tasks.agreement": ("AgreementScore", "score_agreement"),
    "tasks.discovery": ("discover_tasks",),
    "tasks.found": ("FoundTasks",),
    "tasks.refinement": ("Start", "refine_tasks"),
    "tasks.tasks_file": ("SavedTasks", "read_tasks", "write_tasks"),
    "tasks.ways.registry": ("WAYS",),
    "tasks.ways.request": ("WayRequest",),
}
HOMES = {name: module for module, names in MODULES.items() for name in names}
__all__ = ["__version__", *sorted(HOMES)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in HOMES:
        raise AttributeError(f"module 'splitgen' has no attribute {name!r}")
    return getattr(importlib.import_module(f"splitgen.{HOMES[name]}"), name)
