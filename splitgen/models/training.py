"""Training the target model: one recipe, `fit` and `predict`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from splitgen.data.images import NormalizedImages
from splitgen.errors import TrainingError
from splitgen.keeping import NOWHERE, Slot, State
from splitgen.models.augmentation import choose_augmentation
from splitgen.models.snapshots import put_module, put_optimizer, take_module, take_optimizer
from splitgen.random import generator_state, set_generator_state
from splitgen.settings.presets import MAX_EPOCHS, MIN_EPOCHS, settled
from splitgen.settings.stages import TrainingConfig

PREDICTION_CHUNK = 2000

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "sgd": lambda parameters, lr, weight_decay: torch.optim.SGD(
        parameters, lr=lr, weight_decay=weight_decay, momentum=0.9, nesterov=True, fused=True
    ),
}


def count_epochs(n_rows: int, config: TrainingConfig, at_most: int = MAX_EPOCHS) -> int:
    """Epochs of a training on n_rows rows."""
    if config.epochs is not None:
        return config.epochs
    wanted = math.ceil(settled(config.steps) / steps_per_epoch(n_rows, config.batch_size))
    return min(at_most, max(MIN_EPOCHS, wanted))


def steps_per_epoch(n_rows: int, batch_size: int) -> int:
    """Full batches in n_rows rows; at least one."""
    return max(1, n_rows // batch_size)


@dataclass
class Fitting:
    """A training on its way: what changes from one batch to the next, and all that it needs to go on from there.

    generator: of batch order and augmentation. epoch, step: batches done are `step` of this epoch. before: state of the
    generator before the order of this epoch was drawn. total, last: of the losses of the epoch. holds_global: the
    training draws from torch's generator that all share, too.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.OneCycleLR
    generator: torch.Generator
    holds_global: bool
    total: torch.Tensor
    last: torch.Tensor
    before: torch.Tensor
    epoch: int = 0
    step: int = 0

    def begin_epoch(self, epoch: int, n_rows: int) -> torch.Tensor:
        """The order [n_rows] of an epoch; of one that was taken up in its middle, as it was drawn then."""
        if self.step == 0:
            self.epoch, self.before, self.total = epoch, self.generator.get_state(), torch.zeros_like(self.total)
            return torch.randperm(n_rows, generator=self.generator)
        return torch.randperm(n_rows, generator=torch.Generator().set_state(self.before))

    def take_state(self) -> State:
        """After a batch."""
        tensors = {
            **take_module(self.network, "network"),
            **take_optimizer(self.optimizer, "optimizer"),
            "generator": self.generator.get_state(),
            "before": self.before,
            "total": self.total,
            "last": self.last,
        }
        if self.holds_global:
            tensors["global"] = generator_state(self.total.device)
        return State(tensors, {"epoch": self.epoch, "step": self.step, "n_steps": self.schedule.last_epoch})

    def put_state(self, state: State) -> None:
        """Go on from a state of the same training."""
        put_module(self.network, "network", state.tensors)
        put_optimizer(self.optimizer, "optimizer", state.tensors)
        n_steps = state.told["n_steps"]
        self.schedule.load_state_dict({"last_epoch": n_steps, "_step_count": n_steps + 1})
        self.generator.set_state(state.tensors["generator"])
        self.before, self.epoch, self.step = state.tensors["before"], state.told["epoch"], state.told["step"]
        self.total, self.last = (state.tensors[name].to(self.total.device) for name in ("total", "last"))
        if self.holds_global:
            set_generator_state(state.tensors["global"], self.total.device)


def begin_fitting(
    network: nn.Module, rows: torch.Tensor, config: TrainingConfig, seed: int, holds_global: bool
) -> Fitting:
    """A training before its first batch."""
    n_steps = count_epochs(len(rows), config) * steps_per_epoch(len(rows), config.batch_size)
    rate, generator = settled(config.learning_rate), torch.Generator().manual_seed(seed)
    optimizer = OPTIMIZERS[config.optimizer](network.parameters(), lr=rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=n_steps + 1, pct_start=0.3)
    nothing = torch.zeros((), device=rows.device)
    return Fitting(network, optimizer, schedule, generator, holds_global, nothing, nothing, generator.get_state())


