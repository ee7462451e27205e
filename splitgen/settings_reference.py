"""The settings reference: every setting of a run, by the table of the TOML file that it stands in, as Markdown.

Types and defaults are those of the dataclasses in `splitgen.settings.stages`, meanings the lines `name, other: text` of
their docstrings, so that there is one place to keep. `splitgen settings` prints it, and docs/settings.md is a copy.
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_type_hints

from splitgen.options import by_size, collect_settings
from splitgen.settings import presets
from splitgen.settings.presets import (
    DISCOVERY_DEFAULTS,
    FEW_POINTS,
    MAX_EPOCHS,
    MIN_EPOCHS,
    REFINEMENT_DEFAULTS,
    SMALL_IMAGE,
)
from splitgen.settings.stages import RunConfig, SharpeningConfig

FIELD_LINE = re.compile(r"(\w+(?:, \w+)*): (.+)")
TYPES = {  # by what the annotation holds; the first that fits, as where settings are read
    "tuple": "list of whole numbers",
    "float": "number",
    "int": "whole number",
    "bool": "true or false",
    "str": "text",
}
HEADER = "| setting | type | default | option | meaning |\n|---|---|---|---|---|"
INTRODUCTION = f"""\
# Settings

Every setting of a run, by the table of the TOML file (`--config FILE`) that it stands in; `splitgen settings` prints
this page. An option is one of `splitgen make` (other commands have those that they use) and wins over the file. A
setting that is left out (None, in Python and in the texts below) has its default; where this depends on the images,
"below {SMALL_IMAGE} pixels" is the shorter side of an image. Symbols and words are those of [the method](method.md).
What belongs to a call and not to its result (`--budget`, `--device`, `--threads`, `--out`, `--quiet`, `--json`) is an
option alone."""

Place = tuple[str, str]  # table ("" above all tables) and name of a setting


def render_reference(option_names: Iterable[str]) -> str:
    """The reference as Markdown. option_names: of the parameters that a command has."""
    options = find_options(option_names)
    return "\n\n".join([INTRODUCTION, *(render_stage(table, stage, options) for table, stage in list_stages())])


def list_stages() -> Iterator[tuple[str, Any]]:
    """The run's own settings, under the table "", and each stage's dataclass under its table."""
    yield "", RunConfig
    for name, hint in get_type_hints(RunConfig).items():
        if dataclasses.is_dataclass(hint):
            yield name, hint


def list_settings(stage: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a dataclass that are settings and no stages."""
    hints = get_type_hints(stage)
    return [field for field in dataclasses.fields(stage) if not dataclasses.is_dataclass(hints[field.name])]


def render_stage(table: str, stage: Any, options: Mapping[Place, str]) -> str:
    """A heading, what the stage is, and a row for each of its settings."""
    hints, meanings = get_type_hints(stage), read_meanings(stage)
    rows = [
        (
            f"`{field.name}`",
            name_type(hints[field.name]),
            tell_default(table, field),
            options.get((table, field.name), ""),
            meanings.get(field.name, ""),
        )
        for field in list_settings(stage)
    ]
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    title = f"## [{table}]" if table else "## Above all tables"
    return "\n\n".join([title, read_summary(stage), "\n".join([HEADER, *lines])])


def read_summary(stage: Any) -> str:
    """The first paragraph of a docstring, on one line."""
    return for_readers((inspect.getdoc(stage) or "").partition("\n\n")[0].replace("\n", " "))


def read_meanings(stage: Any) -> dict[str, str]:
    """The meaning of each setting that the docstring names; a line that names several is the meaning of each."""
    names = {field.name for field in list_settings(stage)}
    unfolded = re.sub(r"\n +", " ", inspect.getdoc(stage) or "")
    meanings: dict[str, str] = {}
    for line in unfolded.splitlines():
        found = FIELD_LINE.fullmatch(line)
        named = found[1].split(", ") if found else []
        if found and names.issuperset(named):
            meanings |= dict.fromkeys(named, for_readers(found[2]))
    return meanings


def for_readers(text: str) -> str:
    """A docstring's text with values for the names of constants, tables for those of stages, and links."""
    text = re.sub(r"`([A-Z_]+)`", lambda name: f"{getattr(presets, name[1]):_}", text)
    for table, stage in list_stages():
        text = text.replace(f"`{stage.__name__}`", f"`[{table}]`")
    return re.sub(r"docs/method\.md, section (\d)", r"[section \1 of the method](method.md)", text)


def name_type(hint: Any) -> str:
    """What a TOML file has to give."""
    return next(words for name, words in TYPES.items() if name in str(hint))


def tell_default(table: str, field: dataclasses.Field[Any]) -> str:
    """The default as TOML, or the rule by which a setting that is left out is filled in."""
    if field.default is None:
        return list_rules()[table, field.name]
    return f"`{json.dumps(field.default)}`"


def list_rules() -> dict[Place, str]:
    """What becomes of the settings that may stay open."""
    by_rows = f"{MIN_EPOCHS} to {MAX_EPOCHS}, by the rows trained on"
    few, many = (SharpeningConfig().for_points(n_points).rounds for n_points in (FEW_POINTS - 1, FEW_POINTS))
    return {
        ("data", "part"): "train, where there are several",
        ("data", "image_column"): "found",
        ("data", "label_column"): "found",
        ("data", "target_column"): "the dataset's own",
        ("data", "image_size"): "32, of smaller images their own",
        ("data", "cache"): "the user's cache folder",
        ("data", "metadata"): "none",
        ("data", "group_column"): "none",
        ("training", "epochs"): by_rows,
        ("discovery", "dim"): "as many as `n_tasks`",
        **{("discovery", name): by_size(pair) for name, pair in DISCOVERY_DEFAULTS.items()},
        **{("refinement", name): by_size(pair) for name, pair in REFINEMENT_DEFAULTS.items()},
        ("agreement", "epochs"): by_rows,
        ("sharpening", "rounds"): f"{many}, below {FEW_POINTS:_} datapoints {few}",
    }


def find_options(names: Iterable[str]) -> dict[Place, str]:
    """How the command line gives each setting: where `collect_settings` puts an option's own name is its place."""
    placed = collect_settings({name: name for name in names})
    tables = {"": {name: value for name, value in placed.items() if not isinstance(value, dict)}}
    tables |= {name: value for name, value in placed.items() if isinstance(value, dict)}
    return {
        (table, setting): f"`{spell_option(name)}`"
        for table, settings in tables.items()
        for setting, name in settings.items()
        if name is not None
    }


def spell_option(name: str) -> str:
    """A parameter's name as the command line has it: the dataset is an argument, all else an option."""
    return "DATASET" if name == "dataset" else f"--{name.replace('_', '-')}"
