"""What is wrong with a setting, in one line each: what was given, and what is allowed."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, Protocol

from splitgen.errors import SettingError

SHOWN = 100  # characters of a value in a message


def fault(name: str, value: object, allowed: str) -> str:
    return f"{name} must be {allowed}, got {show_value(value)}"


def show_value(value: object) -> str:
    """A value for a message: dates as TOML has them, and what is long cut short."""
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    try:
        shown = repr(value)
    except ValueError:  # Python writes no number of more than some thousand digits
        return "a number too long to show"
    return shown if len(shown) <= SHOWN else f"{shown[: SHOWN - 3]}..."


def text_fault(name: str, value: object) -> str | None:
    """Fault of what is no text, or one that no file can be named by."""
    if not isinstance(value, str):
        return fault(name, value, "a text")
    return fault(name, value, "a text without the character NUL") if "\0" in value else None


class Stage(Protocol):
    """A stage's settings."""

    def faults(self) -> Iterator[str]: ...


def check(stage: Stage) -> None:
    """Raise `SettingError` with every fault of the stage."""
    found = list(stage.faults())
    if found:
        raise SettingError(*found)


def positive_faults(stage: Any, *names: str) -> Iterator[str]:
    """Faults of the fields that must be above 0, or None, which leaves them to the defaults."""
    for name in names:
        if (value := getattr(stage, name)) is not None and not value > 0:
            yield fault(name, getattr(stage, name), "above 0")


def least_faults(stage: Any, least: float, *names: str, prefix: str = "") -> Iterator[str]:
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
