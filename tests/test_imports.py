"""Imports run one way: from the surface down to data and models, never back."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import splitgen

ROOT = Path(splitgen.__file__).parent
# What each part of the package may import of the others.
BASE = {"errors", "config", "archives", "ids", "whole", "strata", "random", "parquet", "parallel", "_version"}
ALLOWED = {
    "data": BASE | {"data"},
    "models": BASE | {"models", "data"},
    "tasks": BASE | {"tasks", "models", "data"},
    "splits": BASE | {"splits", "models", "tasks", "data"},
    "exports": BASE | {"exports", "splits", "data"},
    "explain": BASE | {"explain", "data"},
    "report": BASE | {"report", "explain", "splits", "tasks", "data", "recall"},
    "check": BASE | {"check", "splits", "models", "data", "settings", "recall", "console"},
}


def imported_parts(path: Path) -> set[str]:
    """First names below `splitgen` that a file imports, wherever in the file."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            modules.append(node.module)
        elif isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
    return {module.split(".")[1] for module in modules if module.startswith("splitgen.")}


@pytest.mark.parametrize("part", ALLOWED)
def test_a_part_imports_only_what_lies_below_it(part):
    for path in (ROOT / part).rglob("*.py"):
        assert imported_parts(path) <= ALLOWED[part], path


def test_nobody_imports_the_command_line():
    for path in ROOT.rglob("*.py"):
        if path.name not in ("__main__.py", "cli.py"):
            assert "cli" not in imported_parts(path), path


def test_every_public_name_can_be_loaded():
    for name in splitgen.__all__:
        assert getattr(splitgen, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = splitgen.nothing
