"""The settings reference: every setting of a run, by the table of the TOML file that it stands in, as Markdown.

Everything is what the settings say of themselves in `splitgen.settings.stages`, so that there is one place to keep.
`splitgen settings` prints it, and docs/settings.md is a copy.
"""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

from splitgen.settings.catalogue import list_stages
from splitgen.settings.fields import Setting, list_settings
from splitgen.settings.presets import SMALL_IMAGE

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
setting that is left out (None, in Python) has its default; where this depends on the images, "below {SMALL_IMAGE}
pixels" is the shorter side of an image. Symbols and words are those of [the method](method.md). What belongs to a call
and not to its result (`--budget`, `--device`, `--threads`, `--out`, `--quiet`, `--json`) is an option alone."""


def render_reference() -> str:
    """The reference as Markdown."""
    return "\n\n".join([INTRODUCTION, *(render_stage(table, stage) for table, stage in list_stages())])


def render_stage(table: str, stage: Any) -> str:
    """A heading, what the stage is, and a row for each of its settings."""
    rows = [list_cells(setting) for setting in list_settings(stage, table)]
    lines = ["| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in rows]
    title = f"## [{table}]" if table else "## Above all tables"
    return "\n\n".join([title, read_summary(stage), "\n".join([HEADER, *lines])])


def list_cells(setting: Setting) -> tuple[str, ...]:
    """A row of the table, in the order of `HEADER`."""
    about = setting.about
    default = about.left_open if setting.default is None else f"`{json.dumps(setting.default)}`"
    option = "" if about.option is None else f"`{about.option}`"
    return f"`{setting.name}`", name_type(setting.hint), default, option, f"{about.meaning}."


def read_summary(stage: Any) -> str:
    """The first paragraph of a docstring, on one line, with links to the method page."""
    text = (inspect.getdoc(stage) or "").partition("\n\n")[0].replace("\n", " ")
    return re.sub(r"docs/method\.md, section (\d)", r"[section \1 of the method](method.md)", text)


def name_type(hint: Any) -> str:
    """What a TOML file has to give."""
    return next(words for name, words in TYPES.items() if name in str(hint))
