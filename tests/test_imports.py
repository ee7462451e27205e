"""Imports run one way: from the surface down to data and models, never back."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import splitgen

ROOT = Path(splitgen.__file__).parent
# The house from the ground up: folders and files that stand alone, in floors. A part may import of the floors below,
# and of its own floor itself alone.
FLOORS = (
    {
        "_version",
        "errors",
        "archives",
        "json_text",
        "whole",
        "strata",
        "random",
        "stopping",
        "parallel",
        "plugins",
        "heap",
    },
    {"footers", "heap"},
    {"settings", "parquet", "ids", "shortages"},
    {"tables", "shapes", "claims", "keeping"},
    {"data"},
    {"models", "explain", "splits"},
    {"tasks", "exports", "verification"},
    {"search", "store", "screen"},
    {"report", "check"},
    {"runs"},
    {"api", "pytest_plugin"},
    {"cli", "__init__"},
    {"__main__"},
)
FLOOR_OF = {part: number for number, parts in enumerate(FLOORS) for part in parts}
DATA_FLOORS = ("pixels", "cache", "listings", "sources")  # the rooms in `data`, likewise; its other files are on all
WORKERS_LOAD = (
    "cache.workers",
    "listings.listing",
    "listings.pictures",
    "listings.row_groups",
    "listings.shards",
    "sources.hf",
)
WITHOUT_TORCH = ("splits", "shapes", "screen", "settings", "footers", "parquet", "tables", "cli")


def name_part(path: Path) -> str:
    """The folder below `splitgen` that a file is in, or its own name."""
    inside = path.relative_to(ROOT)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def list_modules(path: Path) -> list[str]:
    """What a file imports, wherever in the file."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return modules


def imported_parts(path: Path) -> set[str]:
    """First names below `splitgen` that a file imports."""
    return {module.split(".")[1] for module in list_modules(path) if module.startswith("splitgen.")}


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_of_its_own_part_and_of_the_floors_below(path):
    part = name_part(path)
    above = {other for other in imported_parts(path) - {part} if FLOOR_OF[other] >= FLOOR_OF[part]}
    assert not above, f"{part} is on floor {FLOOR_OF[part]}"


@pytest.mark.parametrize("room", DATA_FLOORS)
def test_a_room_of_data_imports_of_those_below(room):
    above = [f"splitgen.data.{other}." for other in DATA_FLOORS[DATA_FLOORS.index(room) + 1 :]]
    for path in (ROOT / "data" / room).glob("*.py"):
        assert not [module for module in list_modules(path) if module.startswith(tuple(above))], path


def test_every_room_of_data_has_its_floor():
    assert {path.name for path in (ROOT / "data").iterdir() if path.is_dir()} - {"__pycache__"} == set(DATA_FLOORS)


def test_every_part_has_its_floor():
    assert {name_part(path) for path in ROOT.rglob("*.py")} == set(FLOOR_OF)


@pytest.mark.parametrize("part", WITHOUT_TORCH)
def test_what_starts_fast_does_not_load_torch(part):
    modules = [path for path in sorted(ROOT.rglob("*.py")) if name_part(path) == part]
    names = [".".join(("splitgen", *path.relative_to(ROOT).with_suffix("").parts)) for path in modules]
    code = f"import sys, importlib\nfor name in {names!r}: importlib.import_module(name)\n"
    code += "assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    "module",
    WORKERS_LOAD,
)
def test_what_worker_processes_load_does_not_load_torch(module):
    """Each of them would start seconds later, and take half a gigabyte."""
    code = f"import sys, splitgen.data.{module}\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nobody_imports_the_command_line():
    for path in ROOT.rglob("*.py"):
        if name_part(path) not in ("__main__", "cli"):
            assert "cli" not in imported_parts(path), path


def test_every_public_name_can_be_loaded():
    for name in splitgen.__all__:
        assert getattr(splitgen, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = splitgen.nothing
