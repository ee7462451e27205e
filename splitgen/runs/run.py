"""One run of a command: what its stages share, its folder, and its record."""

from __future__ import annotations

import contextlib
import dataclasses
import platform
import resource
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splitgen._version import __version__
from splitgen.claims import FolderClaim, read_marker, tell_way_on
from splitgen.data.class_names import tell_numbering
from splitgen.data.dataset import ImageDataset, describe_dataset
from splitgen.data.sources.registry import open_dataset
from splitgen.data.target import tell_target
from splitgen.errors import RunFolderError
from splitgen.keeping import Keeper
from splitgen.models.bench import Bench, make_bench
from splitgen.models.pace import Pace, read_pace
from splitgen.models.registry import ModelFactory
from splitgen.models.weights import DIGEST, read_weights, tell_digest
from splitgen.runs.budget import Clock
from splitgen.runs.folder import (
    DEFAULT_PARENT,
    Arguments,
    OutFolder,
    check_out,
    claim_next,
    digest_file,
    find_unfinished,
    open_folder,
)
from splitgen.runs.forecast import Sizes, find_meta_steps, measure_machine
from splitgen.screen.console import OpeningBar, Screen
from splitgen.screen.outlook import tell_seconds
from splitgen.settings.layers import build_config, flatten_settings, merge_settings
from splitgen.settings.stages import EQUALITY, RunConfig
from splitgen.splits.grouping import check_groups_suffice
from splitgen.splits.provenance import DISCOVERED
from splitgen.splits.selection import count_parts
from splitgen.splits.split import Split
from splitgen.stopping import heeding
from splitgen.store.store import Store
from splitgen.tasks.tasks_file import SavedTasks
from splitgen.tasks.ways.registry import GIVEN, WAYS
from splitgen.tasks.ways.request import WayRequest
from splitgen.verification.verification import Verification


@dataclass
class Run:
    """One run of a command: what all its stages share, and what they found.

    asked: the settings as they were given, with what is by default filled in. config: those in force, of which some are
        chosen on the way where there is a budget.
    way: to find tasks, a name of `WAYS`; labels: the user's own table of tasks, for the way "given".
    clock: the budget of all until the split is written; without one, meta-steps and rounds alone are the stop.
    verify_seconds: a budget for the verification.
    open_steps: the stages whose meta-steps nobody has given, and no budget bounds.
    tasks, split, verification: what its stages gave, as far as they have come.
    record: becomes run.json; every figure that was printed, the settings, timings, environment.
    claim: keeps `out` for this run as long as it lives. keeper: of what it has come to.
    """

    asked: RunConfig
    config: RunConfig
    screen: Screen
    bench: Bench
    out: Path | None
    way: str = DISCOVERED
    labels: Path | None = None
    clock: Clock = field(default_factory=lambda: Clock(None))
    verify_seconds: float | None = None
    open_steps: frozenset[str] = frozenset()
    record: dict[str, Any] = field(default_factory=dict)
    tasks: SavedTasks | None = None
    split: Split | None = None
    verification: Verification | None = None
    claim: FolderClaim | None = None
    keeper: Keeper = field(default_factory=Keeper)

    def report(self, path: Path | str) -> Path:
        """Write the report of what the run has found to a file; its path."""
        from splitgen.runs.report import write_run_report

        return write_run_report(self, Path(path))

    @property
    def store(self) -> Store:
        """Where its results are kept."""
        return Store(self.out)

    @property
    def dataset(self) -> ImageDataset:
        return self.bench.dataset

    @cached_property
    def pace(self) -> Pace:
        """How fast networks are trained here, measured when it is first asked for."""
        name = f"pace of {self.bench.model.title}"
        discovery = self.config.discovery
        told = self.keeper.decide(name, lambda: dataclasses.asdict(measure_machine(self.bench, discovery)))
        return read_pace(told)

    def allot(self, stage: str) -> float | None:
        """Seconds of the budget for a stage, from its beginning."""
        seconds: float | None = self.keeper.decide(f"seconds of {stage}", lambda: self.clock.allot(stage))
        return seconds

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """A block whose work is kept: a signal ends it once that is done. What ends it early tells how to go on."""
        if self.out is None:
            yield
            return
        try:
            with heeding():
                yield
        except BaseException as error:
            with contextlib.suppress(OSError):
                self.keeper.flush()
            marker = read_marker(self.out)
            if marker is not None and not hasattr(error, "__notes__"):
                error.add_note(f"what is done is kept in '{self.out}': {tell_way_on(marker)}")
            raise

    @property
    def sizes(self) -> Sizes:
        """Of the split that is to be made."""
        dataset, parts = self.dataset, count_parts(self.dataset.class_counts, self.config.selection)
        wanted = {part: int(n.sum()) for part, n in parts.items()}
        n_train = dataset.n_points - sum(wanted.values())
        in_mix = dataset.groups is None and self.config.selection.rule != EQUALITY
        return Sizes(n_train, wanted.get("validation", 0), wanted["test"], count_own_test(dataset), in_mix)

    def settle(self, **stages: Any) -> None:
        """Take settings of stages that were chosen on the way, or done, within a budget. The record tells them apart
        from those asked for: they say how to have the same bytes again."""
        self.config = dataclasses.replace(self.config, **stages)
        chosen = list_changes(dataclasses.asdict(self.asked), dataclasses.asdict(self.config))
        if chosen:
            self.record["chosen"] = chosen

    def timed(self, stage: str, start: float) -> None:
        self.record.setdefault("seconds", {})[stage] = round(time.monotonic() - start, 3)


