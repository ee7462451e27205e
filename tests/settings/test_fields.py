"""A setting says everything about itself, and none is without words."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from splitgen.settings.catalogue import all_settings
from splitgen.settings.fields import ARGUMENT, by_size, described, list_settings, setting
from splitgen.settings.stages import DataConfig, RunConfig

SETTINGS = all_settings()


@described
@dataclass(frozen=True)
class Stage:
    """A stage of a test."""

    side: int | None = setting(None, "of a square", "as it comes", option="--side-of-square")
    deep: bool = setting(False, "dig")


def test_a_setting_is_a_field_with_its_default_and_says_the_rest():
    assert (Stage(), Stage(3).side, Stage.deep) == (Stage(None, False), 3, False)
    side, deep = list_settings(Stage, "square")
    assert (side.place, side.default, side.hint, side.parameter) == ("square.side", None, int | None, "side_of_square")
    assert (side.about.meaning, side.about.left_open) == ("of a square", "as it comes")
    assert (deep.default, deep.parameter) == (False, None)
    assert Stage.__doc__ == "A stage of a test.\n\nside: of a square; None: as it comes.\ndeep: dig."


def test_a_field_that_says_nothing_of_itself_is_a_fault_of_the_program():
    @dataclass(frozen=True)
    class Silent:
        side: int = 3

    with pytest.raises(TypeError, match=r"Silent\.side must be made by setting"):
        list_settings(Silent, "")


@pytest.mark.parametrize("each", SETTINGS, ids=lambda each: each.place)
def test_a_setting_has_a_meaning_and_words_for_a_default_that_is_left_open(each):
    assert each.about.meaning
    assert not each.about.meaning.endswith(".")
    assert bool(each.about.left_open) == (each.default is None)
    assert "[" not in each.about.meaning or each.about.option is None  # the help takes brackets for markup


def test_no_two_settings_have_one_option():
    options = [each.about.option for each in SETTINGS if each.about.option is not None]
    assert len(options) == len(set(options))
    assert all(option == ARGUMENT or option.startswith("--") for option in options)


def test_the_places_are_those_of_a_run():
    config = RunConfig()
    of_no_stage = {"model", "discovery_model", "weights", "freeze", "seed"}
    assert {each.place for each in SETTINGS if not each.table} == of_no_stage
    assert [each.name for each in SETTINGS if each.table == "data"] == list(vars(DataConfig()))
    assert {each.table for each in SETTINGS} - {""} == set(vars(config)) - of_no_stage


def test_defaults_by_size_are_told_in_words():
    assert by_size((2, 1)) == "1, below 16 pixels 2"
    assert by_size((0, 4), 10_000, "datapoints") == "4, below 10_000 datapoints 0"
