"""All objectives by name. Add one by a class with the methods of `splitgen.tasks.meta.Objective` and a line here, or,
from another package, by an entry of the dict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from splitgen.tasks.meta import Objective
from splitgen.tasks.objectives.agreement import AgreementObjective
from splitgen.tasks.objectives.failure import FailureObjective
from splitgen.tasks.problem import MetaProblem

# Called with the problem, and the class sides [C] of the split that the task is for; None where it is for none.
OBJECTIVES: dict[str, Callable[[MetaProblem, np.ndarray | None], Objective]] = {
    "agreement": AgreementObjective,
    "failure": FailureObjective,
}