def open_run(
    config: RunConfig,
    model: ModelFactory,
    screen: Screen,
    device: str,
    out: Path | None,
    command: str,
    *,
    way: str = DISCOVERED,
    labels: Path | None = None,
    budget_seconds: float | None = None,
    verify_seconds: float | None = None,
    dataset: ImageDataset | None = None,
    default_out: bool = False,
    chosen: Mapping[str, Any] | None = None,
    discovery_model: ModelFactory | None = None,
    check_more: Callable[[Bench, RunConfig], object] | None = None,
    resume: bool = False,
    command_line: Sequence[str] = (),
    files: Mapping[str, Path] | None = None,
    more: Mapping[str, Any] | None = None,
) -> Run:
    """Open the dataset, and check all that can be checked before the work begins.

    dataset: one that is open already, in place of that of the settings.
    default_out: without `out`, take the next free folder of `DEFAULT_PARENT`.
    chosen: settings that another run chose within its budget, and this one repeats.
    discovery_model: a smaller one that finds the tasks which the model judges.
    check_more: reads what else the run needs, and raises what is wrong with it.
    resume: without `out`, go on with the newest unfinished run of the same arguments in `DEFAULT_PARENT`; with it, a
        run is gone on with wherever the folder holds it.
    command_line: to be told. files: those that the result depends on beside the dataset; more: values that it does.
    The out folder is made last, so that bad input leaves nothing behind.
    """
    if out is not None:
        check_out(out)
    start = time.monotonic()
    with OpeningBar(screen, "decode") as on_progress:
        dataset = open_dataset(config.data, on_progress=on_progress) if dataset is None else dataset
    opened = time.monotonic()
    is_open = budget_seconds is None and chosen is None
    open_steps = find_open_steps(config) if is_open else frozenset()
    config = record_starts(config, model)
    asked = config = resolve_settings(config, dataset, is_timed=budget_seconds is not None)
    if chosen:
        config = build_config(merge_settings(dataclasses.asdict(asked), chosen))
    bench = make_bench(
        dataset,
        model,
        config.selection.target,
        config.training,
        seed=config.seed,
        device=device,
        discovery_model=discovery_model,
    )
    count_parts(dataset.class_counts, config.selection, dataset.class_names)
    if dataset.groups is not None:
        check_groups_suffice(dataset.groups.codes, dataset.labels, dataset.class_names)
    if labels is not None:
        WAYS[GIVEN](bench, WayRequest(labels=labels))  # what is wrong with the table is found before the work
    bench.check_model(bench.target.n_outputs)
    if discovery_model is not None:
        bench.finder.check_model(bench.target.n_outputs)
    if check_more is not None:
        check_more(bench, config)
    clock = Clock(budget_seconds, start=start)
    run = Run(asked, config, screen, bench, out, way, labels, clock, verify_seconds, open_steps)
    if out is not None or default_out:
        given = {"labels": labels, "metadata": config.data.metadata}
        files = {**{name: Path(path) for name, path in given.items() if path is not None}, **(files or {})}
        more = {"chosen": dict(chosen or {}), **(more or {})}
        arguments = Arguments(command, tell_arguments(run, files, more), command_line)
        keep_in(run, find_folder(out, short_name(config.data.dataset), arguments, resume=resume, screen=screen))
    run.record.update(command=command, config=dataclasses.asdict(asked), environment=describe_environment(device))
    run.record["seconds"] = {"open": round(opened - start, 3)}
    run.record["dataset"] = describe_dataset(dataset)
    if way != DISCOVERED:
        run.record["way"] = way
    if command_line:
        run.record["command_line"] = list(command_line)
    run.settle()
    shape = "x".join(str(n) for n in dataset.images.shape)
    held = f"{dataset.n_channels} features" if dataset.holds_features else f"images {shape}"
    screen.note(f"{dataset.source}: {dataset.n_points} rows, {dataset.n_classes} classes, {held}; {device}")
    if model.weights is not None:
        screen.note(f"{model.title}: {model.weights.name}")
    for line in (*dataset.notes, *tell_numbering(dataset.class_names), *tell_target(bench.target, dataset.class_names)):
        screen.note(line)
    return run


