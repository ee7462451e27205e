"""How a split came about: one record, written into the index file's metadata and read from there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

IMPORTED, DISCOVERED = "imported", "discovered"


@dataclass(frozen=True)
class Provenance:
    """How a split came about.

    way: what found its task, a name of `WAYS`; `IMPORTED` for a split that others made, which has nothing but this.
    task: 0..K-1, or None for one that refinement began; task_name: for people.
    refined: by the target's failure. sharpened: rounds of it. refinement_steps: meta-steps of the run's refinement.
    class_sides: [C] of -1 and +1. train_thresholds, test_thresholds: [C], see `Selection`. alignment: of train.
    meta_steps: of discovery. agreement: agreement scores of the tasks, as run.json has them.
    sides_drawn: the class sides were drawn at random, and not searched for.
    """

    way: str
    task: int | None
    task_name: str
    refined: bool = False
    sharpened: int = 0
    class_sides: tuple[int, ...] | None = None
    train_thresholds: tuple[float, ...] | None = None
    test_thresholds: tuple[float, ...] | None = None
    alignment: float | None = None
    seed: int | None = None
    meta_steps: int = 0
    refinement_steps: int = 0
    agreement: tuple[Mapping[str, Any], ...] = ()
    sides_drawn: bool = False

    @property
    def is_imported(self) -> bool:
        return self.way == IMPORTED

    def describe(self) -> dict[str, Any]:
        """As the metadata has it. The way is told where it is another than discovery."""
        told = {"task": self.task, "task_name": self.task_name}
        way = {} if self.way == DISCOVERED else {"way": self.way}
        if self.is_imported:
            return {**told, **way}
        return {
            **told,
            **way,
            "refined": self.refined,
            "sharpened": self.sharpened,
            "class_sides": list(self.class_sides or ()),
            **({"sides_drawn": True} if self.sides_drawn else {}),
            "train_thresholds": list(self.train_thresholds or ()),
            "test_thresholds": list(self.test_thresholds or ()),
            "alignment": self.alignment,
            "seed": self.seed,
            "meta_steps": self.meta_steps,
            "refinement_steps": self.refinement_steps,
            "agreement": list(self.agreement),
        }


def read_provenance(metadata: Mapping[str, Any]) -> Provenance:
    """The provenance that an index file's metadata tells."""
    way = read_way(metadata)
    task = metadata.get("task")
    name = metadata.get("task_name", IMPORTED if way == IMPORTED else f"task {task}")
    if way == IMPORTED:
        return Provenance(way, task, name)
    return Provenance(
        way,
        task,
        name,
        metadata.get("refined", False),
        metadata.get("sharpened", 0),
        tuple(metadata["class_sides"]),
        read_numbers(metadata, "train_thresholds"),
        read_numbers(metadata, "test_thresholds"),
        metadata.get("alignment"),
        metadata.get("seed"),
        metadata.get("meta_steps", 0),
        metadata.get("refinement_steps", 0),
        tuple(metadata.get("agreement", ())),
        metadata.get("sides_drawn", False),
    )


def read_way(metadata: Mapping[str, Any]) -> str:
    """How a split came about, in a word. Files of earlier versions do not tell it: those without class sides were
    imported, the others discovered."""
    return str(metadata.get("way", DISCOVERED if "class_sides" in metadata else IMPORTED))


def read_numbers(metadata: Mapping[str, Any], name: str) -> tuple[float, ...] | None:
    return tuple(metadata[name]) if metadata.get(name) is not None else None
