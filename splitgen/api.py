"""The one call from Python: from a dataset and a model to a verified split."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from splitgen.data.dataset import ImageDataset
from splitgen.data.sources.registry import open_dataset
from splitgen.models.bench import Bench
from splitgen.models.registry import ModelFactory, find_model, start_model
from splitgen.runs import stages
from splitgen.runs.run import Run, open_run
from splitgen.runs.split import check_task_values
from splitgen.screen.console import Screen
from splitgen.settings.faults import check
from splitgen.settings.stages import DataConfig, RunConfig
from splitgen.tasks.columns import read_avoided
from splitgen.tasks.trunks import check_trunk
from splitgen.tasks.ways.registry import choose_way


def make(
    dataset: ImageDataset | str | Any | None = None,
    model: ModelFactory | str | None = None,
    target: str | None = None,
    *,
    config: RunConfig | None = None,
    tasks_from: str | None = None,
    labels: Path | str | None = None,
    budget_seconds: float | None = None,
    verify_seconds: float | None = None,
    seed: int | None = None,
    device: str = "cpu",
    out: Path | str | None = None,
    quiet: bool = True,
) -> Run:
    """What `splitgen make` does: find tasks, make a split of them, and verify it.

    dataset: a spec such as "digits", a dataset that was opened, or a torch dataset of pairs (image, class).
    model: a name, or what `find_model` gave. target: "label", or the classes of side 1.
    config: all settings, by default those of digits, conv and label; what is given beside it wins. A dataset that was
        opened is taken as it is.
    tasks_from: a name of `WAYS`; labels: a table of tasks of one's own, for the way "given".
    budget_seconds: for all until the split is written; meta-steps are a stop beside it only where they are given.
    verify_seconds: for the verification, which has fewer seeds or rows where it would take longer.
    out: folder to keep everything in; None keeps nothing.
    Gives the run, with `.split`, `.verification`, `.tasks`, `.record` and `.report(path)`.
    Raises the `SplitgenError` that the command line would tell in one line.
    """
    config = config or RunConfig()
    selection = config.selection if target is None else dataclasses.replace(config.selection, target=target)
    config = dataclasses.replace(config, seed=config.seed if seed is None else seed, selection=selection)
    check(config)
    model = config.model if model is None else model
    factory = find_model(model) if isinstance(model, str) else model
    factory = start_model(factory, config.weights, config.freeze)
    opened, data = open_given(dataset, config.data)
    config = dataclasses.replace(config, model=factory.name, data=data)
    table = None if labels is None else Path(labels)
    run = open_run(
        config,
        factory,
        Screen(quiet, as_json=quiet),
        device,
        None if out is None else Path(out),
        "make",
        way=choose_way(tasks_from, table),
        labels=table,
        budget_seconds=budget_seconds,
        verify_seconds=verify_seconds,
        dataset=opened,
        discovery_model=None if config.discovery_model is None else find_model(config.discovery_model),
        check_more=check_discovery,
    )
    stages.make(run)
    return run


def check_discovery(bench: Bench, config: RunConfig) -> None:
    """Raise what is wrong with the settings of discovery before its work, where a split is to be made."""
    check_task_values(config.discovery.task_values)
    check_trunk(bench, config.discovery)
    if config.discovery.avoid_columns is not None:
        read_avoided(bench.dataset, config.discovery.avoid_columns)


def open_given(dataset: ImageDataset | str | Any | None, config: DataConfig) -> tuple[ImageDataset, DataConfig]:
    """The dataset of the settings, by the spec that is given, if one is, or a dataset that is given itself; and the
    settings that name it."""
    if dataset is None or isinstance(dataset, str):
        config = config if dataset is None else dataclasses.replace(config, dataset=dataset)
        return open_dataset(config), config
    opened = dataset if isinstance(dataset, ImageDataset) else open_dataset(dataset)
    return opened, dataclasses.replace(config, dataset=opened.source)
