"""What `splitgen show` prints of many classes, and that it takes no longer than of few."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import numpy as np
import pytest

from splitgen import Split, write_split
from splitgen.runs.split import format_sides
from splitgen.screen.console import Screen
from splitgen.screen.show import describe_split, print_split
from splitgen.splits.rows import PARTS


def make_split(n_classes: int, n_rows: int) -> Split:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(n_rows) % n_classes)
    parts = rng.choice(PARTS, n_rows)
    zeros, names = np.zeros(n_rows, np.float32), [f"class {c}" for c in range(n_classes)]
    metadata = {
        "dataset": {"class_names": names, "source": "npz:many", "fingerprint": "sha256:0"},
        "target": "label",
        "task": 0,
        "class_sides": rng.choice([-1, 1], n_classes).tolist(),
        "alignment": 1.0,
        "seed": 0,
        "meta_steps": 3,
        "verification": None,
    }
    return Split(tuple(map(str, range(n_rows))), labels, labels, parts, zeros, zeros, metadata)


def test_the_counts_of_many_classes_are_those_of_a_look_at_each():
    split = make_split(300, 2000)
    described = describe_split(split)["class_counts"]
    for c in range(300):
        counts = {part: int(((split.labels == c) & (split.parts == part)).sum()) for part in PARTS}
        assert described[f"class {c}"] == counts


@pytest.mark.parametrize(("n_classes", "more"), [(40, None), (41, 1), (300, 260)])
def test_the_first_forty_classes_are_shown_and_a_line_says_how_many_more(capsys, n_classes, more):
    print_split(Screen(), make_split(n_classes, 2000))
    printed = capsys.readouterr().out
    assert "class 39" in printed
    assert "class 40" not in printed
    assert ("more classes" in printed) == (more is not None)
    assert more is None or f"and {more} more classes; --json lists them all" in printed
    assert f"and {n_classes - 20} more" in printed


def test_class_sides_that_were_drawn_are_shown_as_such(capsys):
    split = make_split(10, 200)
    print_split(Screen(), split.with_metadata(class_sides=[1, -1] * 5, sides_drawn=True))
    print_split(Screen(), split.with_metadata(class_sides=[1, -1] * 5))
    drawn, searched = [line for line in capsys.readouterr().out.splitlines() if "class sides" in line]
    assert drawn == f"{searched} drawn at random"
    assert searched.endswith("class sides +-+-+-+-+-")


def show_alone(path) -> float:
    """Seconds of CPU of the command in a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    subprocess.run([sys.executable, "-m", "splitgen", "show", str(path)], check=True, capture_output=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def test_ten_thousand_classes_are_shown_nearly_as_fast_as_ten_and_all_of_them_as_json(tmp_path):
    write_split(make_split(10_000, 100_000), tmp_path / "split.parquet")
    write_split(make_split(10, 100_000), tmp_path / "few.parquet")
    assert show_alone(tmp_path / "split.parquet") < 3 * show_alone(tmp_path / "few.parquet")
    command = [sys.executable, "-m", "splitgen", "show", str(tmp_path / "split.parquet")]
    shown = subprocess.run([*command, "--json"], check=True, capture_output=True, text=True).stdout
    assert len(json.loads(shown)["class_counts"]) == 10_000


def test_of_many_classes_a_line_names_the_first_of_each_side():
    numbers = [str(c) for c in range(26)]
    assert format_sides((1, -1, 1), numbers[:3]) == "0,2 | 1"
    assert format_sides((1,) * 20 + (-1,) * 3, numbers[:23]) == f"{','.join(map(str, range(20)))} | 20,21,22"
    assert format_sides((-1,) + (1,) * 25, numbers) == f"{','.join(map(str, range(1, 21)))} and 5 more | 0"


def test_sides_are_told_by_the_names_of_the_classes():
    assert format_sides((1, -1, 1), ("cat", "goldfish, Carassius", "fox")) == "cat, fox | 'goldfish, Carassius'"
