"""What each section of the report says, as records that the page's template prints."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from splitgen.data.dataset import ImageDataset
from splitgen.explain.attributes import CLASS, Association
from splitgen.explain.explanation import Explanation, list_notable
from splitgen.explain.templates import Template
from splitgen.explain.words import CLEAR_AUC, WEAK_AUC, ClassReading
from splitgen.report import charts
from splitgen.report.charts import MAX_MATRIX, Chart, Histogram
from splitgen.report.classes import MAX_TABLE_CLASSES, Table, percent
from splitgen.report.contrasts import Contrast, contrast_sides, draw_template
from splitgen.report.folder import RunFolder
from splitgen.report.pictures import Album, Picture, choose_class_strips, choose_classes, choose_side_strips
from splitgen.settings.stages import EQUALITY
from splitgen.splits.provenance import DISCOVERED
from splitgen.splits.split import Split
from splitgen.tasks.tasks_file import SavedTasks

N_BINS = 30
MAX_TASKS = 8  # explained in words and pictures
MAX_TOLD = 4  # clauses about single classes in one sentence


@dataclass(frozen=True)
class Captioned:
    """Pictures in a row under one title."""

    title: str
    pictures: Sequence[Picture]


@dataclass(frozen=True)
class ClassView:
    """One class in pictures, from the most train-like datapoints to the most test-like."""

    name: str
    means: Sequence[Picture]
    strips: Sequence[Captioned]


@dataclass(frozen=True)
class TaskView:
    """One task: its figures in words, its reading, its two sides in pictures."""

    name: str
    figures: str
    explanation: Explanation
    associations: Table
    within: Table | None
    sides: Sequence[Captioned]
    contrasts: Sequence[Contrast]


def say_headline(folder: RunFolder, verification: Mapping[str, Any] | None, name: str) -> str:
    """The verdict in one sentence, for a reader who knows none of the words."""
    if folder.split is None:
        return f"Results on {name}" if folder.tasks is None else f"Tasks discovered on {name}"
    if verification is None:
        return f"This split of {name} has not been verified yet."
    figures = {figure: value["mean"] for figure, value in verification["figures"].items()}
    test, recoverable = percent(figures["test_accuracy"]), percent(figures["recoverable_accuracy"])
    if verification["is_adversarial"]:
        return (
            f"{verification['model']} gets {test} of the test rows right on this split of {name}, and {recoverable} of "
            "the same rows when its training rows are drawn at random: the split makes it fail, not the rows."
        )
    return f"This split of {name} is no fair adversarial split for {verification['model']}."


def say_shortcut(split: Split | None, names: Sequence[str], explanations: Sequence[Explanation]) -> str | None:
    """Which classes train shows with which attribute, and which classes do not follow; None where no attribute
    explains the task, or no class shows it clearly."""
    if split is None or split.provenance.is_imported or not explanations:
        return None
    best = next(iter(explanations[0].associations), None)
    if best is None or best.strength < WEAK_AUC or best.origin == CLASS:
        return None
    follows = {reading.label: reading.follows or 0.0 for reading in explanations[0].within_classes}
    clear = [follows.get(c, 0.0) >= CLEAR_AUC for c in range(len(names))]
    sides = split.provenance.class_sides or ()
    shown = [
        f"{list_names(members)} {'goes' if len(members) == 1 else 'go'} with {words}"
        for sign, words in ((1, best.side_1), (-1, best.side_0))
        if (members := [names[c] for c, side in enumerate(sides) if side == sign and clear[c]])
    ]
    if not shown:
        return None
    rest = [c for c, is_clear in enumerate(clear) if not is_clear]
    return (
        f"In train, {' and '.join(shown)}. In test it is the other way round, so that what {best.name} told of the "
        f"class in train is wrong there.{say_rest(rest, sides, names, explanations[0])}"
    )


def say_rest(rest: Sequence[int], sides: Sequence[int], names: Sequence[str], explanation: Explanation) -> str:
    """What train shows of the classes that do not follow the task's strongest attribute; empty where all do."""
    if not rest:
        return ""
    own = {r.label: r.association for r in explanation.within_classes if r.association.auc >= CLEAR_AUC}
    told = [f"{names[c]} goes with {own[c].side_1 if sides[c] == 1 else own[c].side_0}" for c in rest if c in own]
    unclear = [names[c] for c in rest if c not in own]
    if unclear:
        told.append(f"nothing is clear in {list_names(unclear)}")
    return f" It parts {list_names([names[c] for c in rest])} less well: in train {'; '.join(told[:MAX_TOLD])}."


