"""The stages one by one from Python: discover a task on digits, refine it, make a split of it, judge it.

Shows the typed API behind `splitgen make`, on scikit-learn's digits; prints the agreement score and the fair drop.
"""

from __future__ import annotations

import numpy as np

import splitgen


def main() -> None:
    dataset = splitgen.open_dataset("digits")
    bench = splitgen.make_bench(dataset, splitgen.find_model("conv"), "0,1,2,3,4", seed=0)
    config = splitgen.DiscoveryConfig(n_tasks=1)
    tasks = splitgen.discover_tasks(bench, config)
    margins = tasks.margins[:, 0]
    agreement = splitgen.score_agreement(bench, (margins > 0).astype(np.int64))
    print(f"agreement score {agreement.agreement_score:.3f}, fitted: {agreement.fitted}")

    assert tasks.encoder_state is not None
    sides = np.where(np.arange(10) < 5, 1, -1)
    start = splitgen.Start(task=0, class_sides=sides)
    (refined,) = splitgen.refine_tasks(bench, [start], tasks.encoder_state, config)
    margins = refined.margins[:, 0]
    scores = splitgen.score_datapoints(margins, dataset.labels, sides)
    selection = splitgen.select_split(scores, dataset.labels, dataset.ids)
    metadata = {"dataset": {"source": dataset.source, "fingerprint": dataset.fingerprint}}
    split = splitgen.Split(dataset.ids, dataset.labels, bench.target.values, selection.parts, scores, margins, metadata)
    result = splitgen.verify_split(bench, split)
    print(f"fair drop {result.figures['fair_drop'].mean:.3f}; {result.verdict}")


if __name__ == "__main__":
    main()
