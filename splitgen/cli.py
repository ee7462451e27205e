"""The commands: parse, call one function, print. Exit code 2 and one line for bad input."""

from __future__ import annotations

import functools
import inspect
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from splitgen._version import __version__
from splitgen.ending import NOT_DONE, flush_output, tell_end, terminated_by
from splitgen.errors import OutputError, SettingError
from splitgen.options import (
    AgreementNetworks,
    BatchSize,
    Budget,
    Config,
    Dataset,
    Device,
    Dim,
    Download,
    Epochs,
    FollowLinks,
    GroupColumn,
    ImageSize,
    Json,
    Labels,
    LearningRate,
    MetadataTable,
    MetaGradient,
    MetaSteps,
    Model,
    Optimizer,
    Out,
    Quiet,
    RefineSteps,
    ReserveFraction,
    Root,
    Seed,
    Seeds,
    Target,
    Tasks,
    TasksFrom,
    TestFraction,
    Threads,
    ValidationFraction,
    choose_settings,
    collect_settings,
    parse_budget,
    pick_device,
)

if TYPE_CHECKING:
    from splitgen.runs.run import Run


class Command(TyperCommand):
    """A command whose every end has its exit code: whatever it raises is told in one line, where typer would let Python
    end with 1, which here means that a threshold failed."""

    def invoke(self, ctx: Any) -> Any:  # of typer's own class, which has no public name
        try:
            super().invoke(ctx)
            flush_output()
        except typer.Exit:
            flush_output()
            raise
        except BaseException as error:
            raise typer.Exit(tell_end(error)) from error


app = typer.Typer(
    name="splitgen",
    help="Find a train-test split of a labelled image dataset on which a model fails.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


command = functools.partial(app.command, cls=Command)


def show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"splitgen {__version__}")
        raise typer.Exit()


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=show_version, is_eager=True)] = False,
) -> None:
    """Find a train-test split of a labelled image dataset on which a model fails."""


