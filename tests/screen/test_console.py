"""What goes to a terminal or a log obeys nobody but us."""

from __future__ import annotations

import pytest

from splitgen.screen.console import Screen, clean


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("plain name, ünïcode 数字", "plain name, ünïcode 数字"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("two\nlines\r\n", "two\\nlines\\r\\n"),
        ("\u202ereversed", "\\u202ereversed"),
        ("\x9b31m", "\\x9b31m"),
        ("no utf-8: \udcff", "no utf-8: \\udcff"),
        ("::error::stop", ":\\:error:\\:stop"),
        (":::", ":\\:\\:"),
        ("##[error]", "#\\#[error]"),
    ],
)
def test_controls_and_log_commands_are_shown_and_not_obeyed(name, shown):
    assert clean(name) == shown
    assert "::" not in clean(name)


def test_a_name_is_shown_as_it_is_wherever_it_stands(capsys):
    name = "[bold]x[/bold] :smile: [link=http://a]b[/link]"
    screen = Screen()
    screen.table(name, ["a column wider than the title, which is wrapped"], [[name]])
    screen.say(name)
    screen.note(name)
    shown = capsys.readouterr()
    assert shown.out.count(name) == 3
    assert shown.err.count(name) == 1


def test_no_line_begins_with_a_workflow_command_however_it_is_wrapped(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "20")
    screen = Screen()
    for length in range(40):
        screen.say("x" * length + "\n::error::stop ::warning::")
        screen.table("", ["name"], [["x" * length + " ::error::stop"]])
    assert not [line for line in capsys.readouterr().out.splitlines() if line.lstrip().startswith("::")]