def keep_in(run: Run, folder: OutFolder) -> None:
    """Keep a run in a folder, and go on from what is there."""
    run.out, run.claim, run.keeper = folder.path, folder.claim, folder.keeper
    run.bench = dataclasses.replace(run.bench, keeper=folder.keeper)
    if folder.is_resumed:
        elapsed = folder.keeper.elapsed
        run.clock.start -= elapsed
        run.record.update(resumed=folder.keeper.n_resumed, seconds_before=round(elapsed, 3))
        run.screen.note(f"going on with the run in {folder.path}, which was at work for {tell_seconds(elapsed)}")


def record_starts(config: RunConfig, model: ModelFactory) -> RunConfig:
    """The settings with what networks start from, as it is found again: the digest of each file of weights that they or
    the model name (one that a file records has it already), and the seed of an untrained trunk."""
    of_trunk, seed = config.discovery.trunk_weights, config.discovery.trunk_seed
    if model.weights is not None:
        config = dataclasses.replace(config, weights=model.weights.reference, freeze=model.trains_head_alone)
    if of_trunk is not None and DIGEST not in of_trunk:
        of_trunk = read_weights(of_trunk, "--trunk-weights").reference
    if config.discovery.trunk is not None and of_trunk is None and seed is None:
        seed = config.seed
    discovery = dataclasses.replace(config.discovery, trunk_weights=of_trunk, trunk_seed=seed)
    return dataclasses.replace(config, discovery=discovery)


def find_open_steps(config: RunConfig) -> frozenset[str]:
    """The stages whose meta-steps the settings leave open."""
    return frozenset(stage for stage, given in find_meta_steps(config).items() if given is None)


def resolve_settings(config: RunConfig, dataset: ImageDataset, *, is_timed: bool = False) -> RunConfig:
    """The settings with what was left to the defaults by size filled in, as they are used and recorded. is_timed: by a
    budget of time, meta-steps are a stop only where they are given."""
    size = dataset.image_size
    refinement, tangent = config.refinement.for_images(size, is_timed=is_timed), config.tangent
    if config.search.task is not None:
        refinement = dataclasses.replace(refinement, new_tasks=0)
    if config.search.task is not None or refinement.meta_steps == 0:
        tangent = dataclasses.replace(tangent, starts=0)
    return dataclasses.replace(
        config,
        training=config.training.for_images(size, dataset.n_channels),
        discovery=config.discovery.for_images(size, is_timed=is_timed),
        tangent=tangent.for_points(dataset.n_points),
        refinement=refinement,
        sharpening=config.sharpening.for_points(dataset.n_points),
    )


def count_own_test(dataset: ImageDataset) -> int:
    """Rows of the source's own test set."""
    return 0 if dataset.own_test is None else len(dataset.own_test.labels)


