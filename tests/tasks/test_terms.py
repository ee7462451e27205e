"""Each term of the objective against numbers worked out by hand or by a loop."""

from __future__ import annotations

import itertools
import math

import numpy as np
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


def test_the_correlation_with_labellings_equals_a_loop_over_pairs_in_size():
    rng = np.random.default_rng(0)
    margins, labellings = rng.normal(size=(40, 3)), np.sign(rng.normal(size=(40, 2)))
    sums = [sum(abs(np.corrcoef(m, labelling)[0, 1]) for labelling in labellings.T) for m in margins.T]
    given = torch.from_numpy(margins), torch.from_numpy(labellings)
    assert float(terms.correlation_with(*given)) == pytest.approx(np.mean(sums))
    assert float(terms.correlation_with(given[0].view(40, 1, 3), given[1])) == pytest.approx(np.mean(sums))
    assert float(terms.correlation_with(given[0], torch.ones(40, 1, dtype=torch.float64))) == 0


def test_class_imbalance_is_zero_when_each_class_is_halved():
    labels = torch.tensor([0, 0, 1, 1])
    halved = torch.tensor([[1.0], [-1.0], [2.0], [-2.0]])
    assert float(terms.class_imbalance(halved, labels, 2)) == pytest.approx(0.0, abs=1e-7)
    one_sided = torch.tensor([[50.0], [50.0], [-50.0], [-50.0]])
    assert float(terms.class_imbalance(one_sided, labels, 2)) == pytest.approx(0.25)


def test_class_imbalance_of_more_values_is_that_of_their_shares_and_zero_where_these_are_equal():
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    values = torch.tensor([0, 1, 2, 2, 1, 0])
    margins = 50 * torch.nn.functional.one_hot(values, 3)[:, None].float()
    assert float(terms.class_imbalance(margins, labels, 2)) == pytest.approx(0.0, abs=1e-7)
    values[0] = 1  # class 0 has shares 0, 2/3, 1/3
    margins = 50 * torch.nn.functional.one_hot(values, 3)[:, None].float()
    assert float(terms.class_imbalance(margins, labels, 2)) == pytest.approx((2 / 9) / 6)


def test_terms_of_a_fan_of_two_values_are_those_of_its_binary_task():
    margins = torch.randn(40, 3, generator=torch.Generator().manual_seed(0))
    fans, labels = torch.stack([-margins, margins], dim=2), torch.arange(40) % 4
    for term, argument in ((terms.class_imbalance, (labels, 5)), (terms.boundary_crowding, (0.5,))):
        torch.testing.assert_close(term(fans, *argument), term(margins, *argument))


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


@pytest.mark.parametrize("n_values", [3, 4, 6])
def test_the_distance_from_the_boundary_between_two_values_is_how_far_a_point_must_go_to_another(n_values):
    torch.manual_seed(0)
    points, angles = torch.randn(30, 2), torch.arange(n_values) * (2 * math.pi / n_values)
    fan = torch.stack([angles.cos(), angles.sin()], dim=1)
    distances = terms.fan_distances(terms.fan_margins(points, fan[None]))[:, 0]
    value = (points @ fan.T).argmax(dim=1)
    for share, is_same in ((0.99, True), (1.01, False)):
        around = torch.arange(0, 2 * math.pi, 0.01)
        ring = torch.stack([around.cos(), around.sin()], dim=1)
        moved = points[:, None] + share * distances[:, None, None] * ring
        reached = (moved @ fan.T).argmax(dim=2) == value[:, None]
        assert reached.all(dim=1).all() == is_same
        assert is_same or not reached.all(dim=1).any()


def test_cohen_kappa_of_two_constants_is_zero_though_they_agree():
    constant = torch.zeros(10, dtype=torch.long)
    assert terms.prediction_agreement(constant, constant) == 1.0
    assert terms.cohen_kappa(constant, constant, 2) == 0.0


def test_cohen_kappa_by_hand():
    first, second = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 1, 1])
    assert terms.cohen_kappa(first, second, 2) == pytest.approx((0.75 - 0.5) / 0.5)


def test_cohen_kappa_of_three_values_by_hand():
    first, second = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0, 1, 1, 1, 2, 0])
    assert terms.cohen_kappa(first, second, 3) == pytest.approx((4 / 6 - 1 / 3) / (1 - 1 / 3))


@pytest.mark.parametrize("n_values", [2, 3, 4])
def test_the_similarity_is_the_best_of_all_permutations_of_the_values(n_values):
    generator = torch.Generator().manual_seed(n_values)
    labels = torch.randint(n_values, (90, 3), generator=generator)
    labels[:70, 1] = (labels[:70, 0] + 1) % n_values  # nearly the same task, with other names of its values
    similarity = terms.task_similarity(labels)
    for one, other in itertools.product(range(3), repeat=2):
        renamed = (torch.tensor(names)[labels[:, one]] for names in itertools.permutations(range(n_values)))
        agreements = [float((names == labels[:, other]).double().mean()) for names in renamed]
        assert float(similarity[one, other]) == pytest.approx(max(agreements))
        if n_values == 2:
            assert float(similarity[one, other]) == pytest.approx(max(agreements[0], 1 - agreements[0]))
    assert float(similarity[0, 1]) > 0.75


def test_opposed_tasks_are_the_same_task():
    labels = torch.tensor([[0, 1, 0], [1, 0, 0], [0, 1, 1], [1, 0, 1]])
    similarity = terms.task_similarity(labels)
    assert float(similarity[0, 1]) == 1.0
    assert float(similarity[0, 2]) == 0.5
    torch.testing.assert_close(similarity, similarity.T)
