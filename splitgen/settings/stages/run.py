"""All settings of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field

from splitgen.settings.faults import fault
from splitgen.settings.fields import described, setting
from splitgen.settings.stages.agreement import AgreementConfig
from splitgen.settings.stages.data import DataConfig
from splitgen.settings.stages.discovery import DiscoveryConfig
from splitgen.settings.stages.refinement import RefinementConfig
from splitgen.settings.stages.search import SearchConfig
from splitgen.settings.stages.selection import SelectionConfig
from splitgen.settings.stages.sharpening import SharpeningConfig
from splitgen.settings.stages.tangent import TangentConfig
from splitgen.settings.stages.training import TrainingConfig
from splitgen.settings.stages.verification import VerificationConfig


@described
@dataclass(frozen=True)
class RunConfig:
    """All settings of a run; those below are of no stage."""

    model: str = setting(
        "conv",
        "the target model: `conv`, `mlp`, `linear`, `resnet18`, `resnet18-small`, `resnet18x0.5` (of any width),"
        " `resnet50`, `vit`, `vit-small`, `torchvision:NAME`, `timm:NAME` or `package.module:callable`",
        option="--model",
    )
    discovery_model: str | None = setting(
        None,
        "a smaller model that finds, refines and sharpens the tasks, which the target model judges: named as that is",
        "the target model",
        option="--discovery-model",
    )
    weights: str | None = setting(
        None,
        "file of tensors (safetensors, or torch's with nothing else in it) that the target model starts from; its head"
        " starts afresh",
        "a random initialisation",
        option="--weights",
    )
    freeze: bool = setting(False, "train the head of the target model alone, on top of its weights", option="--freeze")
    seed: int = setting(0, "of everything random", option="--seed")
    data: DataConfig = field(default_factory=DataConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    discovery: DiscoveryConfig = field(default_factory=DiscoveryConfig)
    tangent: TangentConfig = field(default_factory=TangentConfig)
    refinement: RefinementConfig = field(default_factory=RefinementConfig)
    agreement: AgreementConfig = field(default_factory=AgreementConfig)
    selection: SelectionConfig = field(default_factory=SelectionConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    sharpening: SharpeningConfig = field(default_factory=SharpeningConfig)
    verification: VerificationConfig = field(default_factory=VerificationConfig)

    def faults(self) -> Iterator[str]:
        if self.freeze and self.weights is None:
            yield fault("freeze", self.freeze, "given together with weights, which it keeps")
        if self.seed < 0:
            yield fault("seed", self.seed, "0 or more")
        for stage in dataclasses.fields(self):
            value = getattr(self, stage.name)
            if dataclasses.is_dataclass(value):
                yield from value.faults()  # type: ignore[union-attr]
