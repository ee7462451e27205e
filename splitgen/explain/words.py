"""The reading of a task in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from splitgen.explain.attributes import CLASS, Association
from splitgen.explain.together import Together

CLEAR_AUC, WEAK_AUC = 0.75, 0.60  # from the first on an attribute explains a task, from the second on it leans that way
MAX_WITHIN = 3  # attributes that a sentence about the classes names


@dataclass(frozen=True)
class ClassReading:
    """What parts the two sides within one class: its strongest association.

    follows: AUC within the class of the task's strongest attribute, in the direction that it has over all classes:
        below 0.5 the class goes the other way. None where that attribute does not vary, or is the class itself.
    """

    label: int
    class_name: str
    association: Association
    follows: float | None


def say(
    name: str,
    associations: Sequence[Association],
    of_class: Association | None,
    within: Sequence[ClassReading],
    together: Together | None,
    joint_auc: float | None,
) -> list[str]:
    """The reading of a task in sentences. associations: the strongest first, none like another. of_class: the
    class's."""
    if not associations:
        return [f"Nothing is known of the datapoints that could explain {name}."]
    lines = [say_strongest(name, associations[0])]
    lines += [*say_together(together), *say_following(associations), *say_within(within)]
    if of_class is not None and of_class != associations[0]:
        lines.append(say_class(of_class))
    if joint_auc is not None:
        told = f"All image statistics together tell the side of unseen datapoints with an AUC of {joint_auc:.2f}"
        lines.append(f"{told}: {judge_joint(joint_auc)}.")
    return lines


def say_strongest(name: str, best: Association) -> str:
    """The strongest attribute and its figures: within class, where there is one, and over all datapoints."""
    told = (
        f"AUC {best.auc:.2f}" if best.within is None else f"AUC {best.within:.2f} within class, {best.auc:.2f} over all"
    )
    figures, subject = f"{best.name}, {told} (0.5 is chance, 1 perfect)", name[:1].upper() + name[1:]
    if best.strength >= CLEAR_AUC:
        return f"{subject} separates {best.side_1} (side +) from {best.side_0} (side -): {figures}."
    if best.strength >= WEAK_AUC:
        return f"{subject} leans to {best.side_1} on side + and {best.side_0} on side -, weakly: {figures}."
    return f"No single attribute explains {name}; the nearest is {figures}."


def say_together(together: Together | None) -> list[str]:
    """What a few attributes tell, where it is much more than the strongest alone."""
    if together is None or not together.is_much_more:
        return []
    others = " and ".join(together.names[1:])
    return [
        f"Together with {others} it tells much more: of unseen datapoints within class with an AUC of "
        f"{together.auc:.2f}, alone with {together.alone:.2f}."
    ]


def say_following(associations: Sequence[Association]) -> list[str]:
    """The next attributes that go the same way."""
    following = [each for each in associations[1:4] if each.strength >= WEAK_AUC and each.origin != CLASS]
    listed = ", ".join(f"{each.side_1} (AUC {each.strength:.2f})" for each in following)
    return [f"Side + goes with {listed}, too."] if following else []


def say_within(within: Sequence[ClassReading]) -> list[str]:
    """The attributes that part the sides within classes: in how many each is the strongest, and how strong."""
    clear = [each.association for each in within if each.association.auc >= CLEAR_AUC]
    if not clear:
        return []
    counts = Counter(each.name for each in clear).most_common()
    parts = [f"{name} ({n} of {len(within)})" for name, n in counts[:MAX_WITHIN]]
    if len(counts) > MAX_WITHIN:
        parts.append(f"others ({sum(n for _, n in counts[MAX_WITHIN:])})")
    if len(clear) < len(within):
        parts.append(f"nothing clear ({len(within) - len(clear)})")
    low, high = (f"{bound(each.auc for each in clear):.2f}" for bound in (min, max))
    span, where = low if low == high else f"{low} to {high}", " where clear" if len(clear) < len(within) else ""
    return [f"Within a class the strongest is {', '.join(parts)}; AUC {span}{where}."]


def say_class(of_class: Association) -> str:
    """Whether the sides follow the class."""
    auc = f"AUC {of_class.auc:.2f}"
    if of_class.auc < WEAK_AUC:
        return f"It is not the class: about as many datapoints of each class lie on side + as on side - ({auc})."
    return f"The sides also follow the class: {of_class.side_1} on side +, {of_class.side_0} on side - ({auc})."


def judge_joint(auc: float) -> str:
    if auc >= 0.9:
        return "they predict it well"
    return "they predict part of it" if auc >= CLEAR_AUC else "it is mostly something that they do not measure"
