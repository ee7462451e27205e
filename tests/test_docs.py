"""What is cited is there: sections of the method page, and the pages that README names."""

from __future__ import annotations

import re
from pathlib import Path

import splitgen

PACKAGE = Path(splitgen.__file__).parent
ROOT = Path(__file__).parent.parent
CITATION = re.compile(r"docs/method\.md,\s+section\s+(\d+)(?:,\s+\"([^\"]+)\")?")


def test_cited_sections_of_the_method_page_are_there():
    page = (PACKAGE / "docs" / "method.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\d+)\. .+\n((?:.*\n)*?)(?=## |\Z)", page, flags=re.MULTILINE))
    assert list(sections) == [str(number) for number in range(1, len(sections) + 1)]
    for path in PACKAGE.rglob("*.py"):
        for number, heading in CITATION.findall(path.read_text(encoding="utf-8")):
            assert number in sections, path
            assert not heading or f"### {heading}\n" in sections[number], path


def test_files_that_the_readme_links_to_are_there():
    links = re.findall(r"\]\(([^)#:]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"splitgen/docs/method.md", "splitgen/docs/settings.md"} <= set(links)
    assert all((ROOT / link).is_file() for link in links)
