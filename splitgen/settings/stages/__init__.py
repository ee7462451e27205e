"""The settings of a run: one frozen dataclass a stage, one file each.

Every class has `faults()`, which lists all that is out of range; `check` raises them in
one `SettingError`. The maths never checks settings again. A new setting is one `setting(...)` in its stage: with its
`option`, all commands that take its table have it.
"""

from splitgen.settings.stages.agreement import AgreementConfig
from splitgen.settings.stages.data import OPENING, DataConfig
from splitgen.settings.stages.discovery import DiscoveryConfig
from splitgen.settings.stages.refinement import RefinementConfig
from splitgen.settings.stages.run import RunConfig
from splitgen.settings.stages.search import RANDOM, SEARCHED, SearchConfig
from splitgen.settings.stages.selection import EQUALITY, HALVES, SelectionConfig
from splitgen.settings.stages.sharpening import SharpeningConfig
from splitgen.settings.stages.tangent import TangentConfig
from splitgen.settings.stages.training import EPOCHS_BY_ROWS, TrainingConfig
from splitgen.settings.stages.verification import VerificationConfig

__all__ = [
    "AgreementConfig",
    "DataConfig",
    "DiscoveryConfig",
    "EPOCHS_BY_ROWS",
    "EQUALITY",
    "HALVES",
    "OPENING",
    "RANDOM",
    "RefinementConfig",
    "RunConfig",
    "SEARCHED",
    "SearchConfig",
    "SelectionConfig",
    "SharpeningConfig",
    "TangentConfig",
    "TrainingConfig",
    "VerificationConfig",
]
