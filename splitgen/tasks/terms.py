"""The terms of the discovery objective and the measures of a task: pure tensor maths.

Axes: N points, K tasks, V values of a task, C classes, B batch, d embedding.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from scipy.optimize import linear_sum_assignment

ONE_HOT_CLASSES = 100  # above, a one-hot [N, C] is too large; below, it stays, as another sum has other last digits


def task_margins(embeddings: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """m_ik = <a_k, h(x_i)> (docs/method.md, section 1). embeddings [N, d], directions [K, d]; gives [N, K]."""
    return embeddings @ directions.T


def soft_task_labels(margins: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(temperature * [-m, m]) (docs/method.md, section 3). margins [...]; gives [..., 2]."""
    return torch.stack([-margins, margins], dim=-1).mul(temperature).softmax(dim=-1)


def fan_margins(embeddings: torch.Tensor, directions: torch.Tensor) -> torch.Tensor:
    """m_ikv = <a_kv, h(x_i)> of tasks of V values (docs/method.md, section 3). embeddings [N, d], directions [K, V, d];
    gives [N, K, V]."""
    return (embeddings @ directions.flatten(0, 1).T).view(len(embeddings), *directions.shape[:2])


def soft_fan_labels(margins: torch.Tensor, temperature: float) -> torch.Tensor:
    """softmax(temperature * m) over the values. margins [..., V]; gives the same shape."""
    return margins.mul(temperature).softmax(dim=-1)


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


def correlation_with(margins: torch.Tensor, labellings: torch.Tensor) -> torch.Tensor:
    """Mean over the tasks of sum_l |corr(m, labelling l)|: how similar tasks are to labellings that they are to avoid.

    0 where they have nothing to do with each other, and of a labelling that is constant (the paper has human tasks in
    its dissimilarity; docs/method.md, section 3). margins [N, K] or [N, K, V], labellings [N, L]; gives a scalar.
    """
    tasks, avoided = (F.normalize(x - x.mean(dim=0), dim=0) for x in (margins.flatten(1), labellings))
    return (tasks.T @ avoided).abs().sum(dim=1).mean()


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

    Of margins [N, K, V] the mean over the values, too, of (mean of softmax(m) in the class - 1/V)^2. Zero when every
    task parts every class into equal shares (docs/method.md, section 3).
    """
    is_binary = margins.dim() == 2
    probs = torch.sigmoid(2 * margins) if is_binary else margins.softmax(dim=2).flatten(1)
    shares = class_means(probs, labels, n_classes)
    present = torch.bincount(labels, minlength=n_classes) > 0
    return (shares[present] - (0.5 if is_binary else 1 / margins.shape[2])).square().mean()


def boundary_crowding(margins: torch.Tensor, width: float) -> torch.Tensor:
    """mean exp(-(m / width)^2), m the distance from the boundary: how many datapoints lie near it (docs/method.md,
    section 3). margins [N], [N, K] or [N, K, V]."""
    distances = fan_distances(margins) if margins.dim() == 3 else margins
    return distances.div(width).square().neg().exp().mean()


def fan_distances(margins: torch.Tensor) -> torch.Tensor:
    """Distance of embeddings from the nearest boundary between two values, which are neighbours: their directions are
    2 sin(pi / V) apart. margins [N, K, V]; gives [N, K]."""
    highest = margins.topk(2, dim=-1).values
    return (highest[..., 0] - highest[..., 1]) / (2 * math.sin(math.pi / margins.shape[-1]))


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
    """Of every pair of tasks the share of datapoints with the same value, where the values of one are matched to those
    of the other as well as can be: of two values max(agreement, 1 - agreement). task_labels int [N, K], 0..V-1; gives
    [K, K]."""
    n_points, n_tasks = task_labels.shape
    n_values = int(task_labels.max()) + 1
    similarity = torch.eye(n_tasks, dtype=torch.float64)
    for one, other in itertools.combinations(range(n_tasks), 2):
        pairs = task_labels[:, one] * n_values + task_labels[:, other]
        counts = torch.bincount(pairs, minlength=n_values**2).view(n_values, n_values).numpy()
        matched = counts[linear_sum_assignment(counts, maximize=True)].sum() / n_points
        similarity[one, other] = similarity[other, one] = float(matched)
    return similarity
