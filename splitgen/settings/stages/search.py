"""How candidates are compared."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from splitgen.settings.faults import choice_faults, fault, least_faults, positive_faults
from splitgen.settings.fields import described, setting

SEARCHED, RANDOM = "searched", "random"  # ways to come by class sides


@described
@dataclass(frozen=True)
class SearchConfig:
    """How the candidates (task, class sides) are compared (docs/method.md, section 6)."""

    class_sides: str = setting(
        SEARCHED,
        "which half of the classes is on which side, where the target is the label: `searched`, the best cuts of the"
        " classes that the target model confuses, or `random`, drawn, as in the paper",
        option="--class-sides",
    )
    task: int | None = setting(
        None,
        "the one task that the split is made of, by its number; refinement begins no new ones then",
        "whichever makes the strongest split",
        option="--task",
    )
    confusion_rows: int = setting(
        10_000,
        "rows that the target model is trained on, and as many others that it judges, to see which classes it confuses",
    )
    n_cuts: int = setting(2, "how many of the best class cuts are tried for each task, each with both signs")
    max_trained: int = setting(16, "candidates in the first round; where there are more, a cheap predictor chooses")
    rows: tuple[int, ...] = setting(
        (4_000, 12_000), "train rows of the target model in each round of successive halving"
    )
    test_rows: int = setting(6_000, "test rows that each of these trainings is judged on, at most")
    keep: tuple[int, ...] = setting((3,), "candidates that go on to each next round")
    finalists: int = setting(
        3,
        "of all candidates at the end, refined and sharpened ones too, the best on which the target model is trained"
        " once more with other seeds; 0 leaves that out",
    )
    final_fits: int = setting(2, "such trainings of each; with the one before, their mean decides")

    def faults(self) -> Iterator[str]:
        yield from choice_faults(self, "class_sides", (SEARCHED, RANDOM))
        yield from positive_faults(self, "confusion_rows", "test_rows", "n_cuts", "max_trained", "final_fits")
        yield from least_faults(self, 0, "task", "finalists")
        if not self.rows or min(self.rows) < 1:
            yield fault("search rows", list(self.rows), "one or more counts above 0")
        if len(self.keep) != len(self.rows) - 1 or any(n < 1 for n in self.keep):
            yield fault("search keep", list(self.keep), "one count above 0 for each round after the first")