@command()
def make(
    dataset: Dataset = None,
    model: Model = None,
    target: Target = None,
    test_fraction: TestFraction = None,
    reserve_fraction: ReserveFraction = None,
    validation_fraction: ValidationFraction = None,
    meta_steps: MetaSteps = None,
    refine_steps: RefineSteps = None,
    budget: Budget = None,
    tasks: Tasks = None,
    tasks_from: TasksFrom = None,
    labels: Labels = None,
    dim: Dim = None,
    meta_gradient: MetaGradient = None,
    agreement_networks: AgreementNetworks = None,
    seeds: Seeds = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    optimizer: Optimizer = None,
    root: Root = None,
    download: Download = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    metadata: MetadataTable = None,
    group_column: GroupColumn = None,
    device: Device = "auto",
    threads: Threads = None,
    out: Out = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Discover tasks, make a split of them, and verify it."""
    given = locals()
    run = open_new_run("make", given)
    from splitgen.runs import stages

    stages.make(run, parse_budget(budget))
    print_json(as_json, run.record)


@command()
def discover(
    dataset: Dataset = None,
    model: Model = None,
    target: Target = None,
    meta_steps: MetaSteps = None,
    budget: Budget = None,
    tasks: Tasks = None,
    dim: Dim = None,
    meta_gradient: MetaGradient = None,
    agreement_networks: AgreementNetworks = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    optimizer: Optimizer = None,
    root: Root = None,
    download: Download = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    metadata: MetadataTable = None,
    group_column: GroupColumn = None,
    device: Device = "auto",
    threads: Threads = None,
    out: Out = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Discover tasks and measure their agreement score; make no split."""
    given = locals()
    run = open_new_run("discover", given)
    from splitgen.runs import stages

    stages.discover(run, parse_budget(budget))
    print_json(as_json, run.record)


@command()
def split(
    tasks_path: Annotated[Path, typer.Argument(metavar="TASKS", help="run folder or tasks.parquet")],
    dataset: Dataset = None,
    model: Model = None,
    target: Target = None,
    test_fraction: TestFraction = None,
    reserve_fraction: ReserveFraction = None,
    validation_fraction: ValidationFraction = None,
    refine_steps: RefineSteps = None,
    budget: Annotated[str | None, typer.Option(help="time for refinement: 90s, 10m, 1h")] = None,
    seeds: Seeds = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    optimizer: Optimizer = None,
    root: Root = None,
    download: Download = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    metadata: MetadataTable = None,
    group_column: GroupColumn = None,
    device: Device = "auto",
    threads: Threads = None,
    out: Out = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Make and verify a split from saved tasks: another target, other sizes, another reserve.

    What is not given is as in the run that found the tasks; the defaults told here are those of a new run.
    """
    given = locals()
    from splitgen.store.recall import recall_settings
    from splitgen.tasks.tasks_file import read_tasks

    recorded = read_tasks(tasks_path).metadata
    run = open_new_run("split", given, below=recall_settings(tasks_path, recorded))
    from splitgen.runs import stages

    stages.resplit(run, tasks_path, parse_budget(budget))
    print_json(as_json, run.record)


@command()
def verify(
    split_path: Annotated[Path, typer.Argument(metavar="SPLIT", help="run folder or split.parquet")],
    dataset: Dataset = None,
    model: Annotated[
        list[str] | None, typer.Option(help="as in make; several give one table of them", show_default=False)
    ] = None,
    seeds: Seeds = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    optimizer: Optimizer = None,
    root: Root = None,
    download: Download = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    metadata: MetadataTable = None,
    group_column: GroupColumn = None,
    device: Device = "auto",
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option(help="folder for the judged copy and run.json")] = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Judge an existing index file.

    What is not given is as in the run that made the split; the defaults told here are those of a new run.
    """
    given = locals() | {"model": model[0] if model else None}
    from splitgen.splits.split import read_split
    from splitgen.store.recall import recall_settings

    recorded = read_split(split_path).metadata
    run = open_new_run("verify", given, below=recall_settings(split_path, recorded), default_out=False)
    from splitgen.runs import stages

    stages.verify(run, split_path, model or [])
    print_json(as_json, run.record)


@command()
def compare(
    dataset: Dataset = None,
    model: Model = None,
    target: Target = None,
    test_fraction: TestFraction = None,
    reserve_fraction: ReserveFraction = None,
    validation_fraction: ValidationFraction = None,
    meta_steps: MetaSteps = None,
    refine_steps: RefineSteps = None,
    budget: Budget = None,
    tasks: Tasks = None,
    labels: Labels = None,
    dim: Dim = None,
    meta_gradient: MetaGradient = None,
    agreement_networks: AgreementNetworks = None,
    seeds: Seeds = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    optimizer: Optimizer = None,
    root: Root = None,
    download: Download = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    metadata: MetadataTable = None,
    group_column: GroupColumn = None,
    device: Device = "auto",
    threads: Threads = None,
    splits: Annotated[
        list[Path] | None, typer.Option("--split", help="an index file to judge too, several times", show_default=False)
    ] = None,
    out: Out = None,
    config: Config = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Set discovered tasks beside every baseline: same sizes, same search, same judge."""
    given = locals()
    splits = given.pop("splits") or []
    run = open_new_run("compare", given)
    from splitgen.runs.compare import compare as compare_splitters

    compare_splitters(run, parse_budget(budget), splits)
    print_json(as_json, run.record)


@command()
def report(
    path: Annotated[Path, typer.Argument(metavar="RUN", help="run folder or split.parquet")],
    others: Annotated[
        list[Path] | None, typer.Argument(metavar="[MORE]...", help="folders of verify and compare on the same data")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="as in make (default the run's own)", show_default=False)] = None,
    root: Root = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    metadata: MetadataTable = None,
    out: Annotated[Path | None, typer.Option(help="file to write (default RUN/report.html)")] = None,
    config: Config = None,
    quiet: Quiet = False,
) -> None:
    """Make report.html again: the split and its tasks in pictures and words, in one file."""
    from splitgen.data.sources.registry import open_dataset
    from splitgen.runs.report import report_folder
    from splitgen.screen.console import Screen
    from splitgen.store.recall import recall_run

    settings = choose_settings(locals(), recall_run(path)).config
    target = (path if path.is_dir() else path.parent) / "report.html" if out is None else out
    check_output(target)
    report_folder(open_dataset(settings.data), path, others or [], settings.seed, target)
    Screen(quiet).note(f"written to {target}")


@command()
def show(
    split_path: Annotated[Path, typer.Argument(metavar="SPLIT", help="run folder or split.parquet")],
    images: Annotated[
        Path | None, typer.Option(help="folder to write contact sheets to, as PNG", show_default=False)
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="for --images (default the run's own)")] = None,
    root: Root = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    config: Config = None,
    as_json: Json = False,
) -> None:
    """Print what an index file or a run holds; with --images, draw its datapoints."""
    from splitgen.screen.console import Screen
    from splitgen.screen.show import describe_split, print_run, print_split
    from splitgen.splits.split import check_belongs, read_split
    from splitgen.store.recall import read_record, recall_run

    found, screen = read_split(split_path), Screen(as_json=as_json)
    print_split(screen, found)
    print_run(screen, read_record(split_path))
    print_json(as_json, describe_split(found))
    if images is not None:
        from splitgen.data.sources.registry import open_dataset
        from splitgen.report.pictures import write_sheets

        opened = open_dataset(choose_settings(locals(), recall_run(split_path)).config.data)
        check_belongs(found, str(split_path), opened.fingerprint, opened.labels, opened.ids)
        sheets = write_sheets(opened, found, images)
        screen.note(f"{len(sheets)} contact sheets written to {images}")


@command("settings")
def print_settings() -> None:
    """Print every setting as Markdown: its table in the TOML file, type, default, option and meaning."""
    from splitgen.settings_reference import render_reference

    typer.echo(render_reference(inspect.signature(make).parameters))


@command()
def cache(
    folder: Annotated[
        Path | None, typer.Option("--cache", help="the cache folder (default the user's own)", show_default=False)
    ] = None,
    clear: Annotated[str | None, typer.Option(help="entry to remove, or all", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List the decoded images that are kept for the next run, or remove them."""
    from splitgen.cache_command import show_cache
    from splitgen.screen.console import Screen

    print_json(as_json, show_cache(Screen(as_json=as_json), folder, clear))


@command()
def export(
    split_path: Annotated[Path, typer.Argument(metavar="SPLIT", help="run folder or split.parquet")],
    to: Annotated[str, typer.Option(help="who reads it: csv, jsonl, huggingface, celeba, wilds, ...")],
    out: Annotated[Path, typer.Option(help="file or folder to write")],
    images: Annotated[Path | None, typer.Option(help="folder that the ids are paths in", show_default=False)] = None,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="copy what links in --images point to outside of it, too")
    ] = False,
    metadata: MetadataTable = None,
    attribute_column: Annotated[
        str | None, typer.Option(help="of the metadata, for wilds, subpopbench, group-dro", show_default=False)
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Write a split in the format that another library reads."""
    from splitgen.data.metadata import read_codes
    from splitgen.exports.registry import export_split
    from splitgen.screen.console import Screen
    from splitgen.splits.split import read_split

    found = read_split(split_path)
    if (metadata is None) != (attribute_column is None):
        raise SettingError("--metadata and --attribute-column go together: the table, and its column")
    attributes = None
    if metadata is not None and attribute_column is not None:
        attributes = read_codes(Path(metadata), attribute_column, found.ids)
    export_split(found, to, out, images=images, attributes=attributes, follow_links=follow_links)
    Screen(quiet).note(f"written to {out}")


@command("import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="CSV, JSON Lines, npz, CelebA partition, tensor pairs")],
    out: Annotated[Path, typer.Option(help="index file to write")],
    dataset: Dataset = None,
    target: Target = None,
    kind: Annotated[
        str | None,
        typer.Option("--format", help="csv, jsonl, npz, celeba, tensors (default by suffix)", show_default=False),
    ] = None,
    root: Root = None,
    download: Download = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    config: Config = None,
    quiet: Quiet = False,
) -> None:
    """Read a split that splitgen did not make into an index file, so that verify and check judge it."""
    from splitgen.data.sources.registry import open_dataset
    from splitgen.exports.reading import read_foreign_split
    from splitgen.screen.console import Screen
    from splitgen.splits.split import write_split

    check_output(out)
    settings = choose_settings(locals(), None).config
    found = read_foreign_split(path, open_dataset(settings.data), settings.selection.target, kind)
    write_split(found, out)
    Screen(quiet).note(f"{', '.join(f'{part} {n}' for part, n in found.counts().items() if n)}; written to {out}")


@command()
def check(
    splits: Annotated[list[Path] | None, typer.Argument(help="run folders or split.parquet files")] = None,
    model: Annotated[
        list[str] | None, typer.Option(help="as in make, several times (default the split's own)", show_default=False)
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="of a model trained elsewhere: Parquet or CSV, columns index|id, prediction")
    ] = None,
    control_predictions: Annotated[
        Path | None, typer.Option(help="of the test rows, by models trained on random rows without them")
    ] = None,
    fail_under: Annotated[float | None, typer.Option(help="lowest test accuracy that passes")] = None,
    fail_under_class: Annotated[float | None, typer.Option(help="the same for the worst class")] = None,
    max_drop: Annotated[float | None, typer.Option(help="highest fair drop: recoverable - test accuracy")] = None,
    max_gap: Annotated[float | None, typer.Option(help="highest gap: held-out train - test accuracy")] = None,
    baseline: Annotated[
        Path | None, typer.Option(help="earlier JSON or run.json: fail where test accuracy fell beyond noise")
    ] = None,
    warn_only: Annotated[
        bool | None, typer.Option("--warn-only", help="failed thresholds do not fail the call", show_default=False)
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="write JUnit XML")] = None,
    out: Annotated[Path | None, typer.Option(help="write the result as JSON")] = None,
    dataset: Annotated[str | None, typer.Option(help="as in make (default the split's own)")] = None,
    seeds: Seeds = None,
    seed: Seed = None,
    epochs: Epochs = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    optimizer: Optimizer = None,
    root: Root = None,
    image_size: ImageSize = None,
    follow_links: FollowLinks = None,
    device: Device = "auto",
    threads: Threads = None,
    config: Annotated[
        Path | None, typer.Option(help="TOML with the table tool.splitgen.check (default pyproject.toml)")
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fail where a model is not robust on a split: exit code 1 for a threshold, 3 where it could not be judged.

    What is not given is as in the run that made the split; the defaults told here are those of a new run.
    """
    given = locals()
    from splitgen.check.gate import choose_judge, hold_gate
    from splitgen.check.settings import GATE_OPTIONS, choose_gate_settings
    from splitgen.screen.console import Screen

    if sys.stdout is None:
        raise OutputError("standard output is closed", "the result of a check would be lost; leave it open")
    gate = choose_gate_settings({GATE_OPTIONS[name]: given[name] for name in GATE_OPTIONS}, config)
    screen = Screen(quiet, as_json)
    models, judge = choose_judge(
        gate, screen, lambda: pick_device(device, threads), collect_settings({**given, "model": None})
    )
    exit_code, record = hold_gate(gate, models, judge, screen)
    print_json(as_json, record)
    raise typer.Exit(exit_code)


def open_new_run(
    command: str, given: dict[str, Any], below: dict[str, Any] | None = None, default_out: bool = True
) -> Run:
    """Settings from file and command line, checked; then dataset, model and out folder."""
    from splitgen.models.registry import choose_model
    from splitgen.runs.run import open_run
    from splitgen.runs.stages import without_stop
    from splitgen.screen.console import Screen, tell_unknown
    from splitgen.tasks.ways.registry import DISCOVERED, choose_way

    chosen = choose_settings(given, below)
    config = chosen.config
    if given.get("budget") is not None:
        parse_budget(given["budget"])
        for stage, option in (("discovery", "meta_steps"), ("refinement", "refine_steps")):
            if given.get(option) is None and "meta_steps" not in chosen.from_file.get(stage, {}):
                config = without_stop(config, stage)
    device = pick_device(given["device"], given["threads"])
    screen = Screen(given["quiet"], given["as_json"])
    tell_unknown(screen, chosen.unknown)
    model = choose_model(config.model, is_named=chosen.names_model)
    labels = given.get("labels")
    way = choose_way(given["tasks_from"], labels) if "tasks_from" in given else DISCOVERED
    run = open_run(
        config, model, screen, device, given["out"], command, way=way, labels=labels, default_out=default_out
    )
    run.record["command_line"] = ["splitgen", *sys.argv[1:]]
    return run


def check_output(path: Path) -> None:
    """Raise `SettingError` before the work where its result could not be written."""
    from splitgen.parquet import find_output_fault

    fault = find_output_fault(path)
    if fault is not None:
        raise SettingError(fault)


def print_json(wanted: bool, record: dict[str, Any]) -> None:
    if wanted:
        typer.echo(json.dumps(record, indent=2, allow_nan=False))


def main() -> None:
    """The console script."""
    with terminated_by(signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        try:
            app()
        except SystemExit as end:
            # typer ends with 1 for a broken pipe or closed input, too
            known = end.code != 1 or isinstance(end.__context__, typer.Exit)
            sys.exit(end.code if known else NOT_DONE)
        except BaseException as error:  # before or behind a command: in help and wrong usage, which are printed too
            sys.exit(tell_end(error))
