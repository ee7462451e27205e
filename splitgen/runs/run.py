"""One run of a command: what its stages share, its folder, and its record."""

from __future__ import annotations

import dataclasses
import itertools
import platform
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splitgen._version import __version__
from splitgen.claims import FolderClaim
from splitgen.data.class_names import tell_numbering
from splitgen.data.dataset import ImageDataset, describe_dataset
from splitgen.data.sources.registry import open_dataset
from splitgen.data.target import tell_target
from splitgen.errors import RunFolderError
from splitgen.models.bench import Bench, make_bench
from splitgen.models.pace import Pace, measure_pace
from splitgen.models.registry import ModelFactory
from splitgen.models.weights import DIGEST, read_weights, tell_digest
from splitgen.runs.forecast import Sizes, find_meta_steps
from splitgen.runs.plan import Clock
from splitgen.screen.console import OpeningBar, Screen
from splitgen.settings.layers import build_config, merge_settings
from splitgen.settings.stages import RunConfig
from splitgen.splits.grouping import check_groups_suffice
from splitgen.splits.provenance import DISCOVERED
from splitgen.splits.selection import count_parts
from splitgen.splits.split import Split
from splitgen.store.store import Store
from splitgen.tasks.tasks_file import SavedTasks
from splitgen.tasks.ways.registry import GIVEN, WAYS
from splitgen.tasks.ways.request import WayRequest
from splitgen.verification.verification import Verification

DEFAULT_PARENT = Path("splitgen-runs")


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
    claim: keeps `out` for this run as long as it lives.
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
        return measure_pace(self.bench)

    @property
    def sizes(self) -> Sizes:
        """Of the split that is to be made."""
        dataset, parts = self.dataset, count_parts(self.dataset.class_counts, self.config.selection)
        wanted = {part: int(n.sum()) for part, n in parts.items()}
        n_train = dataset.n_points - sum(wanted.values())
        return Sizes(n_train, wanted.get("validation", 0), wanted["test"], count_own_test(dataset))

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
) -> Run:
    """Open the dataset, and check all that can be checked before the work begins.

    dataset: one that is open already, in place of that of the settings.
    default_out: without `out`, take the next free folder of `DEFAULT_PARENT`.
    chosen: settings that another run chose within its budget, and this one repeats.
    discovery_model: a smaller one that finds the tasks which the model judges.
    check_more: reads what else the run needs, and raises what is wrong with it.
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
    claim = None
    if out is not None:
        claim = claim_folder(out)
    elif default_out:
        out, claim = claim_next(DEFAULT_PARENT, short_name(config.data.dataset))
    clock = Clock(budget_seconds, start=start)
    run = Run(asked, config, screen, bench, out, way, labels, clock, verify_seconds, open_steps, claim=claim)
    run.record.update(command=command, config=dataclasses.asdict(asked), environment=describe_environment(device))
    run.record["seconds"] = {"open": round(opened - start, 3)}
    run.record["dataset"] = describe_dataset(dataset)
    if way != DISCOVERED:
        run.record["way"] = way
    run.settle()
    shape = "x".join(str(n) for n in dataset.images.shape)
    held = f"{dataset.n_channels} features" if dataset.holds_features else f"images {shape}"
    screen.note(f"{dataset.source}: {dataset.n_points} rows, {dataset.n_classes} classes, {held}; {device}")
    if model.weights is not None:
        screen.note(f"{model.title}: {model.weights.name}")
    for line in (*dataset.notes, *tell_numbering(dataset.class_names), *tell_target(bench.target, dataset.class_names)):
        screen.note(line)
    return run


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
    refinement = config.refinement.for_images(size, is_timed=is_timed)
    if config.search.task is not None:
        refinement = dataclasses.replace(refinement, new_tasks=0)
    return dataclasses.replace(
        config,
        training=config.training.for_images(size, dataset.n_channels),
        discovery=config.discovery.for_images(size, is_timed=is_timed),
        refinement=refinement,
        sharpening=config.sharpening.for_points(dataset.n_points),
    )


def count_own_test(dataset: ImageDataset) -> int:
    """Rows of the source's own test set."""
    return 0 if dataset.own_test is None else len(dataset.own_test.labels)


def check_out(out: Path) -> None:
    """Refuse a path that is a file, or a folder with something in it."""
    if out.exists() and not out.is_dir():
        raise RunFolderError(str(out), "it is a file", "give another --out")
    if out.is_dir() and any(out.iterdir()):
        raise RunFolderError(str(out), "it holds another run or other files", "give another --out")


def claim_folder(out: Path) -> FolderClaim:
    """Make the folder, where it is not there, for this run alone. Raises `RunFolderError`."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        claim = FolderClaim(out)
    except BlockingIOError as error:
        raise RunFolderError(str(out), "another run writes into it", "give another --out") from error
    except OSError as error:
        raise RunFolderError(str(out), f"it cannot be used ({error.strerror})", "give another --out") from error
    check_out(out)  # of two runs that found it empty, the second comes here after the first has begun or ended
    return claim


def claim_next(parent: Path, name: str) -> tuple[Path, FolderClaim]:
    """The first `parent/name-NNN` that is not there, made for this run alone."""
    for number in itertools.count(1):
        out = parent / f"{name}-{number:03d}"
        try:
            out.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunFolderError(str(out), f"it cannot be made ({error.strerror})", "give --out") from error
        return out, claim_folder(out)
    raise AssertionError("numbers do not end")


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
    """What a file tells of the settings chosen within a budget, of the stages that it depends on; {} of none."""
    chosen = {stage: changes for stage, changes in run.record.get("chosen", {}).items() if stage in stages}
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


def close_run(run: Run) -> None:
    """Write run.json, and say where everything is."""
    # ru_maxrss is in KiB on Linux and in bytes on macOS
    unit = 1 if platform.system() == "Darwin" else 1024
    run.record["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    run.store.save("record", run.record)
    if run.out is not None:
        run.screen.say(f"written to {run.out}")
