"""The options that commands share, and the settings that they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from splitgen.errors import SettingError
from splitgen.settings.layers import build_config, drop_unknown, merge_settings, parse_duration, read_toml
from splitgen.settings.presets import DISCOVERY_DEFAULTS, MAX_EPOCHS, MIN_EPOCHS, REFINEMENT_DEFAULTS, SMALL_IMAGE
from splitgen.settings.stages import (
    AgreementConfig,
    DataConfig,
    RunConfig,
    SelectionConfig,
    TrainingConfig,
    VerificationConfig,
)


def by_size(defaults: tuple[Any, Any]) -> str:
    """The defaults of a setting for small and for larger images, in words."""
    small, larger = defaults
    return f"{larger}, below {SMALL_IMAGE} pixels {small}"


Dataset = Annotated[
    str | None,
    typer.Argument(help="digits (default), idx:FOLDER, torchvision:NAME, folder:PATH or npz:FILE", show_default=False),
]
Model = Annotated[
    str | None,
    typer.Option(
        help="conv (default), mlp, resnet18[-small], torchvision:NAME or package.module:callable", show_default=False
    ),
]
Target = Annotated[
    str | None, typer.Option(help="'label' (default), or classes of side 1: 0,1,2 or cat,dog", show_default=False)
]
TestFraction = Annotated[
    float | None, typer.Option(help=f"of all rows (default {SelectionConfig.test_fraction})", show_default=False)
]
ReserveFraction = Annotated[
    float | None,
    typer.Option(
        help=f"rows left out between train and test (default {SelectionConfig.reserve_fraction:g})", show_default=False
    ),
]
ValidationFraction = Annotated[
    float | None,
    typer.Option(
        help=f"drawn from the train side (default {SelectionConfig.validation_fraction:g})", show_default=False
    ),
]
MetaSteps = Annotated[
    int | None,
    typer.Option(help=f"stop of discovery (default {by_size(DISCOVERY_DEFAULTS['meta_steps'])})", show_default=False),
]
RefineSteps = Annotated[
    int | None,
    typer.Option(
        help=f"stop of refinement, 0 leaves it out (default {by_size(REFINEMENT_DEFAULTS['meta_steps'])})",
        show_default=False,
    ),
]
Budget = Annotated[
    str | None, typer.Option(help="time for discovery and refinement: 90s, 10m; the only stop if no steps are given")
]
Tasks = Annotated[
    int | None,
    typer.Option(help=f"tasks to discover (default {by_size(DISCOVERY_DEFAULTS['n_tasks'])})", show_default=False),
]
TasksFrom = Annotated[
    str | None,
    typer.Option(
        help="discovered (default), untrained-network, principal-components, clusters-within-class, ... or given",
        show_default=False,
    ),
]
Labels = Annotated[
    Path | None,
    typer.Option(help="tasks of your own: Parquet or CSV, id and a column for each task", show_default=False),
]
Dim = Annotated[int | None, typer.Option(help="embedding size d (default the tasks)", show_default=False)]
MetaGradient = Annotated[str | None, typer.Option(help="one-sided (default), central or exact", show_default=False)]
AgreementNetworks = Annotated[
    int | None, typer.Option(help=f"networks a task (default {AgreementConfig.networks})", show_default=False)
]
Seeds = Annotated[
    int | None,
    typer.Option(help=f"seeds of the verification (default {VerificationConfig.seeds})", show_default=False),
]
Seed = Annotated[int | None, typer.Option(help=f"of everything random (default {RunConfig.seed})", show_default=False)]
Epochs = Annotated[
    int | None,
    typer.Option(help=f"of the target model (default {MIN_EPOCHS} to {MAX_EPOCHS}, by size)", show_default=False),
]
BatchSize = Annotated[
    int | None, typer.Option(help=f"of the target model (default {TrainingConfig.batch_size})", show_default=False)
]
LearningRate = Annotated[
    float | None, typer.Option(help=f"peak (default {TrainingConfig.learning_rate})", show_default=False)
]
Optimizer = Annotated[str | None, typer.Option(help="adamw (default), adam or sgd", show_default=False)]
Root = Annotated[
    str | None, typer.Option(help=f"folder of torchvision datasets (default {DataConfig.root})", show_default=False)
]
Download = Annotated[bool | None, typer.Option("--download", help="fetch a torchvision dataset", show_default=False)]
ImageSize = Annotated[int | None, typer.Option(help="side of a folder's images (default 32)", show_default=False)]
FollowLinks = Annotated[
    bool | None,
    typer.Option("--follow-links", help="read what links in a folder point to outside of it", show_default=False),
]
MetadataTable = Annotated[
    str | None, typer.Option("--metadata", help="Parquet or CSV about the rows, with a column 'id'", show_default=False)
]
GroupColumn = Annotated[
    str | None,
    typer.Option(help="of the metadata: rows of a group never straddle train and test", show_default=False),
]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda")]
Threads = Annotated[
    int | None,
    typer.Option(help="CPU threads, on which the bytes of a result depend (default torch's)", show_default=False),
]
Out = Annotated[Path | None, typer.Option(help="run folder (default splitgen-runs/NAME-001, -002, ...)")]
Config = Annotated[Path | None, typer.Option(help="TOML file of settings; the command line wins")]
Quiet = Annotated[bool, typer.Option("--quiet", help="no progress, no notes")]
Json = Annotated[bool, typer.Option("--json", help="print the result as one JSON object")]

# Command-line names that are settings, by the table of the TOML file that they belong to.
TABLES = {
    "data": ("dataset", "root", "download", "image_size", "follow_links", "metadata", "group_column"),
    "training": ("epochs", "batch_size", "learning_rate", "optimizer"),
    "discovery": ("meta_steps", "dim", "meta_gradient"),
    "selection": ("target", "test_fraction", "reserve_fraction", "validation_fraction"),
    "verification": ("seeds",),
}


def collect_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Nested settings of what was given on the command line."""
    settings: dict[str, Any] = {name: given.get(name) for name in ("model", "seed")}
    for table, names in TABLES.items():
        settings[table] = {name: given.get(name) for name in names}
    settings["agreement"] = {"networks": given.get("agreement_networks")}
    settings["refinement"] = {"meta_steps": given.get("refine_steps")}
    if given.get("tasks") is not None:
        dim = given["tasks"] if given.get("dim") is None else given["dim"]
        settings["discovery"] |= {"n_tasks": given["tasks"], "dim": dim}
    return settings


