"""What is named first: the strongest within class, and what a few attributes tell together."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from splitgen.explain.attributes import CLASS, IMAGE, METADATA, Attribute
from splitgen.explain.evidence import Evidence
from splitgen.explain.explanation import explain_task
from splitgen.explain.ranking import measure_gap, rank_scores, score_attributes, weigh_classes
from splitgen.explain.together import measure_together

N = 2000


def gather(labels: np.ndarray, **columns: np.ndarray) -> Evidence:
    """Evidence of image statistics by name, and the class."""
    names = tuple(f"class {c}" for c in range(int(labels.max()) + 1))
    attributes = [Attribute(name, IMAGE, values, f"low {name}", f"high {name}") for name, values in columns.items()]
    attributes.append(Attribute("class", CLASS, np.array(names, dtype=object)[labels]))
    return Evidence(np.arange(len(labels)), labels, names, tuple(attributes))


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(0)


def test_the_figures_are_those_of_scikit_learn_over_all_and_within_each_class(random):
    labels, margins = random.integers(0, 3, N), random.normal(size=N)
    values = np.round(margins + 2 * random.normal(size=N) - labels, 1)
    scores = score_attributes(gather(labels, light=values), margins)
    above = margins > 0
    assert scores.overall[0] == pytest.approx(roc_auc_score(above, values))
    aucs = [roc_auc_score(above[labels == c], values[labels == c]) for c in range(3)]
    sizes = [above[labels == c].mean() * (1 - above[labels == c].mean()) * (labels == c).sum() for c in range(3)]
    assert scores.within[0] == pytest.approx(np.average(aucs, weights=sizes))


def test_what_is_strongest_over_all_by_way_of_the_class_is_not_named_first(random):
    """The sides follow the class in four of five datapoints, and the brightness is the class's; what parts the sides
    of a class is the warmth."""
    labels = random.integers(0, 2, N)
    margins = np.where(random.random(N) < 0.8, 1, -1) * np.where(labels == 1, 1.0, -1.0)
    brightness = labels + random.normal(size=N) / 10
    warmth = margins + 2 * random.normal(size=N)
    evidence = gather(labels, brightness=brightness, warmth=warmth)
    scores = score_attributes(evidence, margins)
    assert scores.overall[0] > scores.overall[1] - 0.05
    explanation = explain_task(evidence, "task 0", margins)
    first = explanation.associations[0]
    assert first.name == "warmth"
    assert first.within == pytest.approx(0.76, abs=0.03)
    assert f"AUC {first.within:.2f} within class, {first.auc:.2f} over all" in explanation.sentences[0]
    others = {each.name: each for each in explanation.associations}
    assert others["brightness"].within == pytest.approx(0.5, abs=0.05)
    assert others["class"].within is None


def test_an_attribute_has_one_direction_for_all_classes(random):
    """Bright is on side + in class 0 alone, that is the largest; so it is over all, and less within class."""
    labels = np.repeat([0, 1], [1500, 500])
    margins = random.normal(size=2000)
    values = np.where(labels == 0, margins, -margins)
    scores = score_attributes(gather(labels, light=values), margins)
    assert scores.overall[0] > 0.6
    assert scores.within[0] == pytest.approx(0.75, abs=0.02)


def test_a_column_that_is_the_shortcut_comes_before_a_statistic_that_is_as_strong(random):
    labels, margins = random.integers(0, 4, N), random.normal(size=N)
    evidence = gather(labels, light=margins)
    site = Attribute("site", METADATA, np.where(margins > 0, "north", "south").astype(object))
    evidence = Evidence(evidence.rows, labels, evidence.class_names, (*evidence.attributes, site))
    order = rank_scores(evidence, score_attributes(evidence, margins), margins)
    assert evidence.attributes[order[0]].name == "site"


def test_a_column_of_names_that_are_each_their_own_tells_nothing_within_class_either(random):
    labels, margins = random.integers(0, 4, N), random.normal(size=N)
    patients = Attribute("patient", METADATA, np.array([f"p{k}" for k in range(N)], dtype=object))
    evidence = Evidence(np.arange(N), labels, tuple("abcd"), (patients,))
    assert score_attributes(evidence, margins).strengths[0] < 0.55


def test_sides_that_are_classes_have_no_figure_within_class_and_the_class_is_first(random):
    labels = random.integers(0, 4, N)
    margins = np.where(labels < 2, 1.0, -1.0)
    evidence = gather(labels, light=random.normal(size=N) + margins)
    assert weigh_classes(evidence, margins) == {}
    explanation = explain_task(evidence, "task 0", margins)
    assert explanation.associations[0].name == "class"
    assert explanation.together is None


def test_the_whole_image_comes_before_a_part_that_says_no_more(random):
    labels, margins = random.integers(0, 4, N), random.normal(size=N)
    noise = random.normal(size=N)
    part = margins + 0.99 * noise
    evidence = gather(labels, light=margins + noise, other=random.normal(size=N), part=part)
    scores = score_attributes(evidence, margins)
    assert scores.within[2] > scores.within[0]
    assert evidence.attributes[rank_scores(evidence, scores, margins)[0]].name == "light"


def test_of_those_that_part_the_sides_wholly_the_one_that_differs_most_is_named(random):
    """Yellow paint is red, too: both tell all sides, and the yellow by a wider gap."""
    labels, margins = random.integers(0, 4, N), random.normal(size=N)
    painted = np.where(margins > 0, 1.0, 0.0)
    evidence = gather(labels, red=painted + random.random(N) / 2, yellow=3 * painted + random.random(N) / 2)
    scores = score_attributes(evidence, margins)
    assert scores.within[:2].tolist() == [1.0, 1.0]
    assert evidence.attributes[rank_scores(evidence, scores, margins)[0]].name == "yellow"
    assert measure_gap(evidence, 1, margins) == pytest.approx(3 / (0.5 / 12**0.5), rel=0.05)


def test_what_three_tell_together_is_said_with_the_figure_of_unseen_datapoints(random):
    labels = random.integers(0, 3, N)
    parts = random.normal(size=(N, 3))
    noise = {f"noise {k}": random.normal(size=N) for k in range(50)}
    evidence = gather(labels, warm=1.2 * parts[:, 0] + labels, fine=parts[:, 1], dark=-parts[:, 2], **noise)
    margins = parts @ [1.2, 1, 1]
    together = measure_together(evidence, margins, 0)
    assert (together.names[0], set(together.names)) == ("warm", {"warm", "fine", "dark"})
    assert together.alone == pytest.approx(0.8, abs=0.06)
    assert together.auc > 0.98
    said = explain_task(evidence, "task 0", margins).sentences[1]
    assert said.startswith("Together with fine and dark it tells much more") or said.startswith("Together with dark")
    assert f"AUC of {together.auc:.2f}" in said


def test_of_many_attributes_that_say_nothing_none_is_said_to_tell_more_together(random):
    labels, margins = random.integers(0, 3, N), random.normal(size=N)
    evidence = gather(labels, **{f"noise {k}": random.normal(size=N) for k in range(200)})
    together = measure_together(evidence, margins, 0)
    assert together.auc == pytest.approx(0.5, abs=0.05)
    assert not together.is_much_more
    assert not any("Together" in sentence for sentence in explain_task(evidence, "task 0", margins).sentences)


def test_what_is_alike_is_not_added(random):
    labels, margins = random.integers(0, 3, N), random.normal(size=N)
    light = margins + random.normal(size=N)
    evidence = gather(labels, light=light, double=2 * light + 1, near=light + random.normal(size=N) / 20)
    together = measure_together(evidence, margins, 0)
    assert together.names == ("light",)


def test_where_only_one_attribute_says_anything_it_is_told_alone(random):
    """A category of the user's: there are no numbers to add."""
    labels = random.integers(0, 2, N)
    for seed in range(20):
        draw = np.random.default_rng(seed)
        site = Attribute("site", METADATA, np.array(["a", "b"], dtype=object)[draw.integers(0, 2, N)])
        of_class = Attribute("class", CLASS, np.array(["class 0", "class 1"], dtype=object)[labels])
        evidence = Evidence(np.arange(N), labels, ("class 0", "class 1"), (site, of_class))
        together = measure_together(evidence, draw.normal(size=N), 0)
        assert together is None or together.names == ("site",)