def say_sides(split: Split, names: Sequence[str]) -> str | None:
    """Where the sides of the split's task lie, for the sentences that speak of them."""
    sides = split.provenance.class_sides
    if sides is None:
        return None
    members = [names[c] for c, side in enumerate(sides) if side == 1]
    return f"Side + of the task is train in {list_names(members) or 'no class'}, and test in the other classes."


def say_rule(split: Split) -> str | None:
    """How rows came to train and test, where it was by another rule than that of exact sizes."""
    if split.rule != EQUALITY:
        return None
    return "By the rule equality, train is where the task equals the class side, and test all else."


def say_trunk(folder: RunFolder, settings: Mapping[str, Any]) -> str | None:
    """The frozen network that the task encoder looked with; None where the encoder was trained, or found no task."""
    split, tasks, discovery = folder.split, folder.tasks, settings.get("discovery")
    way = split.provenance.way if split is not None else tasks.way if tasks is not None else None
    if way != DISCOVERED or not isinstance(discovery, Mapping) or discovery.get("trunk") is None:
        return None
    weights = "untrained" if discovery.get("trunk_weights") is None else "with weights from a file"
    looked = f"The task encoder looked with {discovery['trunk']}, {weights} and frozen"
    return f"{looked}; a projection of its features was trained."


