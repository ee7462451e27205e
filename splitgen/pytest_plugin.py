"""pytest: the fixture `splitgen_split`, which reads the split that the tests judge models on.

# pyproject.toml: [tool.pytest.ini_options] splitgen_split = "splits/digits.parquet"; or pytest --splitgen-split PATH
def test_robust(splitgen_split):
    assert_robust(splitgen_split, predictions, fail_under=0.6)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from splitgen.splits.split import Split

HELP = "index file or run folder of splitgen that the fixture splitgen_split reads"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("splitgen").addoption("--splitgen-split", metavar="PATH", help=HELP)
    parser.addini("splitgen_split", HELP)


@pytest.fixture(scope="session")
def splitgen_split(request: pytest.FixtureRequest) -> Split:
    """The split of `--splitgen-split` or, relative to pytest's root, of the ini setting `splitgen_split`."""
    from splitgen.splits.split import read_split

    given = request.config.getoption("--splitgen-split")
    from_ini = request.config.getini("splitgen_split")
    if given is None and not from_ini:
        pytest.fail(
            "no split given: set splitgen_split in pytest's ini file, or give --splitgen-split PATH", pytrace=False
        )
    path = Path(given) if given is not None else request.config.rootpath / str(from_ini)
    return read_split(path)
