"""Settings from files: whatever TOML can say ends as a setting or as one line, and nothing is left out in silence."""

from __future__ import annotations

import datetime

import pytest

from splitgen.errors import SettingError
from splitgen.settings.faults import show_value
from splitgen.settings.layers import build_config, flatten_settings, merge_settings, put_above, read_toml
from splitgen.settings.stages import SelectionConfig

DOTTED = ".".join(["a"] * 5_000)


def read_config(path, text):
    path.write_text(text, encoding="utf-8")
    return build_config(merge_settings(read_toml(path), {"data": {"root": "elsewhere"}, "training": {"epochs": None}}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed = inf", "seed must be a whole number of at most 64 bits, got inf"),
        ("seed = nan", "seed must be a whole number of at most 64 bits, got nan"),
        ("seed = 1.5", "seed must be a whole number of at most 64 bits, got 1.5"),
        ("seed = 9223372036854775808", "of at most 64 bits, got 9223372036854775808"),
        ("seed = 0x" + "f" * 5_000, "of at most 64 bits, got a number too long to show"),
        ("seed = " + "9" * 5_000, "is not TOML (a number of thousands of digits)"),
        ("seed = true", "got True"),
        ("seed = 2020-01-02", "got 2020-01-02"),
        ("seed = {}", "got {}"),
        (f"seed.{DOTTED} = 1", "nested too deeply"),
        (f"{DOTTED} = 1", "nested too deeply"),
        (f"[{DOTTED}]\nx = 1", "nested too deeply"),
        ("x = " + "[" * 10_000 + "]" * 10_000, "nested too deeply"),
        ("seed = " + "[" * 200 + "]" * 200, "nested too deeply"),
        ('seed = "' + "x" * 1_000 + '"', "xxx..."),
        ("model = nan", "model must be a text, got nan"),
        ("model = 07:32:00", "model must be a text, got 07:32:00"),
        ('[data]\ncache = "a\\u0000b"', "data.cache must be a text without the character NUL"),
        ("[data]\ndownload = 1", "data.download must be true or false, got 1"),
        ("[training]\nlearning_rate = -inf", "training.learning_rate must be a number, got -inf"),
        ("[training]\nlearning_rate = 1979-05-27T07:32:00Z", "got 1979-05-27T07:32:00+00:00"),
        ("[selection]\ntest_fraction = nan", "selection.test_fraction must be a number, got nan"),
        ("[search]\nrows = [nan]", "search.rows must be a list of whole numbers, got [nan]"),
        ("[search]\nrows = [[1], [2]]", "search.rows must be a list of whole numbers, got [[1], [2]]"),
        ("[search]\nrows = [true, false]", "search.rows must be a list of whole numbers"),
        ("[search]\nrows = [4000, 9223372036854775808]", "search.rows must be a list of whole numbers"),
        ("data = 3", "data must be a table, got 3"),
        ("training = 'fast'", "training must be a table, got 'fast'"),
        ("discovery = []", "discovery must be a table, got []"),
        ("[[data]]\ndataset = 'x'", "data must be a table, got [{'dataset': 'x'}]"),
        ("'' = 1", "unknown setting ''"),
        ("seed = 1\nseed = 2", "is not TOML"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_no_setting_gets_one_short_line(tmp_path, text, words):
    with pytest.raises(SettingError) as told:
        read_config(tmp_path / "mine.toml", text)
    assert words in str(told.value)
    assert len(str(told.value)) < 400
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "seed"), [("seed = 3.0", 3), ("seed = 0x10", 16), ("seed = 9223372036854775807", 2**63 - 1), ("", 0)]
)
def test_a_whole_number_is_one_however_it_is_written(tmp_path, text, seed):
    config = read_config(tmp_path / "mine.toml", text)
    assert (config.seed, type(config.seed), config.data.root) == (seed, int, "elsewhere")


def test_other_tools_tables_may_be_nested(tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool." + ".".join(["a"] * 50) + "]\nx = 1")
    assert "tool" in read_toml(tmp_path / "pyproject.toml")


def test_a_table_never_hides_what_lies_below_it():
    assert merge_settings({"data": {"root": "a"}}, {"data": {"root": None, "part": "b"}}) == {
        "data": {"root": "a", "part": "b"}
    }
    with pytest.raises(SettingError, match="data must be a table, got 3"):
        merge_settings({"data": 3}, {"data": {"root": None}})
    with pytest.raises(SettingError, match="data must be a table, got 3"):
        build_config(merge_settings({"data": {"root": "a"}}, {"data": 3}))


RECORDED = {"seed": 3, "selection": {"test_fraction": 0.3, "reserve_fraction": 0.1, "validation_fraction": 0.2}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"rule": "equality"}, SelectionConfig(rule="equality", validation_fraction=0.2)),
        ({"rule": "halves"}, SelectionConfig("label", 0.3, 0.1, 0.2)),
        ({"rule": None}, SelectionConfig("label", 0.3, 0.1, 0.2)),
        ({"test_fraction": 0.4}, SelectionConfig("label", 0.4, 0.1, 0.2)),
    ],
)
def test_sizes_that_were_recorded_go_with_their_own_rule_alone(given, expected):
    config = build_config(put_above(RECORDED, {"selection": given}))
    assert (config.seed, config.selection) == (3, expected)


def test_sizes_go_with_no_recorded_equality_until_its_rule_is_changed():
    by_equality = {"selection": {"rule": "equality", "test_fraction": 0.5, "reserve_fraction": 0.0}}
    of_user = {"rule": "halves", "test_fraction": 0.4}
    assert build_config(put_above(by_equality, {"selection": of_user})).selection.test_fraction == 0.4
    with pytest.raises(SettingError, match="must be left out with rule equality"):
        build_config(put_above(by_equality, {"selection": {"test_fraction": 0.4}}))


def test_a_value_is_shown_short_and_on_one_line():
    assert show_value(datetime.date(2020, 1, 2)) == "2020-01-02"
    assert show_value("a\nb") == "'a\\nb'"
    assert show_value([10**5_000]) == "a number too long to show"
    assert len(show_value("x" * 1_000)) == 100


def test_settings_are_flat_and_as_json_has_them():
    nested = {"seed": 1, "search": {"rows": (1, 2), "task": None}}
    assert flatten_settings(nested) == {"seed": 1, "search.rows": [1, 2], "search.task": None}