@dataclass(frozen=True)
class ChosenSettings:
    """The settings of a command, and what a user said of them.

    from_file: what the TOML file says. config: all, checked. names_model: the model is named by the command line or the
        TOML file, and not only by a file that records an earlier run. unknown: recorded settings that this version does
        not know, and leaves out.
    """

    from_file: dict[str, Any]
    config: RunConfig
    names_model: bool
    unknown: list[str]


def choose_settings(given: dict[str, Any], below: dict[str, Any] | None) -> ChosenSettings:
    """What the TOML file says, and the checked settings: recorded ones below it, the command line above."""
    from_file = read_toml(given["config"]) if given["config"] is not None else {}
    of_user = merge_settings(from_file, collect_settings(given))
    recorded, unknown = drop_unknown(below or {})
    return ChosenSettings(from_file, build_config(merge_settings(recorded, of_user)), "model" in of_user, unknown)


def parse_budget(text: str | None) -> float | None:
    return None if text is None else parse_duration(text)


def pick_device(name: str, threads: int | None) -> str:
    """The torch device; sets the number of threads."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise SettingError(f"device must be one of auto, cpu, cuda, got {name!r}")
    if threads is not None:
        if threads < 1:
            raise SettingError(f"threads must be 1 or more, got {threads}")
        torch.set_num_threads(threads)
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingError("device cuda was asked for, torch finds none; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name