def list_names(names: Sequence[str], most: int = 8) -> str:
    """Names in a row, of many the first and how many more."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def say_command(record: Mapping[str, Any], name: str = "RUN") -> str | None:
    """The command that gives the same bytes: what a budget chose is taken from the run; else the meta-steps and the
    number of threads are told. name: of the run folder."""
    words = list(record.get("command_line", []))
    if not words:
        return None
    if "chosen" in record:
        tasks = [record["tasks"]] if "tasks" in record else []
        return shlex.join(["splitgen", record["command"], *tasks, "--replay", name])
    if "discovery" in record or "refinement_steps" in record:
        words = drop_option(words, "--budget")
        for option, steps in (
            ("--meta-steps", record.get("discovery", {}).get("meta_steps")),
            ("--refine-steps", record.get("refinement_steps")),
        ):
            if steps is not None:
                words = [*drop_option(words, option), option, str(steps)]
    threads = record.get("environment", {}).get("threads")
    if threads is not None:
        words = [*drop_option(words, "--threads"), "--threads", str(threads)]
    return shlex.join(words)


def drop_option(words: Sequence[str], option: str) -> list[str]:
    """The words of a command line without an option and its value."""
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word == option:
            skip = True
        elif not word.startswith(f"{option}="):
            kept.append(word)
    return kept


def count_scores(split: Split, names: Sequence[str]) -> list[Histogram]:
    """The histogram of the score in each class shown, with its thresholds."""
    histograms = []
    for c in choose_classes(np.bincount(split.labels, minlength=len(names))):
        mine = split.labels == c
        scores, parts = split.scores[mine], split.parts[mine]
        edges = np.histogram_bin_edges(scores, N_BINS)
        train_like = np.isin(parts, ("train", "validation"))
        counts = {
            "train": np.histogram(scores[train_like], edges)[0],
            "reserve": np.histogram(scores[parts == "reserve"], edges)[0],
            "test": np.histogram(scores[parts == "test"], edges)[0],
        }
        thresholds = (find_threshold(split, name, c) for name in ("train_thresholds", "test_thresholds"))
        histograms.append(Histogram(names[c], edges, counts, *thresholds))
    return histograms


def find_threshold(split: Split, name: str, label: int) -> float | None:
    """A recorded threshold of a class; None where the split was imported."""
    values = getattr(split.provenance, name)
    return None if values is None else float(values[label])


def show_classes(album: Album, split: Split, names: Sequence[str]) -> list[ClassView]:
    """Each class in pictures; none of features."""
    if album.is_empty:
        return []
    views = []
    for c in choose_classes(np.bincount(split.labels, minlength=len(names))):
        strips = [Captioned(strip.title, album.pictures(strip)) for strip in choose_class_strips(split, c, names[c])]
        means = [
            album.mean(rows, f"mean of the {part} images of {names[c]}")
            for part in ("train", "test")
            if len(rows := np.flatnonzero((split.labels == c) & (split.parts == part)))
        ]
        views.append(ClassView(names[c], means, strips))
    return views


def list_tasks(folder: RunFolder) -> dict[str, np.ndarray]:
    """Margins [N] of the tasks to show by name, at most `MAX_TASKS`: the split's own first, then the discovered ones.

    A split that was made of no task, but imported, is read itself: train is side +, all else side -.
    """
    tasks: dict[str, np.ndarray] = {}
    split = folder.split
    if split is not None and not split.provenance.is_imported:
        tasks[split.provenance.task_name] = split.margins
    elif split is not None:
        tasks["train against test"] = np.select([split.parts == "test", split.parts == "reserve"], [-1.0, 0.0], 1.0)
    if folder.tasks is not None:
        for name, margins in folder.tasks.contrasts.items():
            tasks.setdefault(name, margins)
    return dict(itertools.islice(tasks.items(), MAX_TASKS))


def show_task(
    album: Album,
    dataset: ImageDataset,
    margins: np.ndarray,
    explanation: Explanation,
    template: Template | None,
    folder: RunFolder,
) -> TaskView:
    """One task with its figures, its reading and its pictures."""
    sides = []
    if not album.is_empty:
        sides = choose_side_strips(margins, dataset.labels, dataset.ids, dataset.class_names)
    contrasts = [contrast_sides(dataset, margins), None if template is None else draw_template(template)]
    rows = [
        [a.name, a.origin, say_within(a), f"{a.auc:.3f}", f"{a.ami:.3f}", a.side_1, a.side_0]
        for a in list_notable(explanation)
    ]
    within = [
        [r.class_name, name_reading(r), f"{r.association.auc:.3f}", *order_sides(r, folder, margins)]
        for r in explanation.within_classes[:MAX_TABLE_CLASSES]
    ]
    places = ["in train", "in test"] if is_split_task(folder, margins) else ["side +", "side -"]
    return TaskView(
        explanation.task,
        say_task_figures(explanation.task, margins, list_agreement(folder)),
        explanation,
        Table(
            ["attribute", "from", "AUC within class", "AUC over all", "mutual information", "side +", "side -"], rows
        ),
        Table(["class", "strongest attribute", "AUC", *places], within) if within else None,
        [Captioned(strip.title, album.pictures(strip)) for strip in sides],
        [each for each in contrasts if each is not None],
    )


def say_within(association: Association) -> str:
    """The AUC within class as the table has it."""
    return "-" if association.within is None else f"{association.within:.3f}"


def name_reading(reading: ClassReading) -> str:
    """The strongest attribute within a class, as the table names it."""
    name = reading.association.name
    return name if reading.association.auc >= CLEAR_AUC else f"nothing clear ({name})"


def is_split_task(folder: RunFolder, margins: np.ndarray) -> bool:
    """Whether these are the margins that the folder's split was made of."""
    split = folder.split
    return split is not None and not split.provenance.is_imported and margins is split.margins


