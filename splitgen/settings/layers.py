"""Nested settings from TOML and the command line, and a checked `RunConfig` from them."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_type_hints

from splitgen.errors import SettingError
from splitgen.json_text import check_depth
from splitgen.settings.faults import check, fault, text_fault
from splitgen.settings.stages import HALVES, RunConfig

Settings = dict[str, Any]
LARGEST = 1e300  # a number as large as this, infinity and NaN are no settings
LARGEST_WHOLE = 2**63  # nor is a whole number that TOML, Parquet and torch have no room for
LONGEST = 1e9  # seconds, minutes or hours: beyond it no clock counts
WHOLE_NUMBER = "a whole number of at most 64 bits"


def read_toml(path: Path) -> Settings:
    """Settings of a TOML file, as nested dictionaries. Raises `SettingError`."""
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        check_depth(settings)  # dotted names may be of any length
    except OSError as error:
        raise SettingError(f"config '{path}' cannot be read ({error.strerror}); give a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"config '{path}' is not TOML ({error}); see the README for an example") from error
    except (RecursionError, ValueError) as error:
        problem = "nested too deeply" if isinstance(error, RecursionError) else "a number of thousands of digits"
        raise SettingError(f"config '{path}' is not TOML ({problem}); see the README for an example") from error
    return settings


def merge_settings(below: Mapping[str, Any], above: Mapping[str, Any]) -> Settings:
    """Nested settings, where `above` wins; a None in `above` says nothing.

    Raises `SettingError` where a table lies above what is none, which would be lost.
    """
    merged = dict(below)
    for name, value in above.items():
        if isinstance(value, Mapping):
            under = merged.get(name, {})
            if not isinstance(under, Mapping):
                raise SettingError(fault(name, under, "a table"))
            merged[name] = merge_settings(under, value)
        elif value is not None:
            merged[name] = value
    return merged


OF_MODEL = ("weights", "freeze")
OF_RULE = ("test_fraction", "reserve_fraction")


def put_above(recorded: Mapping[str, Any], of_user: Mapping[str, Any]) -> Settings:
    """Settings that a file records, and above them what a user says: weights that are recorded are those of the model
    that is, and of no other that the user names, and so are sizes those of the rule that is."""
    if (model := of_user.get("model")) is not None and model != recorded.get("model"):
        recorded = {name: value for name, value in recorded.items() if name not in OF_MODEL}
    selection, rule = recorded.get("selection"), find_rule(of_user)
    if isinstance(selection, Mapping) and rule is not None and rule != (find_rule(recorded) or HALVES):
        recorded = {**recorded, "selection": {name: selection[name] for name in selection if name not in OF_RULE}}
    return merge_settings(recorded, of_user)


def find_rule(settings: Any) -> Any:
    """The rule of nested settings, unchecked; None where they name none."""
    selection = settings.get("selection") if isinstance(settings, Mapping) else None
    return selection.get("rule") if isinstance(selection, Mapping) else None


def drop_unknown(settings: Mapping[str, Any], stage: Any = RunConfig, prefix: str = "") -> tuple[Settings, list[str]]:
    """Recorded settings without those that this version does not know, and the names of these."""
    hints, known, unknown = get_type_hints(stage), dict[str, Any](), list[str]()
    for name, value in settings.items():
        if name not in hints:
            unknown.append(f"{prefix}{name}")
        elif dataclasses.is_dataclass(hints[name]) and isinstance(value, Mapping):
            known[name], below = drop_unknown(value, hints[name], f"{prefix}{name}.")
            unknown += below
        else:
            known[name] = value
    return known, unknown


def build_config(settings: Mapping[str, Any]) -> RunConfig:
    """A checked `RunConfig` from nested settings. Raises one `SettingError` with all faults."""
    faults: list[str] = []
    config: RunConfig = build_stage(RunConfig, settings, "", faults)
    if faults:
        raise SettingError(*faults)
    check(config)
    return config


def build_stage(stage: Any, settings: Mapping[str, Any], prefix: str, faults: list[str]) -> Any:
    """One dataclass from its settings; unknown names and wrong types go to `faults`."""
    hints = get_type_hints(stage)
    values: Settings = {}
    for name, value in settings.items():
        if name not in hints:
            faults.append(f"unknown setting '{prefix}{name}'; allowed: {', '.join(hints)}")
        elif dataclasses.is_dataclass(hints[name]):
            if isinstance(value, Mapping):
                values[name] = build_stage(hints[name], value, f"{prefix}{name}.", faults)
            else:
                faults.append(fault(f"{prefix}{name}", value, "a table"))
        else:
            values[name] = convert(value, str(hints[name]), f"{prefix}{name}", faults)
    return stage(**values)


def convert(value: Any, hint: str, name: str, faults: list[str]) -> Any:
    """The value as the field's type has it, or a fault."""
    if value is None and "None" in hint:
        return None
    if hint.startswith("tuple"):
        if isinstance(value, (list, tuple)) and all(isinstance(each, int) and is_whole(each) for each in value):
            return tuple(value)
        faults.append(fault(name, value, "a list of whole numbers"))
    elif "float" in hint:
        if is_number(value):
            return float(value)
        faults.append(fault(name, value, "a number"))
    elif "int" in hint:
        if is_whole(value):
            return int(value)
        faults.append(fault(name, value, WHOLE_NUMBER))
    elif "bool" in hint:
        if isinstance(value, bool):
            return value
        faults.append(fault(name, value, "true or false"))
    elif (found := text_fault(name, value)) is not None:
        faults.append(found)
    return value


def is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < LARGEST


def is_whole(value: Any) -> bool:
    return is_number(value) and value == int(value) and abs(value) < LARGEST_WHOLE


def parse_duration(text: str, name: str = "budget") -> float:
    """Seconds of a text such as `90s`, `10m`, `1.5h` or `600`. name: of what it is given for. Raises `SettingError`."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smh]?)\s*", text)
    if not match or not 0 < float(match[1]) <= LONGEST:
        raise SettingError(fault(name, text, "a time such as 90s, 10m or 1h"))
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def flatten_settings(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by names such as "training.epochs"; lists in place of tuples, as JSON has them."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat.update(flatten_settings(value, f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = list(value) if isinstance(value, tuple) else value
    return flat
