"""All settings of a run, in the order of their tables."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any, get_type_hints

from splitgen.settings.fields import Setting, list_settings
from splitgen.settings.stages import RunConfig


def list_stages() -> Iterator[tuple[str, Any]]:
    """The run's own settings, under the table "", and each stage's dataclass under its table."""
    yield "", RunConfig
    for name, hint in get_type_hints(RunConfig).items():
        if dataclasses.is_dataclass(hint):
            yield name, hint


@functools.cache
def all_settings() -> tuple[Setting, ...]:
    return tuple(found for table, stage in list_stages() for found in list_settings(stage, table))
