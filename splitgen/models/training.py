"""Training the target model: one recipe, `fit` and `predict`."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from splitgen.data.images import NormalizedImages
from splitgen.errors import TrainingError
from splitgen.models.augmentation import choose_augmentation
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


def fit(
    network: nn.Module,
    name: str,
    pixels: NormalizedImages,
    targets: torch.Tensor,
    rows: torch.Tensor,
    config: TrainingConfig,
    seed: int,
) -> nn.Module:
    """Train a network, in place, on some rows; it is in evaluation mode then.

    name: of the model, for people. pixels: N images. targets int64 [N], rows int64 [n]: positions in both.
    The seed fixes the batch order and the augmentation. Incomplete last batches are left out.
    Raises `TrainingError` where the loss becomes NaN or infinite.
    """
    network.train()
    generator = torch.Generator().manual_seed(seed)
    epochs, steps = count_epochs(len(rows), config), steps_per_epoch(len(rows), config.batch_size)
    rate = settled(config.learning_rate)
    optimizer = OPTIMIZERS[config.optimizer](network.parameters(), lr=rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=epochs * steps + 1, pct_start=0.3)
    augment, is_mixed = choose_augmentation(settled(config.augment), pixels), config.precision == "bfloat16"
    for epoch in range(epochs):
        order = rows[torch.randperm(len(rows), generator=generator).to(rows.device)]
        total = torch.zeros((), device=rows.device)
        for batch in torch.split(order, config.batch_size)[:steps]:
            images = augment(pixels.take(batch), generator)
            with torch.autocast(images.device.type, torch.bfloat16, enabled=is_mixed):
                logits = network(images)
            loss = F.cross_entropy(logits.float(), targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total += loss.detach()
        if not bool(torch.isfinite(loss)):  # NaN stays in the weights: the last batch tells of all
            problem = f"the training of {name} diverged: the loss is {loss.item()} after epoch {epoch + 1}"
            raise TrainingError(problem, f"give a --learning-rate below {rate:g}")
        if config.converged_loss is not None and float(total) / steps < config.converged_loss:
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
