"""What is wrong with a setting, in one line each: what was given, and what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from splitgen.errors import SettingError


def fault(name: str, value: object, allowed: str) -> str:
    return f"{name} must be {allowed}, got {value!r}"


class Stage(Protocol):
    """A stage's settings."""

    def faults(self) -> Iterator[str]: ...


def check(stage: Stage) -> None:
    """Raise `SettingError` with every fault of the stage."""
    found = list(stage.faults())
    if found:
        raise SettingError(*found)


def positive_faults(stage: Any, *names: str) -> Iterator[str]:
    """Faults of the fields that must be above 0."""
    for name in names:
        if not getattr(stage, name) > 0:
            yield fault(name, getattr(stage, name), "above 0")


def least_faults(stage: Any, least: int, *names: str, prefix: str = "") -> Iterator[str]:
    """Faults of the fields that must be a number or more, or None, which leaves them to the defaults by size."""
    for name in names:
        value = getattr(stage, name)
        if value is not None and value < least:
            yield fault(f"{prefix}{name}", value, f"{least} or more")


def choice_faults(stage: Any, name: str, allowed: tuple[str, ...]) -> Iterator[str]:
    """Fault of a field that must be one of a few words."""
    if getattr(stage, name) not in allowed:
        yield fault(name, getattr(stage, name), f"one of {', '.join(allowed)}")


def colour_faults(stage: Any, name: str) -> Iterator[str]:
    """Fault of a field that must be an opaque colour, as Pillow names them."""
    from PIL import ImageColor  # here, for the command line starts without it

    try:
        opaque = len(ImageColor.getrgb(getattr(stage, name))) == 3
    except (ValueError, AttributeError, TypeError):
        opaque = False
    if not opaque:
        yield fault(name, getattr(stage, name), "an opaque colour, such as white, black or #808080")
