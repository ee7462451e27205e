"""JSON of files, read so that whoever walks through it meets nothing that JSON of ours cannot hold."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

DEEPEST = 100  # lists and objects in one another, which no file that people or tools write comes near


class JsonError(ValueError):
    """A text is no JSON that can be used. reason: why, in a few words."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"no JSON ({reason})")


def parse_json(
    text: str | bytes, *, is_ours: bool = False, pairs_hook: Callable[[list[tuple[str, Any]]], Any] | None = None
) -> Any:
    """The value of a JSON text, with what nobody could walk through left out. Bytes are UTF-8.

    is_ours: splitgen wrote it, and writes neither NaN nor infinity. pairs_hook: makes an object of its pairs.
    Raises `JsonError`; what `pairs_hook` raises as a `ValueError` becomes one.
    """
    hooks: dict[str, Any] = {"parse_constant": refuse_constant, "parse_float": parse_finite} if is_ours else {}
    try:
        value = json.loads(text if isinstance(text, str) else text.decode(), object_pairs_hook=pairs_hook, **hooks)
        check_depth(value)
    except RecursionError as error:
        raise JsonError("nested too deeply") from error
    except UnicodeDecodeError as error:
        raise JsonError("no UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise JsonError(f"{error.msg}, line {error.lineno}") from error
    except JsonError:
        raise
    except ValueError as error:  # of a hook, or of a number of thousands of digits
        raise JsonError(" ".join(str(error).split()).partition(";")[0]) from error
    return value


def check_depth(value: Any) -> None:
    """Raise `RecursionError` for lists and dictionaries that whoever walks through them would fail at."""
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, (dict, list))
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise RecursionError


def refuse_constant(name: str) -> Any:
    """NaN, Infinity or -Infinity, which are not JSON."""
    raise JsonError(f"{name} for a number")


def parse_finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise JsonError(f"{text[:40]} for a number is too large")
    return value
