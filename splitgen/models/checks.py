"""Whether a model can be used at all: found before any work, by a few small batches."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from splitgen.errors import ModelError
from splitgen.models.outputs import OutputError
from splitgen.models.registry import (
    ModelFactory,
    build_network,
    failed_error,
    list_tensors,
    shared_error,
    try_images,
)
from splitgen.plugins import tell_raised

BATCHES = (3, 2)  # rows of the two batches in training mode; one of other rows would hide a size that is built in
STEP = 1e-3  # the length of the one step after which constant logits are a fault; a longer one would break some models
RETURN = "return a tensor of logits, or something that calls them `logits`"


def check_model(model: ModelFactory, n_classes: int, images: torch.Tensor, batch_size: int = BATCHES[0]) -> None:
    """Build the model twice, and train one of them for a step on images [B, channels, height, width] and noise.

    batch_size: of the recipe; a model that has to work on one row at a time is tried on that.
    Raises `ModelError` if the two share weights, there is nothing to train or no gradient arrives, the rows are
    features and the model is a convolutional one, the images are changed, or the logits are no finite floats
    [B, n_classes], or the same for all images.
    """
    channels, height, width = images.shape[1:]
    built = [build_network(model, n_classes, (channels, height, width), seed, images.device) for seed in range(2)]
    check_apart(model, built)
    module = built[0]
    check_sees(model, module, images)
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    if not trained:
        raise ModelError(model.name, "has no weights to train", "use a model with parameters that require a gradient")
    noise = make_noise(images)
    for n_rows in BATCHES:
        try_step(model, module.train(), noise[: min(n_rows, batch_size)], n_classes, trained)
    with torch.no_grad():
        for seen in (images[:2], noise[:1], noise):
            logits = give_logits(model, module.eval(), seen, n_classes)
    if bool((logits == logits[:1]).all()):
        raise ModelError(model.name, "gives the same logits for all images", "let them depend on the images")


def check_sees(model: ModelFactory, module: nn.Module, images: torch.Tensor) -> None:
    """Raise `ModelError` where rows are features, and the module looks for patterns in images."""
    channels, height, width = images.shape[1:]
    if height == width == 1 and any(is_spatial(layer) for layer in module.modules()):
        problem = f"looks for patterns in images, and the rows are vectors of {channels} features"
        others = "--trunk mlp" if model.ends_before_head else "--model linear or --model mlp"
        raise ModelError(model.name, problem, f"use {others}")


def check_features(model: ModelFactory, module: nn.Module, images: torch.Tensor) -> None:
    """Try a module that ends before its head on some images and noise. Raises `ModelError` where it cannot see them, or
    its features are NaN or infinite, or the same for all."""
    check_sees(model, module, images)
    features = try_images(model, module.eval(), torch.cat([images, make_noise(images)]))
    if not bool(torch.isfinite(features).all()):
        raise ModelError(model.name, "gives its head NaN or infinite features", "use another trunk or other weights")
    if bool((features == features[:1]).all()):
        raise ModelError(model.name, "gives its head the same features for all images", "use another trunk")


def make_noise(images: torch.Tensor) -> torch.Tensor:
    """A few images of noise, of unit variance as all images are, in the shape of others."""
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(BATCHES[0], *images.shape[1:], generator=generator)
    return noise.to(images).contiguous(memory_format=torch.channels_last)


def check_apart(model: ModelFactory, built: list[nn.Module]) -> None:
    first, second = ({tensor.untyped_storage().data_ptr() for tensor in list_tensors(each)} for each in built)
    if first & second - {0}:  # 0: without a value
        raise shared_error(model)


def try_step(
    model: ModelFactory, module: nn.Module, images: torch.Tensor, n_classes: int, trained: list[nn.Parameter]
) -> None:
    """One short step against the gradient, in training mode."""
    logits = give_logits(model, module, images, n_classes)
    if not logits.requires_grad:
        raise ModelError(
            model.name, "gives logits that no gradient goes back from", "do not detach them from its weights"
        )
    loss = F.cross_entropy(logits, torch.arange(len(images), device=logits.device) % n_classes)
    try:
        grads = torch.autograd.grad(loss, trained, allow_unused=True)
    except Exception as error:
        problem = f"fails on the way back from its loss: {tell_raised(error)}"
        raise ModelError(model.name, problem, "repair its backward pass") from error
    if not all(bool(torch.isfinite(grad).all()) for grad in grads if grad is not None):
        raise ModelError(model.name, "has NaN or infinite gradients before it is trained", "repair its initialisation")
    length = float(sum(grad.double().square().sum() for grad in grads if grad is not None)) ** 0.5
    if length == 0:
        raise ModelError(model.name, "has weights that no gradient arrives at", "let its logits depend on them")
    with torch.no_grad():
        for parameter, grad in zip(trained, grads, strict=True):
            if grad is not None:
                parameter.sub_(grad, alpha=STEP / length)


def give_logits(model: ModelFactory, module: nn.Module, images: torch.Tensor, n_classes: int) -> torch.Tensor:
    """The logits of some images, which are looked at."""
    seen = images.clone()
    try:
        logits = module(seen)
    except OutputError as error:
        raise ModelError(model.name, error.problem, RETURN) from error
    except (Exception, SystemExit) as error:
        raise failed_error(model, images, tell_raised(error)) from error
    if not torch.is_tensor(logits):
        raise ModelError(model.name, f"gives {type(logits).__name__}", RETURN)
    if tuple(logits.shape) != (len(images), n_classes):
        shape = f"gives logits of shape {tuple(logits.shape)} for {len(images)} images"
        raise ModelError(model.name, shape, f"return [batch, {n_classes}]")
    if not logits.is_floating_point():
        raise ModelError(model.name, f"gives logits of type {logits.dtype}", "return floats, and not classes")
    if not bool(torch.isfinite(logits).all()):
        raise ModelError(model.name, "gives NaN or infinite logits before it is trained", "repair its initialisation")
    if not torch.equal(seen, images):
        raise ModelError(model.name, "changes the images that it is given", "work on a copy: inplace=False")
    return logits


def is_spatial(layer: nn.Module) -> bool:
    """Whether a layer looks at pixels beside each other."""
    return isinstance(layer, nn.modules.conv._ConvNd) and max(layer.kernel_size) > 1
