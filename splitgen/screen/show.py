"""What an index file holds, for the terminal and for machines; starts without torch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from splitgen.data.class_names import list_names, list_target
from splitgen.screen.console import Screen
from splitgen.screen.tables import print_agreement, print_comparison, print_transfer, print_verification
from splitgen.settings.stages import EQUALITY
from splitgen.splits.provenance import DISCOVERED
from splitgen.splits.rows import PARTS
from splitgen.splits.split import Split

MAX_TABLE_CLASSES = 40  # rows of a table; a few thousand take rich seconds, and nobody reads them
MAX_SIGNS = 20  # of class sides in a line


def describe_split(split: Split) -> dict[str, Any]:
    """Counts of the parts, by class too, and the file's metadata."""
    names = split.metadata["dataset"]["class_names"]
    counts = {part: np.bincount(split.labels[split.parts == part], minlength=len(names)).tolist() for part in PARTS}
    by_class = {name: {part: counts[part][c] for part in PARTS} for c, name in enumerate(names)}
    return {"counts": split.counts(), "class_counts": by_class, "metadata": split.metadata}


def tell_origin(split: Split) -> list[str]:
    """Where the split comes from, in lines."""
    origin, target = split.provenance, name_target(split)
    fingerprint = f"fingerprint {split.metadata['dataset']['fingerprint'][:19]}"
    if origin.is_imported:
        return [f"target {target}; imported; {fingerprint}"]
    sides = origin.class_sides or ()
    signs = "".join("+" if side > 0 else "-" for side in sides[:MAX_SIGNS])
    if len(sides) > MAX_SIGNS:
        signs += f" and {len(sides) - MAX_SIGNS} more"
    signs += " drawn at random" if origin.sides_drawn else ""
    way = "" if origin.way == DISCOVERED else f" of {origin.way}"
    rule = "rule equality; " if split.rule == EQUALITY else ""
    return [
        f"target {target}; {origin.task_name}{way}; class sides {signs}",
        f"{rule}alignment {origin.alignment:.3f}; seed {origin.seed}; {origin.meta_steps} meta-steps; {fingerprint}",
    ]


def name_target(split: Split) -> str:
    """The target by the names of the classes."""
    spec, names = split.metadata.get("target", "label"), split.class_names
    return spec if spec == "label" else list_names(list_target(spec, names))


def print_run(screen: Screen, record: dict[str, Any]) -> None:
    """What run.json tells beyond the index file: agreement scores, the reading of the tasks, transfer, comparison."""
    if record.get("agreement"):
        print_agreement(screen, record["agreement"])
    for explanation in record.get("explanations", []):
        for sentence in explanation["sentences"]:
            screen.say(sentence)
    if record.get("transfer"):
        print_transfer(screen, record["transfer"])
    if record.get("comparison"):
        print_comparison(screen, record["comparison"])


def print_split(screen: Screen, split: Split) -> None:
    """The split in 80 columns."""
    described, metadata = describe_split(split), split.metadata
    shown = [part for part in PARTS if described["counts"][part]]
    by_class = described["class_counts"]
    rows = [
        [name, *(str(counts[part]) for part in shown)]
        for name, counts in itertools.islice(by_class.items(), MAX_TABLE_CLASSES)
    ]
    rows.append(["all", *(str(described["counts"][part]) for part in shown)])
    screen.table(f"Split of {metadata['dataset']['source']}", ["class", *shown], rows)
    if len(by_class) > MAX_TABLE_CLASSES:
        screen.say(f"and {len(by_class) - MAX_TABLE_CLASSES} more classes; --json lists them all")
    for line in tell_origin(split):
        screen.say(line)
    if metadata.get("verification") is None:
        screen.say("not verified yet; run 'splitgen verify'")
    else:
        print_verification(screen, metadata["verification"], metadata["dataset"]["class_names"])
