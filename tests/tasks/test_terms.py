"""Each term of the objective against numbers worked out by hand or by a loop."""

from __future__ import annotations

import math

import pytest
import torch

from splitgen.tasks import terms


def test_soft_task_labels_are_a_softmax_of_minus_m_and_m():
    probs = terms.soft_task_labels(torch.tensor([0.0, 0.2]), temperature=5.0)
    assert probs[0].tolist() == [0.5, 0.5]
    assert float(probs[1, 1]) == pytest.approx(math.e / (math.e + 1 / math.e))


def test_divergence_of_equal_outputs_is_their_entropy():
    logits = torch.zeros(4, 2)
    assert float(terms.divergence(logits, logits)) == pytest.approx(math.log(2))


def test_divergence_is_symmetric():
    first, second = torch.randn(2, 8, 2, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(terms.divergence(first, second), terms.divergence(second, first))


def test_uniformity_equals_a_loop_over_pairs():
    h = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    z = [row / row.norm() for row in h]
    pairs = [math.exp(-2 * float((z[i] - z[j]).square().sum())) for i in range(6) for j in range(i)]
    assert float(terms.uniformity(h)) == pytest.approx(math.log(sum(pairs) / len(pairs)), abs=1e-5)


def test_class_imbalance_is_zero_when_each_class_is_halved():
    labels = torch.tensor([0, 0, 1, 1])
    halved = torch.tensor([[1.0], [-1.0], [2.0], [-2.0]])
    assert float(terms.class_imbalance(halved, labels, 2)) == pytest.approx(0.0, abs=1e-7)
    one_sided = torch.tensor([[50.0], [50.0], [-50.0], [-50.0]])
    assert float(terms.class_imbalance(one_sided, labels, 2)) == pytest.approx(0.25)


def test_class_means_leave_an_absent_class_at_zero():
    means = terms.class_means(torch.tensor([[1.0], [3.0]]), torch.tensor([0, 0]), 2)
    assert means.tolist() == [[2.0], [0.0]]


def test_means_of_many_classes_and_their_gradient_are_those_of_a_loop():
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(150, (400,), generator=generator)
    values = torch.randn(400, 3, generator=generator, requires_grad=True)
    means = terms.class_means(values, labels, 160)
    for c in range(160):
        mine = values[labels == c]
        assert torch.allclose(means[c], mine.mean(dim=0) if len(mine) else torch.zeros(3))
    means.sum().backward()
    assert torch.allclose(values.grad[:, 0], 1 / torch.bincount(labels)[labels])


def test_boundary_crowding_counts_margins_near_zero():
    assert float(terms.boundary_crowding(torch.tensor([0.0, 0.5]), 0.5)) == pytest.approx((1 + math.exp(-1)) / 2)


def test_cohen_kappa_of_two_constants_is_zero_though_they_agree():
    constant = torch.zeros(10, dtype=torch.long)
    assert terms.prediction_agreement(constant, constant) == 1.0
    assert terms.cohen_kappa(constant, constant, 2) == 0.0


def test_cohen_kappa_by_hand():
    first, second = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1])
    assert terms.cohen_kappa(first, second, 2) == pytest.approx((0.75 - 0.5) / 0.5)


def test_opposed_tasks_are_the_same_task():
    labels = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1]])
    similarity = terms.task_similarity(labels)
    assert float(similarity[0, 1]) == 1.0
    assert float(similarity[0, 2]) == 0.5
    torch.testing.assert_close(similarity, similarity.T)
