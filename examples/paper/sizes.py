"""How large the study is: the small one takes about two hours on two cores, the full one is for a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

from splitgen import AgreementConfig, DiscoveryConfig, TrainingConfig, VerificationConfig

HALVES = list(combinations(range(10), 5))[:126]  # of ten classes: the paper's human tasks, in its order
TARGETS = tuple(HALVES[number] for number in (0, 11, 18, 27, 31, 38, 40))  # those it makes splits for


@dataclass(frozen=True)
class StudySize:
    """families: models that tasks are found for and scored with. dims: d of the discoveries, each of as many tasks.
    n_human, n_random, n_untrained: labellings scored beside them. crossed: tasks that each other family scores, too.
    targets, split_tasks: binary targets, and tasks that each has a split by; split_model: what these are found for, and
        whose failure is measured.
    """

    families: tuple[str, ...]
    dims: tuple[int, ...]
    discovery: DiscoveryConfig
    agreement: AgreementConfig
    training: TrainingConfig
    n_human: int
    n_random: int
    n_untrained: int
    crossed: int
    targets: tuple[tuple[int, ...], ...] = TARGETS
    split_tasks: int = 8
    split_model: str = "conv"
    verification: VerificationConfig = field(default_factory=lambda: VerificationConfig(seeds=2))


PLAIN = TrainingConfig(augment="none")  # as in the paper

SIZES = {
    "tiny": StudySize(  # of the tests: all parts run, and no figure says anything
        families=("mlp", "linear"),
        dims=(2,),
        discovery=DiscoveryConfig(meta_steps=2, inner_steps=4, batch_size=16, pool_size=128, held_out_size=64),
        agreement=AgreementConfig(max_rows=200, epochs=2),
        training=TrainingConfig(epochs=2, augment="none"),
        n_human=2,
        n_random=1,
        n_untrained=1,
        crossed=1,
        targets=TARGETS[:2],
        split_tasks=1,
        split_model="linear",
        verification=VerificationConfig(seeds=2, max_rows=400),
    ),
    "small": StudySize(
        families=("resnet18-small", "vit-small", "mlp"),
        dims=(8,),
        discovery=DiscoveryConfig(meta_steps=64, inner_steps=20, batch_size=64),
        agreement=AgreementConfig(max_rows=1_600),
        training=PLAIN,
        n_human=3,
        n_random=1,
        n_untrained=2,
        crossed=2,
        targets=TARGETS[:3],
        split_tasks=2,
        verification=VerificationConfig(seeds=2, max_rows=16_000),
    ),
    "full": StudySize(  # of the paper, section 4 and appendix
        families=("resnet18", "mlp", "vit"),
        dims=(8, 32),
        discovery=DiscoveryConfig(meta_steps=4_000, inner_steps=50, batch_size=512, uniformity_weight=25.0),
        agreement=AgreementConfig(max_rows=50_000, train_fraction=0.9, epochs=100),
        training=TrainingConfig("adam", learning_rate=1e-3, batch_size=512, epochs=100, augment="none"),
        n_human=32,
        n_random=8,
        n_untrained=8,
        crossed=8,
        split_model="resnet18",
        verification=VerificationConfig(seeds=3),
    ),
}
