"""The time that a whole run still takes, as its stages begin and end."""

from __future__ import annotations

import pytest
from rich.console import Console

from splitgen.screen.console import PlainConsole, Screen
from splitgen.screen.outlook import Outlook, tell_seconds


@pytest.fixture
def clock(monkeypatch):
    """Seconds that a test sets."""
    now = [1000.0]
    monkeypatch.setattr("splitgen.screen.outlook.time.monotonic", lambda: now[0])
    return now


def test_what_is_left_is_the_rest_of_the_stage_and_the_stages_after_it(clock):
    outlook = Outlook({"a": 10.0, "b": 20.0, "c": 30.0})
    assert outlook.left() == 60
    outlook.begin("a")
    clock[0] += 4
    assert outlook.left() == 6 + 50
    assert outlook.left(0.05) == 6 + 50  # too early for a pace of its own
    assert outlook.left(0.5) == 4 + 50
    clock[0] += 100
    assert outlook.left() == 50  # longer than planned, and about to end for all that one knows


def test_stages_that_took_longer_foretell_that_the_others_will_too(clock):
    outlook = Outlook({"a": 2.0, "b": 20.0, "c": 30.0})
    outlook.begin("a")
    clock[0] += 4
    outlook.end()
    assert outlook.left() == 50  # four seconds tell nothing
    outlook.begin("b")
    clock[0] += 40
    outlook.end()
    assert outlook.left() == pytest.approx(30 * 44 / 22)


def test_within_a_budget_what_is_left_is_left_of_it_and_what_comes_after(clock):
    outlook = Outlook({"a": 10.0, "b": 20.0, "verify": 5.0}, frozenset({"a", "b"}), until=1030.0)
    outlook.begin("a")
    clock[0] += 25  # an overrun, which b has to make up for
    assert outlook.left() == 5 + 5
    outlook.end()
    outlook.begin("b")
    clock[0] += 25
    assert outlook.left() == 5
    outlook.end()
    outlook.begin("verify")
    clock[0] += 1
    assert outlook.left(0.25) == pytest.approx(3)


def test_a_stage_that_nobody_planned_is_not_counted(clock):
    outlook = Outlook({"a": 10.0})
    outlook.begin("random")
    clock[0] += 7
    assert outlook.left(0.5) == 10
    outlook.end()
    assert outlook.left() == 10


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")]
)
def test_times_are_told_as_people_do(seconds, told):
    assert tell_seconds(seconds) == told


def test_a_line_at_the_end_of_a_stage_says_how_long_the_rest_takes(capsys):
    screen = Screen()
    screen.outlook = Outlook({"a": 10.0, "b": 20.0})
    for stage in "ab":
        with screen.progress(stage, 2) as progress:
            progress.advance()
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("done in 0.0 s, about 20 s to go")
    assert second.endswith("done in 0.0 s")


def test_in_a_terminal_the_whole_has_a_bar_below_that_of_the_stage():
    screen = Screen()
    screen.err = PlainConsole(stderr=True, force_terminal=True, width=100, record=True)
    screen.outlook = Outlook({"a": 10.0, "b": 50.0})
    with screen.progress("a", 4) as progress:
        progress.advance(1, "step 1")
        assert progress.bar is not None
        stage, whole = progress.bar.tasks
    assert (stage.description, stage.completed, stage.total) == ("a", 1, 4)
    assert whole.description == "whole"
    assert whole.fields["detail"] == "about 50 s left"
    assert isinstance(screen.err, Console)
