"""The settings that the options of a command are, above what a TOML file and an earlier run say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splitgen.errors import SettingError
from splitgen.settings.catalogue import all_settings
from splitgen.settings.layers import build_config, drop_unknown, merge_settings, parse_duration, put_above, read_toml
from splitgen.settings.stages import RunConfig
from splitgen.shortages import try_threads

MOST_THREADS = 4096  # of any machine; torch counts no further than 32 bits


# Maybe: a user's own callable, which is imported only where the user names it, on each call.
NAMES_OF_CODE = ("model", "discovery_model", "discovery.trunk")


def collect_settings(given: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings of what was given on the command line."""
    settings: dict[str, Any] = {}
    for setting in all_settings():
        if setting.parameter is not None:
            table = settings.setdefault(setting.table, {}) if setting.table else settings
            table[setting.name] = given.get(setting.parameter)
    return settings


@dataclass(frozen=True)
class ChosenSettings:
    """The settings of a command, and what a user said of them.

    config: all, checked. named: what the command line or the TOML file says, as in "model" and "discovery.trunk", and
        not only a file that records an earlier run. unknown: recorded settings that this version does not know, and
        leaves out.
    """

    config: RunConfig
    named: frozenset[str]
    unknown: list[str]


def choose_settings(given: Mapping[str, Any], below: Mapping[str, Any] | None) -> ChosenSettings:
    """The checked settings: recorded ones below it, the TOML file and command line above."""
    from_file = read_toml(given["config"]) if given["config"] is not None else {}
    of_user = merge_settings(from_file, collect_settings(given))
    recorded, unknown = drop_unknown(below or {})
    merged = put_above(recorded, of_user)
    if given.get("tasks") is not None and given.get("dim") is None:
        merged["discovery"].pop("dim", None)  # it follows the tasks
    return ChosenSettings(build_config(merged), list_named(of_user), unknown)


def list_named(settings: Mapping[str, Any]) -> frozenset[str]:
    """Tables and settings by their dotted names."""
    inner = (f"{table}.{name}" for table, values in settings.items() if isinstance(values, Mapping) for name in values)
    return frozenset([*settings, *inner])


def check_repeats(given: Mapping[str, Any]) -> None:
    """Raise `SettingError` where options say what the run to be repeated has said, but where its data are."""
    calls = {"--budget": "budget", "--verify-budget": "verify_budget", "--config": "config"}
    told = [option for option, name in calls.items() if given.get(name) is not None]
    told += [
        str(setting.about.option)
        for setting in all_settings()
        if setting.parameter is not None and given.get(setting.parameter) is not None
        if setting.table != "data" and setting.place not in NAMES_OF_CODE
    ]
    if told:
        raise SettingError(f"--replay repeats a run as it was; leave out {', '.join(told)}")


def parse_budget(text: str | None, name: str = "budget") -> float | None:
    """Seconds of a time such as 10m. Raises `SettingError`."""
    return None if text is None else parse_duration(text, name)


def pick_device(name: str, threads: int | None) -> str:
    """The torch device; sets the number of threads. Raises `RuntimeError` where the system does not start so many."""
    import torch

    if name not in ("auto", "cpu", "cuda"):
        raise SettingError(f"device must be one of auto, cpu, cuda, got {name!r}")
    if threads is not None:
        if not 1 <= threads <= MOST_THREADS:
            raise SettingError(f"threads must be 1 or more, up to {MOST_THREADS}, got {threads}")
        torch.set_num_threads(threads)
    try_threads(torch.get_num_threads())
    if name == "cuda" and not torch.cuda.is_available():
        raise SettingError("device cuda was asked for, torch finds none; use --device cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name
