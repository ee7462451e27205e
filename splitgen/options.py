"""The options that commands share, and the settings that they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from splitgen.errors import SettingError
from splitgen.settings import build_config, merge_settings, parse_duration, read_toml

if TYPE_CHECKING:
    from splitgen.config import RunConfig

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
Target = Annotated[str | None, typer.Option(help="'label' (default), or classes of side 1: 0,1,2", show_default=False)]
TestFraction = Annotated[float | None, typer.Option(help="of all rows [default: 0.5]", show_default=False)]
ReserveFraction = Annotated[
    float | None, typer.Option(help="rows left out between train and test [default: 0]", show_default=False)
]
ValidationFraction = Annotated[
    float | None, typer.Option(help="drawn from the train side [default: 0]", show_default=False)
]
MetaSteps = Annotated[int | None, typer.Option(help="stop of discovery [default: 40]", show_default=False)]
RefineSteps = Annotated[
    int | None, typer.Option(help="stop of refinement, 0 leaves it out [default: 70]", show_default=False)
]
Budget = Annotated[
    str | None, typer.Option(help="time for discovery and refinement: 90s, 10m; the only stop if no steps are given")
]
Tasks = Annotated[
    int | None, typer.Option(help="tasks to discover [default: 1, 3 on images below 16 pixels]", show_default=False)
]
Dim = Annotated[int | None, typer.Option(help="embedding size d [default: the tasks]", show_default=False)]
MetaGradient = Annotated[str | None, typer.Option(help="one-sided (default), central or exact", show_default=False)]
AgreementNetworks = Annotated[int | None, typer.Option(help="networks a task [default: 2]", show_default=False)]
Seeds = Annotated[int | None, typer.Option(help="seeds of the verification [default: 3]", show_default=False)]
Seed = Annotated[int | None, typer.Option(help="of everything random [default: 0]", show_default=False)]
Epochs = Annotated[int | None, typer.Option(help="of the target model [default: by size]", show_default=False)]
BatchSize = Annotated[int | None, typer.Option(help="of the target model [default: 128]", show_default=False)]
LearningRate = Annotated[float | None, typer.Option(help="peak [default: 0.004]", show_default=False)]
Optimizer = Annotated[str | None, typer.Option(help="adamw (default), adam or sgd", show_default=False)]
Root = Annotated[str | None, typer.Option(help="folder of torchvision datasets [default: data]", show_default=False)]
Download = Annotated[bool | None, typer.Option("--download", help="fetch a torchvision dataset", show_default=False)]
ImageSize = Annotated[int | None, typer.Option(help="side of a folder's images [default: 32]", show_default=False)]
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
Threads = Annotated[int | None, typer.Option(help="CPU threads [default: torch's]", show_default=False)]
Out = Annotated[Path | None, typer.Option(help="run folder [default: splitgen-runs/NAME-001, -002, ...]")]
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
        settings["discovery"] |= {"n_tasks": given["tasks"], "dim": given.get("dim") or given["tasks"]}
    return settings


def choose_settings(given: dict[str, Any], below: dict[str, Any] | None) -> tuple[dict[str, Any], RunConfig]:
    """What the TOML file says, and the checked settings: recorded ones below it, the command line above."""
    from_file = read_toml(given["config"]) if given["config"] is not None else {}
    settings = merge_settings(merge_settings(below or {}, from_file), collect_settings(given))
    return from_file, build_config(settings)


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
