"""Judging by training: the gate's figures are those of the verification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from splitgen.check.judgement import Judgement, judge_by_verification
from splitgen.data.dataset import ImageDataset
from splitgen.data.sources.registry import open_dataset
from splitgen.models.bench import make_bench
from splitgen.models.registry import choose_model, start_model
from splitgen.screen.console import OpeningBar, Screen, tell_unknown
from splitgen.settings.layers import build_config, drop_unknown, put_above
from splitgen.settings.stages import RunConfig
from splitgen.splits.grouping import check_groups_known
from splitgen.splits.split import Split, check_belongs
from splitgen.store.recall import recall_settings
from splitgen.verification.verification import count_trials, verify_split


class Trainer:
    """Trains models on splits; datasets are opened once.

    given: nested settings, which win over those that a split's run recorded.
    """

    def __init__(self, screen: Screen, device: str, given: Mapping[str, Any]) -> None:
        self.screen, self.device, self.given = screen, device, given
        self.datasets: dict[Any, ImageDataset] = {}

    def judge(self, split: Split, path: Path, model: str | None) -> Judgement:
        """The figures of a model; None for the one that the split was made with, which must be no code.

        Raises `SplitgenError` where dataset, model or split do not serve.
        """
        recorded, unknown = drop_unknown(recall_settings(path, split.metadata))
        tell_unknown(self.screen, unknown)
        config = build_config(put_above(recorded, {**self.given, "model": model}))
        dataset = self.open(config)
        check_belongs(split, str(path), dataset.fingerprint, dataset.labels, dataset.ids)
        check_groups_known(split.metadata, dataset.groups)
        factory = start_model(choose_model(config.model, is_named=model is not None), config.weights, config.freeze)
        bench = make_bench(dataset, factory, "label", config.training, seed=config.seed, device=self.device)
        bench.check_model(int(split.targets.max()) + 1)
        n_fits = count_trials(bench, split, config.verification)
        with self.screen.progress(f"check {factory.title}", n_fits) as progress:
            result = verify_split(bench, split, config.verification, progress.advance)
        return judge_by_verification(result, dataset.class_names)

    def open(self, config: RunConfig) -> ImageDataset:
        if config.data not in self.datasets:
            with OpeningBar(self.screen, "decode") as on_progress:
                self.datasets[config.data] = open_dataset(config.data, on_progress=on_progress)
        return self.datasets[config.data]