def order_sides(reading: ClassReading, folder: RunFolder, margins: np.ndarray) -> list[str]:
    """The words of a class for train and test where the split was made of the task, else for side + and side -."""
    words = [reading.association.side_1, reading.association.side_0]
    if folder.split is not None and is_split_task(folder, margins):
        return words[:: (folder.split.provenance.class_sides or ())[reading.label]]
    return words


def list_agreement(folder: RunFolder) -> list[Mapping[str, Any]]:
    """The agreement scores of a run: of its tasks, of the target, of random labels."""
    if folder.split is not None and folder.split.provenance.agreement:
        return list(folder.split.provenance.agreement)
    return [] if folder.tasks is None else list(folder.tasks.metadata.get("agreement", []))


def say_task_figures(name: str, margins: np.ndarray, agreement: Sequence[Mapping[str, Any]]) -> str:
    """Agreement score of a task beside the target's and a random task's, and its balance."""
    scores = {each["task"]: each["agreement_score"] for each in agreement}
    parts = [f"{percent(float((margins > 0).mean()))} of the datapoints on side +"]
    if name in scores:
        others = ", ".join(f"{other} {scores[other]:.3f}" for other in ("target", "random") if other in scores)
        parts.insert(0, f"agreement score {scores[name]:.3f}" + (f" ({others})" if others else ""))
    return "; ".join(parts)


def draw_discovery(record: Mapping[str, Any]) -> list[Chart]:
    """The curves of discovery and refinement, as far as run.json has them."""
    drawn = []
    history = record.get("discovery", {}).get("history", [])
    if len(history) > 1:
        curves = {name: [step[name] for step in history] for name in ("divergence", "agreement", "uniformity")}
        text = f"Divergence, agreement and uniformity over {len(history)} meta-steps of discovery."
        drawn.append(charts.draw_curves("discovery", "Discovery", text, curves))
    runners = [each for each in record.get("refinement", []) if len(each["history"]) > 1]
    if runners:
        longest = max(runners, key=lambda each: len(each["history"]))["history"]
        curves = {"loss of the failure (lower: the model fails more on test)": [step["failure"] for step in longest]}
        text = f"The failure that refinement drives down, over {len(longest)} meta-steps."
        drawn.append(charts.draw_curves("refinement", "Refinement", text, curves))
    return drawn


def draw_similarity(tasks: SavedTasks | None) -> Chart | None:
    """The similarity of all discovered tasks, where there are several."""
    matrix = np.array([] if tasks is None else tasks.metadata.get("task_similarity", []))
    if matrix.ndim != 2 or len(matrix) < 2:
        return None
    matrix = matrix[:MAX_MATRIX, :MAX_MATRIX]
    names = [f"task {k}" for k in range(len(matrix))]
    text = f"The share of datapoints on which two of {len(names)} tasks, or one and the other's opposite, agree."
    return charts.draw_matrix("similarity", "Similarity of the tasks", text, matrix, names, names)


def draw_transfer(judged: Sequence[Mapping[str, Any]]) -> Chart:
    """How one split fares with several models."""
    bars = {
        part: [each["figures"][f"{part}_accuracy"]["mean"] for each in judged]
        for part in ("random", "recoverable", "test")
    }
    names = [each["model"] for each in judged]
    text = "; ".join(f"{name}: test {value:.3f}" for name, value in zip(names, bars["test"], strict=True))
    return charts.draw_bars("transfer", "One split, judged by each model from scratch", text, names, bars)


def draw_comparison(rows: Sequence[Mapping[str, Any]]) -> Chart:
    """Every splitter at equal sizes."""
    bars = {part: [row["figures"][f"{part}_accuracy"]["mean"] for row in rows] for part in ("recoverable", "test")}
    names = [row["splitter"] for row in rows]
    text = "; ".join(f"{name}: test {value:.3f}" for name, value in zip(names, bars["test"], strict=True))
    return charts.draw_bars("comparison", "Ways to split, at equal sizes", text, names, bars)