def tell_arguments(run: Run, files: Mapping[str, Path], more: Mapping[str, Any]) -> dict[str, Any]:
    """All that the bytes of a run's result depend on, by name. files: those read beside the dataset. more: values."""
    environment = describe_environment(run.bench.device)
    return {
        **flatten_settings(describe_settings(run.asked)),
        **{f"{stage}.meta_steps": steps for stage, steps in find_meta_steps(run.asked).items()},
        "refinement.budget_share": run.asked.refinement.budget_share,
        "data": run.dataset.fingerprint,
        "way": run.way,
        "budget": run.clock.seconds,
        "verify_budget": run.verify_seconds,
        **{name: digest_file(path) for name, path in files.items()},
        **more,
        **{name: environment[name] for name in ("device", "threads", "splitgen", "torch", "numpy")},
    }


def find_folder(out: Path | None, name: str, arguments: Arguments, *, resume: bool, screen: Screen) -> OutFolder:
    """The out folder of a run; without one given, the next free of `DEFAULT_PARENT`, or to resume, the newest there
    with an unfinished run of these arguments. Raises `RunFolderError`."""
    if out is not None:
        return open_folder(out, arguments)
    unfinished = next(find_unfinished(DEFAULT_PARENT, arguments), None)
    if resume and unfinished is None:
        problem = "it holds no unfinished run of these arguments"
        raise RunFolderError(str(DEFAULT_PARENT), problem, "leave out --resume, or give the --out of the run")
    if unfinished is not None and resume:
        return open_folder(unfinished, arguments)
    if unfinished is not None:
        screen.note(f"{unfinished} holds an unfinished run of the same arguments: --resume goes on with it")
    path, claim = claim_next(DEFAULT_PARENT, name)
    return open_folder(path, arguments, claim)


def short_name(spec: str) -> str:
    """A folder name for a dataset spec: `fashion-mnist` for `idx:/a/fashion-mnist`."""
    return Path(spec.rpartition(":")[2]).stem or "run"


def describe_environment(device: str) -> dict[str, Any]:
    return {
        "splitgen": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "device": device,
        "threads": torch.get_num_threads(),
    }


def list_changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """What nested settings have otherwise than those before them."""
    changed: dict[str, Any] = {}
    for name, value in after.items():
        found = list_changes(before[name], value) if isinstance(value, dict) else value
        if found != ({} if isinstance(value, dict) else before[name]):
            changed[name] = found
    return changed


def tell_chosen(run: Run, *stages: str) -> dict[str, Any]:
    """What a file tells of the settings chosen within a budget, of the stages that it depends on; {} of none. The
    meta-steps done are recorded by themselves."""
    chosen = {
        stage: {name: value for name, value in changes.items() if name != "meta_steps"}
        for stage, changes in run.record.get("chosen", {}).items()
        if stage in stages and changes.keys() != {"meta_steps"}
    }
    return {"chosen": chosen} if chosen else {}


def describe_settings(config: RunConfig) -> dict[str, Any]:
    """The settings that the bytes of a result depend on, of the data all but where it lies. The stops of discovery and
    refinement are not among them: the meta-steps done are recorded by themselves."""
    settings = dataclasses.asdict(config)
    settings["data"] = config.data.describe_opening()
    if config.weights is not None:
        settings["weights"] = tell_digest(config.weights)
    if config.discovery.trunk_weights is not None:
        settings["discovery"]["trunk_weights"] = tell_digest(config.discovery.trunk_weights)
    del settings["discovery"]["meta_steps"]
    del settings["refinement"]["meta_steps"], settings["refinement"]["budget_share"]
    return settings


def close_run(run: Run, write_more: Callable[[], None] = lambda: None) -> None:
    """Write run.json, and what tells of the run beside it, and say where everything is. The run is whole then."""
    # ru_maxrss is in KiB on Linux and in bytes on macOS
    unit = 1 if platform.system() == "Darwin" else 1024
    run.record["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    if run.out is not None:
        run.record["seconds"]["states"] = round(run.keeper.writing_seconds, 3)
    run.store.save("record", run.record)
    write_more()
    run.keeper.discard()
    if run.out is not None:
        run.screen.say(f"written to {run.out}")
