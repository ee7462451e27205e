"""report.html: one self-contained page, from a run folder and its dataset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from splitgen._version import __version__
from splitgen.data.dataset import ImageDataset
from splitgen.explain.explanation import Explanation
from splitgen.explain.templates import Template, fit_templates
from splitgen.parquet import write_text
from splitgen.report import classes, sections
from splitgen.report.charts import Chart, draw_accuracies, draw_histograms
from splitgen.report.contrasts import contrast_classes
from splitgen.report.folder import RunFolder
from splitgen.report.pictures import Album, choose_classes
from splitgen.screen.console import escape_controls
from splitgen.settings.layers import flatten_settings
from splitgen.verification.confusion import load_confusion

TEMPLATE = "report.html.jinja"


def write_report(
    path: Path,
    folder: RunFolder,
    dataset: ImageDataset,
    explanations: Sequence[Explanation],
    others: Sequence[RunFolder] = (),
) -> None:
    """Write the page; an existing one is replaced in one step.

    explanations: of `list_tasks(folder)`, in its order. others: folders of `verify` and `compare` on the same
    data, whose tables are shown too.
    """
    write_text(render_report(folder, dataset, explanations, others), path)


def render_report(
    folder: RunFolder, dataset: ImageDataset, explanations: Sequence[Explanation], others: Sequence[RunFolder] = ()
) -> str:
    """The page as HTML. All that comes from files and data is escaped, and so are signs that would turn the direction
    of text; markup of charts is our own."""
    environment = Environment(
        loader=PackageLoader("splitgen.report", "templates"),
        autoescape=True,
        finalize=show_controls,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markup"] = show_markup
    return environment.get_template(TEMPLATE).render(compose(folder, dataset, explanations, others))


def show_controls(value: Any) -> Any:
    """A text as a terminal would be given it; what is none, or markup, as it is."""
    return escape_controls(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def show_markup(chart: Chart) -> Markup:
    """The SVG of a chart as it is: matplotlib escaped the text in it."""
    return Markup(chart.svg)


def compose(
    folder: RunFolder, dataset: ImageDataset, explanations: Sequence[Explanation], others: Sequence[RunFolder]
) -> dict[str, Any]:
    """All that the template prints."""
    album, record = Album(dataset), folder.record
    tasks = sections.list_tasks(folder)
    templates: Sequence[Template | None] = fit_templates(dataset, list(tasks.values())) or [None] * len(tasks)
    verification = None if folder.split is None else folder.split.metadata.get("verification")
    return {
        "version": __version__,
        "source": dataset.source,
        "headline": sections.say_headline(folder, verification, dataset.source),
        "verification": verification,
        "accuracies": draw_accuracies(verification["figures"]) if verification else None,
        "command": sections.say_command(record, folder.path.name),
        "shortcut": sections.say_shortcut(folder.split, dataset.class_names, explanations),
        "side_line": None if folder.split is None else sections.say_sides(folder.split, dataset.class_names),
        "reading": explanations[0].sentences if explanations else (),
        "split": compose_split(folder, dataset, album),
        "tasks": [
            sections.show_task(album, dataset, margins, explanation, template, folder)
            for margins, explanation, template in zip(tasks.values(), explanations, templates, strict=True)
        ],
        "trunk": sections.say_trunk(folder, find_settings(folder)),
        "similarity": sections.draw_similarity(folder.tasks),
        "curves": sections.draw_discovery(record),
        "beside": compose_beside([record, *(other.record for other in others)]),
        "settings": list_settings(folder),
    }


def compose_split(folder: RunFolder, dataset: ImageDataset, album: Album) -> dict[str, Any] | None:
    """The split in pictures and numbers; None for a run without one."""
    split, names = folder.split, dataset.class_names
    if split is None:
        return None
    stored = folder.record.get("confusion") or {}
    confusions = {part: load_confusion(each) for part, each in stored.items()}
    return {
        "rule": sections.say_rule(split),
        "counts": {part: n for part, n in split.counts().items() if n},
        "table": classes.tabulate_classes(split, names, confusions),
        "classes": sections.show_classes(album, split, names),
        "contrasts": contrast_classes(dataset, split, choose_classes(np.bincount(split.labels, minlength=len(names)))),
        "histograms": draw_histograms(sections.count_scores(split, names)) if np.ptp(split.scores) > 0 else None,
        "confusions": classes.draw_confusions(split, names, confusions) if confusions else [],
        "taken_for": classes.say_confusions(split, names, confusions) if confusions else [],
    }


def compose_beside(records: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """Transfer and comparison, of whichever records have them."""
    transfer = [sections.draw_transfer(record["transfer"]) for record in records if record.get("transfer")]
    comparison = [sections.draw_comparison(record["comparison"]) for record in records if record.get("comparison")]
    return [*transfer[:1], *comparison[:1]]


def list_settings(folder: RunFolder) -> list[tuple[str, str]]:
    """Settings, environment and timings as names and values."""
    record = folder.record
    named = {"environment": record.get("environment", {}), "seconds": record.get("seconds", {})}
    flat = flatten_settings({**find_settings(folder), **named})
    return [(name, "-" if value is None else str(value)) for name, value in flat.items()]


def find_settings(folder: RunFolder) -> Mapping[str, Any]:
    """Those of the run, or, of an index file that stands alone, those that its result depends on."""
    found: Mapping[str, Any] = folder.record.get("config") or (
        {} if folder.split is None else folder.split.metadata.get("config", {})
    )
    return found
