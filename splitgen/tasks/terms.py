"""The terms of the discovery objective and the measures of a task: pure tensor maths.

Axes: N points, K tasks, C classes, B batch, d embedding.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F

ONE_HOT_CLASSES = 100  # above, a one-hot [N, C] is too large; below, it stays, as another sum has other last digits


def task_margins(embeddings: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """m_ik = <a_k, h(x_i)> (docs/method.md, section 1). embeddings [N, d], directions [K, d]; gives [N, K]."""
    return embeddings @ directions.T


def soft_task_labels(margins: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(temperature * [-m, m]) (docs/method.md, section 3). margins [...]; gives [..., 2]."""
    return torch.stack([-margins, margins], dim=-1).mul(temperature).softmax(dim=-1)


def soft_cross_entropy(log_probs: torch.Tensor, soft_labels: torch.Tensor) -> torch.Tensor:
    """Mean over the batch of -sum_c p_c log q_c. Both [B, C]; gives a scalar."""
    return -(soft_labels * log_probs).sum(dim=1).mean()


def divergence(logits_1: torch.Tensor, logits_2: torch.Tensor) -> torch.Tensor:
    """Half the sum of the two soft cross-entropies between two networks' outputs [B, C].

    The proxy of 1 - agreement that discovery minimises (the paper, section 3.2).
    """
    log_probs_1, log_probs_2 = logits_1.log_softmax(dim=1), logits_2.log_softmax(dim=1)
    forth = soft_cross_entropy(log_probs_1, log_probs_2.exp())
    back = soft_cross_entropy(log_probs_2, log_probs_1.exp())
    return 0.5 * (forth + back)


def side_log_probs(logits: torch.Tensor, output_sides: torch.Tensor) -> torch.Tensor:
    """Log-probabilities that the predicted class is of side -1 and of side +1.

    logits [B, C], output_sides [C] of -1 and +1; gives [B, 2], for use with soft task labels.
    """
    log_probs = logits.log_softmax(dim=1)
    sides = [log_probs[:, output_sides == sign].logsumexp(dim=1) for sign in (-1, 1)]
    return torch.stack(sides, dim=1)


def uniformity(embeddings: torch.Tensor) -> torch.Tensor:
    """log mean_{i<j} exp(-2 |z_i - z_j|^2) on the unit sphere, z = h / |h|. embeddings [N, d].

    Wang and Isola, "Understanding Contrastive Representation Learning through Alignment and
    Uniformity on the Hypersphere", ICML 2020. Empty for d = 1, where the sphere is two points.
    """
    z = F.normalize(embeddings, dim=1)
    return torch.pdist(z).square().mul(-2).exp().mean().log()


def class_means(values: torch.Tensor, labels: torch.Tensor, n_classes: int) -> torch.Tensor:
    """Mean of the rows of each class; zero for a class without rows. values [N, d]; gives [C, d]."""
    if n_classes > ONE_HOT_CLASSES:
        sizes = torch.bincount(labels, minlength=n_classes).clamp_min(1)
        return values.new_zeros(n_classes, values.shape[1]).index_add(0, labels, values) / sizes[:, None]
    one_hot = F.one_hot(labels, n_classes).to(values.dtype)
    counts = one_hot.sum(dim=0).clamp_min(1)
    return (one_hot.T @ values) / counts[:, None]


def class_imbalance(margins: torch.Tensor, labels: torch.Tensor, n_classes: int) -> torch.Tensor:
    """mean over classes and tasks of (mean of sigmoid(2m) in the class - 1/2)^2. margins [N, K].

    Zero when every task halves every class (docs/method.md, section 3).
    """
    shares = class_means(torch.sigmoid(2 * margins), labels, n_classes)
    present = torch.bincount(labels, minlength=n_classes) > 0
    return (shares[present] - 0.5).square().mean()


def boundary_crowding(margins: torch.Tensor, width: float) -> torch.Tensor:
    """mean exp(-(m / width)^2): how many datapoints lie near the boundary (docs/method.md, section 3)."""
    return margins.div(width).square().neg().exp().mean()


def prediction_agreement(labels_1: torch.Tensor, labels_2: torch.Tensor) -> float:
    """Fraction of datapoints on which two predictions [N] are the same class."""
    return float((labels_1 == labels_2).double().mean())


def cohen_kappa(labels_1: torch.Tensor, labels_2: torch.Tensor, n_classes: int) -> float:
    """Agreement beyond chance, (a - e) / (1 - e); 0 when both predictions are one constant class."""
    shares_1 = torch.bincount(labels_1, minlength=n_classes).double() / len(labels_1)
    shares_2 = torch.bincount(labels_2, minlength=n_classes).double() / len(labels_2)
    expected = float((shares_1 * shares_2).sum())
    if expected >= 1.0:
        return 0.0
    return (prediction_agreement(labels_1, labels_2) - expected) / (1.0 - expected)


def task_similarity(task_labels: torch.Tensor) -> torch.Tensor:
    """max(agreement, 1 - agreement) of every pair of binary tasks. task_labels [N, K] in {0, 1}; gives [K, K]."""
    signs = task_labels.double() * 2 - 1
    agreement = 0.5 * (1 + signs.T @ signs / len(signs))
    return torch.maximum(agreement, 1 - agreement)
