"""A setting says everything about itself where it stands: default, meaning, and the option that gives it.

The command line, its help, the settings page and Python's `help` are made of that.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import Any, TypeVar, get_type_hints

from splitgen.settings.presets import SMALL_IMAGE

Value = TypeVar("Value")
Stage = TypeVar("Stage")
ABOUT = "about"
ARGUMENT = "DATASET"  # the one setting that is given by its position


@dataclass(frozen=True)
class About:
    """What a setting says of itself beside its default and type. See `setting`."""

    meaning: str
    left_open: str
    option: str | None


@dataclass(frozen=True)
class Setting:
    """A setting of a stage. table: of the TOML file, "" above all tables. hint: its type. default: None: left open."""

    table: str
    name: str
    hint: Any
    default: Any
    about: About

    @property
    def place(self) -> str:
        """As in a message: `discovery.n_tasks`."""
        return f"{self.table}.{self.name}" if self.table else self.name

    @property
    def parameter(self) -> str | None:
        """The option as a name of Python's; None where there is no option."""
        option = self.about.option
        return None if option is None else option.removeprefix("--").replace("-", "_").lower()


def setting(default: Value, meaning: str, left_open: str = "", *, option: str | None = None) -> Value:
    """A field of a stage's dataclass.

    meaning: for the help and the settings page, in words that stand alone; no full stop at the end.
    left_open: what becomes of a default that is None, in words. option: its flag, `ARGUMENT`, or None for none.
    """
    return dataclasses.field(default=default, metadata={ABOUT: About(meaning, left_open, option)})


def by_size(defaults: tuple[Any, Any], limit: int = SMALL_IMAGE, unit: str = "pixels") -> str:
    """The defaults below a size and from it on, in words."""
    small, larger = defaults
    return f"{larger}, below {limit:_} {unit} {small}"


def list_settings(stage: Any, table: str) -> list[Setting]:
    """The settings of one dataclass, without the stages that it holds.

    Raises `TypeError` for a field that says nothing of itself.
    """
    hints = get_type_hints(stage)
    found = []
    for field in dataclasses.fields(stage):
        if dataclasses.is_dataclass(hints[field.name]):
            continue
        if ABOUT not in field.metadata:
            raise TypeError(f"{stage.__name__}.{field.name} must be made by setting(default, meaning)")
        found.append(Setting(table, field.name, hints[field.name], field.default, field.metadata[ABOUT]))
    return found


def described(stage: type[Stage]) -> type[Stage]:
    """A dataclass whose docstring goes on with a line for each of its settings."""
    fields = [field for field in dataclasses.fields(stage) if ABOUT in field.metadata]  # type: ignore[arg-type]
    lines = [f"{field.name}: {tell_open(field)}" for field in fields]
    stage.__doc__ = "\n".join([inspect.getdoc(stage) or "", "", *lines])
    return stage


def tell_open(field: dataclasses.Field[Any]) -> str:
    """The meaning of a field, and what its None stands for."""
    about: About = field.metadata[ABOUT]
    return f"{about.meaning}; None: {about.left_open}." if about.left_open else f"{about.meaning}."