def fit(
    network: nn.Module,
    name: str,
    pixels: NormalizedImages,
    targets: torch.Tensor,
    rows: torch.Tensor,
    config: TrainingConfig,
    seed: int,
    slot: Slot = NOWHERE,
    *,
    holds_global: bool = False,
) -> nn.Module:
    """Train a network, in place, on some rows; it is in evaluation mode then.

    name: of the model, for people. pixels: N images. targets int64 [N], rows int64 [n]: positions in both.
    slot: where it keeps what it has come to, and goes on from. holds_global: it draws from torch's generator that all
        share, which the caller has seeded.
    The seed fixes the batch order and the augmentation. Incomplete last batches are left out.
    Raises `TrainingError` where the loss becomes NaN or infinite, `Terminated` where the process was asked to end.
    """
    network.train()
    fitting, steps = (
        begin_fitting(network, rows, config, seed, holds_global),
        steps_per_epoch(len(rows), config.batch_size),
    )
    augment, is_mixed = choose_augmentation(settled(config.augment), pixels), config.precision == "bfloat16"
    if (kept := slot.load()) is not None:
        fitting.put_state(kept)
    for epoch in range(fitting.epoch, count_epochs(len(rows), config)):
        order = rows[fitting.begin_epoch(epoch, len(rows)).to(rows.device)]
        for batch in torch.split(order, config.batch_size)[fitting.step : steps]:
            images = augment(pixels.take(batch), fitting.generator)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=is_mixed):
                logits = network(images)
            loss = F.cross_entropy(logits.float(), targets[batch])
            fitting.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            fitting.optimizer.step()
            fitting.schedule.step()
            fitting.last = loss.detach()
            fitting.total += fitting.last
            fitting.step += 1
            slot.offer(fitting.take_state)
        fitting.step = 0
        if not bool(torch.isfinite(fitting.last)):  # NaN stays in the weights: the last batch tells of all
            problem = f"the training of {name} diverged: the loss is {fitting.last.item()} after epoch {epoch + 1}"
            raise TrainingError(problem, f"give a --learning-rate below {settled(config.learning_rate):g}")
        if config.converged_loss is not None and float(fitting.total) / steps < config.converged_loss:
            break
    return network.eval()


@torch.no_grad()
def predict_logits(network: nn.Module, pixels: NormalizedImages, rows: torch.Tensor) -> torch.Tensor:
    """Logits [n, C] of some rows [n], on the CPU. Raises `TrainingError` where one is NaN or infinite."""
    logits = join_chunks(lambda part: network(pixels.take(part)).cpu(), rows)
    check_logits(logits)
    return logits


def join_chunks(function: Callable[[torch.Tensor], torch.Tensor], rows: torch.Tensor) -> torch.Tensor:
    """What a function of rows [n] gives of each, [n, ...], a chunk of rows at a time.

    It is written into one tensor: small results kept one by one, each behind the images of its chunk, would leave holes
    in the memory that no later chunk fits into, of half the images of a million rows.
    """
    first, *others = torch.split(rows, PREDICTION_CHUNK)
    found = function(first)
    joined = found.new_empty(len(rows), *found.shape[1:])
    joined[: len(first)] = found
    for at, part in enumerate(others, start=1):
        joined[at * PREDICTION_CHUNK : at * PREDICTION_CHUNK + len(part)] = function(part)
    return joined


def check_logits(logits: torch.Tensor) -> None:
    """Raise `TrainingError` where logits [n, C] are no numbers: as a prediction, NaN would count as class 0."""
    finite = torch.isfinite(logits).all(dim=1)
    if not bool(finite.all()):
        problem = f"a network gives NaN or infinite logits for {int((~finite).sum())} of {len(logits)} rows"
        raise TrainingError(problem, "its training diverged, or the model is at fault: try a lower --learning-rate")


def predict_probs(network: nn.Module, pixels: NormalizedImages, rows: torch.Tensor) -> torch.Tensor:
    """Class probabilities [n, C] of some rows [n], on the CPU."""
    return predict_logits(network, pixels, rows).softmax(dim=1)


def predict(network: nn.Module, pixels: NormalizedImages, rows: torch.Tensor) -> torch.Tensor:
    """Predicted classes [n] of some rows [n], on the CPU, without the probabilities of all rows at a time."""
    return join_chunks(lambda part: predict_probs(network, pixels, part).argmax(dim=1), rows)
