"""The settings page says what the settings say of themselves, names every one, and is up to date."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

import splitgen
from splitgen.cli.reference import list_cells, render_reference
from splitgen.settings.catalogue import all_settings, list_stages
from splitgen.settings.layers import build_config
from splitgen.settings.presets import FEW_POINTS, SMALL_IMAGE
from splitgen.settings.stages import DiscoveryConfig, RefinementConfig, SharpeningConfig, TangentConfig

PAGE = Path(splitgen.__file__).parent / "docs" / "settings.md"
SETTINGS = {setting.place: setting for setting in all_settings()}


def test_the_page_is_up_to_date():
    assert PAGE.read_text(encoding="utf-8") == render_reference() + "\n", (
        f"renew it: python -m splitgen settings > {PAGE}"
    )


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


def test_every_stage_of_a_run_has_a_table_on_the_page():
    page = PAGE.read_text(encoding="utf-8")
    stages = {f"## [{table}]" for table, value in vars(build_config({})).items() if dataclasses.is_dataclass(value)}
    assert stages == {line for line in page.splitlines() if line.startswith("## [")}


@pytest.mark.parametrize(
    ("place", "row"),
    [
        ("seed", ("`seed`", "whole number", "`0`", "`--seed`", "of everything random.")),
        ("data.download", ("true or false", "`false`", "`--download`")),
        ("data.dataset", ("text", '`"digits"`', "`DATASET`")),
        (
            "training.learning_rate",
            ("number", "0.004, of conv on colour images of 16 pixels and more 0.02", "`--learning-rate`"),
        ),
        ("discovery.n_tasks", ("whole number", "`1`", "`--tasks`")),
        ("refinement.meta_steps", ("70, below 16 pixels 40", "`--refine-steps`")),
        ("agreement.networks", ("`2`", "`--agreement-networks`")),
        ("search.rows", ("list of whole numbers", "`[4000, 12000]`", "")),
    ],
)
def test_a_row_tells_type_default_and_option(place, row):
    assert set(row) <= set(list_cells(SETTINGS[place]))


NOT_BY_SIZE = ("trunk", "trunk_weights", "trunk_seed", "avoid_columns")


@pytest.mark.parametrize(
    ("table", "fill_in", "limit"),
    [
        ("discovery", DiscoveryConfig().for_images, SMALL_IMAGE),
        ("refinement", RefinementConfig().for_images, SMALL_IMAGE),
        ("sharpening", SharpeningConfig().for_points, FEW_POINTS),
        ("tangent", TangentConfig().for_points, FEW_POINTS),
    ],
)
def test_a_default_by_size_is_told_as_it_is_filled_in(table, fill_in, limit):
    few, many = fill_in(limit - 1), fill_in(limit)
    for setting in all_settings():
        if setting.table == table and setting.default is None and setting.name not in ("dim", *NOT_BY_SIZE):
            told = setting.about.left_open
            assert told.startswith(f"{getattr(many, setting.name)}, below {limit:_} ")
            assert told.endswith(f" {getattr(few, setting.name)}")
    assert table != "discovery" or (few.dim, many.dim) == (few.n_tasks, many.n_tasks)  # "as many as tasks"


def test_pythons_help_tells_the_meaning_of_every_setting():
    for table, stage in list_stages():
        for setting in all_settings():
            if setting.table == table:
                assert f"\n{setting.name}: {setting.about.meaning}" in str(stage.__doc__)
