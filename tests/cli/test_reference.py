"""The settings page says what the dataclasses say, names every setting, and is up to date."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import splitgen
from splitgen.cli import make
from splitgen.settings.layers import build_config
from splitgen.settings.presets import FEW_POINTS, SMALL_IMAGE
from splitgen.settings.stages import DiscoveryConfig, RefinementConfig, SharpeningConfig
from splitgen.settings_reference import (
    find_options,
    list_settings,
    list_stages,
    read_meanings,
    render_reference,
    tell_default,
)

PAGE = Path(splitgen.__file__).parent / "docs" / "settings.md"
STAGES = dict(list_stages())
SETTINGS = {(table, field.name) for table, stage in STAGES.items() for field in list_settings(stage)}
OPTIONS = find_options(inspect.signature(make).parameters)


def test_the_page_is_up_to_date():
    rendered = render_reference(inspect.signature(make).parameters) + "\n"
    assert PAGE.read_text(encoding="utf-8") == rendered, f"renew it: python -m splitgen settings > {PAGE}"


def test_the_command_prints_the_page_without_torch():
    code = (
        "import sys; sys.argv = ['splitgen', 'settings']\n"
        "from splitgen.cli import main\n"
        "try: main()\n"
        "finally: assert 'torch' not in sys.modules\n"
    )
    command = [sys.executable, "-X", "utf8", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout == PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("table", STAGES)
def test_a_docstring_gives_every_setting_of_its_stage_a_meaning(table):
    names = {field.name for field in list_settings(STAGES[table])}
    missing = names - set(read_meanings(STAGES[table]))
    assert not missing, f"name them in the docstring of {STAGES[table].__name__}"


def test_every_stage_of_a_run_has_a_table_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    stages = {f"## [{table}]" for table, value in vars(build_config({})).items() if dataclasses.is_dataclass(value)}
    assert stages == {line for line in page.splitlines() if line.startswith("## [")}


@pytest.mark.parametrize(
    ("table", "fill_in", "limit"),
    [
        ("discovery", DiscoveryConfig().for_images, SMALL_IMAGE),
        ("refinement", RefinementConfig().for_images, SMALL_IMAGE),
        ("sharpening", SharpeningConfig().for_points, FEW_POINTS),
    ],
)
def test_a_default_by_size_is_told_as_it_is_filled_in(table, fill_in, limit):
    few, many = fill_in(limit - 1), fill_in(limit)
    for field in list_settings(STAGES[table]):
        if field.default is None and field.name != "dim":
            told = tell_default(table, field)
            assert told.startswith(f"{getattr(many, field.name)}, below {limit:_} ")
            assert told.endswith(f" {getattr(few, field.name)}")
    assert table != "discovery" or (few.dim, many.dim) == (few.n_tasks, many.n_tasks)  # "as many as n_tasks"


def test_options_are_those_of_the_help_and_the_ones_with_another_name_are_found():
    command = [sys.executable, "-m", "splitgen", "make", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={"COLUMNS": "300"}).stdout
    known = {word for line in shown.splitlines() for word in line.split()[1:2] if word.startswith("--")}
    told = {option.strip("`") for option in OPTIONS.values()}
    assert told - {"DATASET"} <= known
    assert OPTIONS["discovery", "n_tasks"] == "`--tasks`"
    assert OPTIONS["refinement", "meta_steps"] == "`--refine-steps`"
    assert OPTIONS["agreement", "networks"] == "`--agreement-networks`"
    assert OPTIONS["", "model"] == "`--model`"


def test_every_option_leads_to_a_setting_that_is_there():
    assert set(OPTIONS) <= SETTINGS
