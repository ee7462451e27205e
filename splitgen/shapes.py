"""What the JSON objects of splitgen's own files look like: a shape for each kind of file, and its one check.

A shape has what somebody reads of such a file; whatever else an object holds is left as it is, and what an earlier
version did not write may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Required

from pydantic import AfterValidator, NonNegativeInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from splitgen.settings.faults import show_value


class DatasetShape(TypedDict, total=False):
    """Of the dataset that a file was made of."""

    source: Required[str]
    fingerprint: Required[str]
    class_names: Required[list[str]]
    n_points: int


class OriginShape(TypedDict, total=False):
    """The same, of a file that is only compared with its dataset."""

    source: str
    fingerprint: Required[str]


class AgreementShape(TypedDict, total=False):
    """An agreement score."""

    task: Required[str]
    agreement_score: Required[float]
    kappa: Required[float]
    train_accuracy: Required[float]
    class_balance: Required[list[float]]
    fitted: Required[bool]


class FigureShape(TypedDict):
    """A figure over the seeds."""

    values: list[float]
    mean: float
    low: float
    high: float


class FiguresShape(TypedDict, total=False):
    """The figures of a verification."""

    train_holdout_accuracy: Required[FigureShape]
    test_accuracy: Required[FigureShape]
    worst_class_accuracy: Required[FigureShape]
    random_accuracy: Required[FigureShape]
    recoverable_accuracy: Required[FigureShape]
    fair_drop: Required[FigureShape]
    source_test_accuracy: FigureShape
    source_test_random_accuracy: FigureShape


class VerificationShape(TypedDict, total=False):
    """A verification."""

    model: Required[str]
    figures: Required[FiguresShape]
    worst_class: Required[NonNegativeInt]
    imbalance: Required[float]
    n_train: Required[int]
    n_test: Required[int]
    is_adversarial: Required[bool]
    verdict: Required[str]


class GroupsShape(TypedDict, total=False):
    """The groups that a split keeps whole."""

    column: str | None
    duplicates: bool
    n_groups: int
    miss: dict[str, int]


class IndexShape(TypedDict, total=False):
    """Metadata of an index file (docs/method.md, section 9)."""

    schema_version: Required[int]
    dataset: Required[DatasetShape]
    target: str
    task: int | None
    task_name: str
    way: str
    refined: bool
    sharpened: int
    class_sides: list[int]
    train_thresholds: list[float] | None
    test_thresholds: list[float] | None
    alignment: float | None
    seed: int | None
    meta_steps: int
    refinement_steps: int
    agreement: list[AgreementShape]
    groups: GroupsShape | None
    config: dict[str, Any]
    verification: VerificationShape | None


class TasksShape(TypedDict, total=False):
    """Metadata of a tasks file."""

    tasks_schema_version: Required[int]
    dataset: OriginShape
    way: str
    config: dict[str, Any]
    meta_steps: int
    agreement: list[AgreementShape]
    task_similarity: list[list[float]]


class EnvironmentShape(TypedDict, total=False):
    threads: int


class DiscoveryStepShape(TypedDict):
    divergence: float
    agreement: float
    uniformity: float


class DiscoveryShape(TypedDict, total=False):
    meta_steps: int
    history: list[DiscoveryStepShape]


class RefinementStepShape(TypedDict):
    failure: float


class RefinementShape(TypedDict):
    history: list[RefinementStepShape]


class ExplanationShape(TypedDict):
    sentences: list[str]


class ComparisonShape(TypedDict):
    """A splitter of a comparison."""

    splitter: str
    figures: FiguresShape
    imbalance: float
    cpu_seconds: float


class PairsShape(TypedDict):
    """A confusion of many classes: the counts of some pairs of class and output."""

    shape: list[NonNegativeInt]
    totals: list[NonNegativeInt]
    classes: list[NonNegativeInt]
    outputs: list[NonNegativeInt]
    counts: list[NonNegativeInt]


Matrix = list[list[NonNegativeInt]]


def fit_matrix(rows: Matrix) -> Matrix:
    if len({len(row) for row in rows}) != 1 or not rows[0]:
        raise ValueError("rows should be of one length")
    return rows


def fit_pairs(pairs: PairsShape) -> PairsShape:
    if len(pairs["shape"]) != 2 or len(pairs["totals"]) != pairs["shape"][0]:
        raise ValueError("there should be a total for each class")
    if len({len(pairs["classes"]), len(pairs["outputs"]), len(pairs["counts"])}) != 1:
        raise ValueError("there should be a class and an output for each count")
    for numbers, below in ((pairs["classes"], pairs["shape"][0]), (pairs["outputs"], pairs["shape"][1])):
        if any(number >= below for number in numbers):
            raise ValueError("classes and outputs should be of the shape")
    return pairs


Counts = Annotated[Matrix, AfterValidator(fit_matrix)] | Annotated[PairsShape, AfterValidator(fit_pairs)]


class ConfusionShape(TypedDict):
    test: Counts
    random: Counts


class RecordShape(TypedDict, total=False):
    """run.json."""

    command: str
    command_line: list[str]
    config: dict[str, Any]
    chosen: dict[str, Any]
    environment: EnvironmentShape
    seconds: dict[str, float]
    dataset: OriginShape
    way: str
    tasks: str
    rows_hash: str
    agreement: list[AgreementShape]
    discovery: DiscoveryShape
    refinement: list[RefinementShape]
    refinement_steps: int
    explanations: list[ExplanationShape]
    confusion: ConfusionShape | None
    transfer: list[VerificationShape]
    comparison: list[ComparisonShape]


@cache
def make_adapter(shape: type) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def find_misfit(value: Any, shape: type) -> str | None:
    """What in a JSON object is not as the shape has it, in one line; None where all is."""
    try:
        make_adapter(shape).validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = follow(value, first["loc"])
        if first["type"] == "missing":
            return f"'{place}.{first['loc'][-1]}' is missing".replace("'.", "'")
        problem = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
        problem = problem.replace("a valid dictionary", "a JSON object")
        return f"'{place}' {problem}, but is {show_value(first['input'])}" if place else f"it {problem}"
    return None


def follow(value: Any, place: Sequence[int | str]) -> str:
    """The dotted place in a JSON object; pydantic names the branch of a union on the way, too."""
    names: list[str] = []
    for name in place:
        is_there = name in value if isinstance(value, Mapping) else isinstance(value, list) and isinstance(name, int)
        if is_there:
            value = value[name]
            names.append(str(name))
    return ".".join(names)
