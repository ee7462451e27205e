"""How a split came about: written into the metadata and read from there, from files of earlier versions too."""

from __future__ import annotations

from pathlib import Path

import pytest

from splitgen import read_split
from splitgen.splits.provenance import DISCOVERED, IMPORTED, Provenance, read_provenance

EXAMPLE = Path(__file__).parents[2] / "examples" / "ci_gate" / "splits" / "digits.parquet"
FULL = Provenance(
    "given", 1, "task 1", True, 2, (1, -1), (0.5, 0.25), (0.0, 0.125), 0.75, 3, 40, 7, ({"task": "a"},), True
)


@pytest.mark.parametrize("provenance", [FULL, Provenance(IMPORTED, None, IMPORTED)], ids=["made", "imported"])
def test_what_is_described_is_read_back(provenance):
    assert read_provenance(provenance.describe()) == provenance


def test_the_way_is_told_where_it_is_not_discovery():
    assert FULL.describe()["way"] == "given"
    assert Provenance(IMPORTED, None, IMPORTED).describe() == {"task": None, "task_name": "imported", "way": "imported"}
    assert "way" not in Provenance(DISCOVERED, 0, "task 0", class_sides=(1, -1)).describe()


def test_class_sides_that_were_drawn_are_told_as_such():
    assert FULL.describe()["sides_drawn"] is True
    assert "sides_drawn" not in Provenance(DISCOVERED, 0, "task 0", class_sides=(1, -1)).describe()


def test_a_file_of_an_earlier_version_was_discovered_where_it_has_class_sides_and_imported_else():
    earlier = {"task": 0, "class_sides": [1, -1], "alignment": 1.0, "seed": 2, "meta_steps": 3}
    found = read_provenance(earlier)
    assert (found.way, found.task_name, found.class_sides) == (DISCOVERED, "task 0", (1, -1))
    assert read_provenance({"task": None, "task_name": "imported"}).is_imported
    assert read_split(EXAMPLE).provenance.task_name == "task 1 refined"
