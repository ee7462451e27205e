"""The last judging: the best candidates of all stages are trained on once more, with other seeds on other rows.

The lowest of several measured accuracies is lower than what it measures, the more so the more there are: a candidate
that was lucky once wins over a stronger one. The mean of several trainings is the measure that decides.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from splitgen.parallel import map_threads
from splitgen.search.candidates import NO_SPLIT, Candidate, SearchSpace, try_candidate, was_judged
from splitgen.settings.stages import SearchConfig

CLOSE = 0.05  # to the lowest test accuracy: of two trainings on few rows that is three standard deviations of either


def choose_finalists(ranked: Sequence[Candidate], config: SearchConfig) -> list[Candidate]:
    """The best of ranked candidates, of those that make a split, were judged as in the last round, and are close to the
    first of all; none where there is nothing to decide."""
    judged = [candidate for candidate in ranked if was_judged(candidate, config) and candidate.accuracy < NO_SPLIT]
    close = [candidate for candidate in judged[: config.finalists] if candidate.accuracy <= judged[0].accuracy + CLOSE]
    return close if len(close) > 1 else []


def count_final_fits(ranked: Sequence[Candidate], config: SearchConfig) -> int:
    """Trainings of all finalists that were none before."""
    return config.final_fits * sum(not candidate.final_accuracies for candidate in choose_finalists(ranked, config))


def judge_finalists(
    space: SearchSpace,
    ranked: Sequence[Candidate],
    config: SearchConfig,
    on_fit: Callable[[], None] | None = None,
) -> list[Candidate]:
    """The ranked candidates, the finalists first, by the mean of the test accuracies of `final_fits` more trainings
    each and of the one before them."""
    finalists = choose_finalists(ranked, config)
    others = [candidate for candidate in ranked if all(candidate is not each for each in finalists)]
    before = [candidate for candidate in finalists if candidate.final_accuracies]
    new = [candidate for candidate in finalists if not candidate.final_accuracies]
    trials = list(itertools.product(new, range(1, config.final_fits + 1)))

    def try_once(trial: tuple[Candidate, int]) -> float:
        candidate, number = trial
        return try_candidate(space, candidate, config=config, round_=len(config.rows) - 1, trial=number)

    accuracies = np.reshape(list(map_threads(try_once, trials, on_fit)), (len(new), config.final_fits))
    judged = [
        replace(candidate, final_accuracies=tuple(each.tolist()))
        for candidate, each in zip(new, accuracies, strict=True)
    ]
    return sorted([*judged, *before], key=lambda candidate: candidate.accuracy) + others
