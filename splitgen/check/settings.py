"""Settings of the gate: the command line, above `[tool.splitgen.check]` of a TOML file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from splitgen.check.thresholds import FIGURE_OF, Thresholds
from splitgen.errors import SettingError
from splitgen.parquet import find_output_fault
from splitgen.settings.faults import fault, text_fault
from splitgen.settings.layers import read_toml

DEFAULT_FILE = Path("pyproject.toml")
LISTS = ("splits", "models")
PATHS = ("predictions", "control_predictions", "baseline", "junit", "out")
NUMBERS = tuple(FIGURE_OF)

# Settings by the name that the command line has for them.
GATE_OPTIONS = {
    **{name: name for name in (*NUMBERS, *PATHS, "splits", "dataset", "seeds", "warn_only")},
    "model": "models",
}


@dataclass(frozen=True)
class GateSettings:
    """What is judged by what, and where the result goes.

    splits: index files or run folders. models: names as in `make`; none: the model that each split was made with.
    predictions: of one model, made elsewhere; control_predictions: see `judge_predictions`.
    junit, out: files for JUnit XML and for JSON. seeds: None takes those of the verification's settings.
    warn_only: a failed threshold does not fail the gate.
    """

    thresholds: Thresholds
    splits: tuple[Path, ...] = ()
    models: tuple[str, ...] = ()
    predictions: Path | None = None
    control_predictions: Path | None = None
    baseline: Path | None = None
    dataset: str | None = None
    seeds: int | None = None
    junit: Path | None = None
    out: Path | None = None
    warn_only: bool = False

    def check(self) -> None:
        """Raises `SettingError` with all that is missing or does not go together."""
        faults = []
        if not self.splits:
            faults.append("no split given; give an index file, or splits = [...] in [tool.splitgen.check]")
        if not list(self.thresholds.given()) and self.baseline is None:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in NUMBERS)
            faults.append(f"no threshold given; give one of {names} or --baseline")
        if self.predictions is not None and (len(self.splits) > 1 or len(self.models) > 1):
            faults.append("--predictions are of one model on one split; call check once for each")
        if self.control_predictions is not None and self.predictions is None:
            faults.append("--control-predictions go with --predictions")
        if self.predictions is None and "" in self.models:
            faults.append("a model's name is empty; give one as in make, or none for the split's own")
        written = [path for path in (self.junit, self.out) if path is not None]
        faults += [found for path in written if (found := find_output_fault(path)) is not None]
        if self.junit is not None and self.junit == self.out:
            faults.append(f"--junit and --out are the same file '{self.out}'; give two")
        if faults:
            raise SettingError(*faults)


def choose_gate_settings(given: Mapping[str, Any], config: Path | None) -> GateSettings:
    """Settings from the command line (None or an empty list: not given) above those of a TOML file.

    config: None takes pyproject.toml of this folder, where it has the table. Raises `SettingError`.
    """
    table = read_table(config)
    # an empty list is what the command line gives for no arguments; 0 and False are answers
    values: dict[str, Any] = {**table, **{name: value for name, value in given.items() if value not in (None, [])}}
    thresholds = Thresholds(**{name: values.pop(name, None) for name in NUMBERS})
    for name in LISTS:
        kind: Any = Path if name == "splits" else str
        values[name] = tuple(kind(value) for value in values.get(name, ()))
    for name in PATHS:
        values[name] = None if values.get(name) is None else Path(values[name])
    settings = GateSettings(thresholds, **values)
    settings.check()
    return settings


def read_table(config: Path | None) -> dict[str, Any]:
    """The table `[tool.splitgen.check]`, checked for unknown names and wrong types."""
    path = config or DEFAULT_FILE
    if config is None and not path.is_file():
        return {}
    table: Any = read_toml(path)
    for name in ("tool", "splitgen", "check"):
        table = table.get(name) if isinstance(table, dict) else None
    if table is None:
        if config is None:
            return {}
        raise SettingError(f"'{path}' has no table [tool.splitgen.check]; see the README")
    if not isinstance(table, dict):
        raise SettingError(fault(f"[tool.splitgen.check] of '{path}'", table, "a table"))
    allowed = [*NUMBERS, *(field.name for field in fields(GateSettings) if field.name != "thresholds")]
    faults = [
        f"unknown setting '{name}' in [tool.splitgen.check]; allowed: {', '.join(allowed)}"
        for name in table
        if name not in allowed
    ]
    faults += [found for name, value in table.items() if (found := find_type_fault(name, value)) is not None]
    if faults:
        raise SettingError(*faults)
    return dict(table)


def find_type_fault(name: str, value: Any) -> str | None:
    """What is wrong with the type of a setting of the table."""
    if name in LISTS:
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            return fault(name, value, "a list of texts")
        return next((found for each in value if (found := text_fault(name, each)) is not None), None)
    if name in (*PATHS, "dataset"):
        return text_fault(name, value)
    if name == "seeds" and (not isinstance(value, int) or isinstance(value, bool)):
        return fault(name, value, "a whole number")
    if name == "warn_only" and not isinstance(value, bool):
        return fault(name, value, "true or false")
    return None
