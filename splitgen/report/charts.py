"""The charts of the report as SVG, drawn by matplotlib.

Colours are placeholders that become CSS variables, so that one chart serves a light and a dark page; text
stays text. A chart is one function that gives a `Chart`.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from splitgen.screen.console import escape_controls

WIDTH = 4.6  # inches: a phone's width, so that text keeps its size there
MAX_NAME = 16  # letters of a class name on an axis
MAX_ANNOTATED = 12  # rows of a matrix up to which its numbers stand in it
MAX_MATRIX = 24  # rows of a matrix
TAG = re.compile(r"<[^>]*>")  # matplotlib escapes the signs < and > in texts and attributes
# Placeholder in the SVG -> CSS variable of the page.
COLOURS = {
    "ink": "#010101",
    "muted": "#010102",
    "grid": "#010103",
    "train": "#010104",
    "test": "#010105",
    "random": "#010106",
    "recoverable": "#010107",
    "reserve": "#010108",
}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": COLOURS["grid"],
    "axes.labelcolor": COLOURS["ink"],
    "axes.titlecolor": COLOURS["ink"],
    "axes.titlesize": 10,
    "text.color": COLOURS["ink"],
    "xtick.color": COLOURS["muted"],
    "ytick.color": COLOURS["muted"],
    "xtick.labelcolor": COLOURS["ink"],
    "ytick.labelcolor": COLOURS["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": COLOURS["grid"],
    "legend.frameon": False,
}


@dataclass(frozen=True)
class Chart:
    """svg: markup for the page. title: above it; text: what it shows, for a reader who cannot see it."""

    svg: str
    title: str
    text: str


@contextmanager
def drawing(name: str) -> Iterator[None]:
    """matplotlib's settings for a chart; its ids are made of the chart's name, so that two charts do not share any."""
    with mpl.rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # the browser draws the text
        yield


def render(figure: Figure, name: str, title: str, text: str) -> Chart:
    """A drawn figure as a chart. Ids are made the chart's own, and placeholders become CSS variables."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = "\n".join(escape_controls(line) for line in svg.split("\n"))
    return Chart(TAG.sub(lambda tag: adapt_tag(tag[0], name), svg), title, text)


def adapt_tag(tag: str, name: str) -> str:
    """A tag with ids that are the chart's own, and colours of the page. Text between tags may be anybody's."""
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    for colour, placeholder in COLOURS.items():
        tag = tag.replace(placeholder, f"var(--{colour})")
    return tag


def shorten(name: str, length: int = MAX_NAME) -> str:
    """A name that fits an axis, on one line."""
    name = " ".join(name.split())
    return name if len(name) <= length else name[: length - 1] + "\u2026"


def draw_accuracies(figures: Mapping[str, Any]) -> Chart:
    """Accuracy with its 95 % interval on held-out train, random, recoverable and adversarial test."""
    shown = [
        ("train_holdout_accuracy", "held-out train", "train"),
        ("random_accuracy", "random split", "random"),
        ("recoverable_accuracy", "recoverable", "recoverable"),
        ("test_accuracy", "adversarial test", "test"),
    ]
    with drawing("accuracies"):
        figure = Figure((WIDTH, 2.3), layout="constrained")
        axes = figure.subplots()
        for place, (name, label, colour) in enumerate(shown):
            each = figures[name]
            error = [[max(0, each["mean"] - each["low"])], [max(0, each["high"] - each["mean"])]]
            axes.barh(place, each["mean"], 0.6, color=COLOURS[colour], xerr=error, ecolor=COLOURS["ink"], capsize=3)
            axes.text(0.01, place - 0.48, f"{label} {100 * each['mean']:.1f} %", va="center", fontsize=9)
        axes.set(xlim=(0, 1.05), ylim=(3.5, -0.75), yticks=[], xlabel="accuracy, with 95 % t-interval over seeds")
        axes.spines["left"].set_visible(False)
        values = ", ".join(f"{label} {figures[name]['mean']:.3f}" for name, label, _ in shown)
        return render(figure, "accuracies", "Accuracy", f"Mean accuracy over the seeds: {values}.")


@dataclass(frozen=True)
class Histogram:
    """Scores of one class: how many of each part lie in each bin. counts: part -> [bins]; edges: [bins + 1]."""

    class_name: str
    edges: np.ndarray
    counts: Mapping[str, np.ndarray]
    train_threshold: float | None
    test_threshold: float | None


def draw_histograms(histograms: Sequence[Histogram]) -> Chart:
    """The datapoint score by class, coloured by part, with the thresholds."""
    n_rows = (len(histograms) + 1) // 2
    with drawing("scores"):
        figure = Figure((WIDTH, 0.5 + 1.15 * n_rows), layout="constrained")
        grid = figure.subplots(n_rows, 2, squeeze=False)
        for axes, each in zip(grid.flat, histograms, strict=False):
            draw_histogram(axes, each)
        for axes in list(grid.flat)[len(histograms) :]:
            axes.set_visible(False)
        parts = [part for part in ("train", "reserve", "test") if any(each.counts[part].sum() for each in histograms)]
        figure.legend(*legend_of(parts), loc="outside upper center", ncols=3, fontsize=9)
        figure.supxlabel("datapoint score: low is test-like, high is train-like", fontsize=9)
        text = (
            f"Histograms of the datapoint score for {len(histograms)} classes: test lies at low scores, train at high "
            "ones, lines mark the thresholds between them."
        )
        return render(figure, "scores", "Datapoint score by class", text)


def draw_histogram(axes: Axes, histogram: Histogram) -> None:
    bottom = np.zeros(len(histogram.edges) - 1)
    for part in ("test", "reserve", "train"):
        top = bottom + histogram.counts[part]
        axes.stairs(top, histogram.edges, baseline=bottom, fill=True, color=COLOURS[part], linewidth=0)
        bottom = top
    for threshold in {histogram.train_threshold, histogram.test_threshold} - {None}:
        assert threshold is not None
        axes.axvline(threshold, color=COLOURS["ink"], linewidth=1, linestyle="--")
    axes.set_title(shorten(histogram.class_name, 24), loc="left", fontsize=9, pad=2)
    axes.set(yticks=[])
    axes.tick_params(labelsize=8)
    axes.spines["left"].set_visible(False)


def legend_of(parts: Sequence[str]) -> tuple[list[Any], list[str]]:
    patches = [mpl.patches.Patch(color=COLOURS[part]) for part in parts]
    return patches, list(parts)


def draw_matrix(
    name: str, title: str, text: str, shares: np.ndarray, rows: Sequence[str], columns: Sequence[str]
) -> Chart:
    """A matrix of shares 0..1, of at most `MAX_MATRIX` rows, as a heat map; a small one with its numbers."""
    with drawing(name):
        height = 1.0 + WIDTH * 0.72 * min(1.0, len(rows) / len(columns) + 0.1)
        figure = Figure((WIDTH, height), layout="constrained")
        axes = figure.subplots()
        axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="none")
        axes.invert_yaxis()
        if max(len(rows), len(columns)) <= MAX_ANNOTATED:
            for y, x in np.ndindex(*shares.shape):
                if shares[y, x] >= 0.005:
                    colour = "white" if shares[y, x] > 0.55 else "black"
                    label = f"{100 * shares[y, x]:.0f}"
                    axes.text(x + 0.5, y + 0.5, label, ha="center", va="center", color=colour, fontsize=8)
        slanted: dict[str, Any] = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
        axes.set_xticks(np.arange(len(columns)) + 0.5, [shorten(c) for c in columns], **slanted)
        axes.set_yticks(np.arange(len(rows)) + 0.5, [shorten(r) for r in rows])
        axes.tick_params(length=0)
        return render(figure, name, title, text)


def draw_curves(name: str, title: str, text: str, curves: Mapping[str, Sequence[float]]) -> Chart:
    """Quantities by meta-step, each in a panel of its own."""
    with drawing(name):
        figure = Figure((WIDTH, 0.4 + 1.15 * len(curves)), layout="constrained")
        grid = figure.subplots(len(curves), 1, squeeze=False, sharex=True)
        for axes, (label, values) in zip(grid.flat, curves.items(), strict=True):
            axes.plot(np.arange(1, len(values) + 1), values, color=COLOURS["train"], linewidth=1)
            axes.set_title(label, loc="left", fontsize=9, pad=2)
            axes.tick_params(labelsize=8)
            axes.grid(axis="y", linewidth=0.5)
        grid.flat[-1].set_xlabel("meta-step")
        return render(figure, name, title, text)


def draw_bars(name: str, title: str, text: str, labels: Sequence[str], bars: Mapping[str, Sequence[float]]) -> Chart:
    """For each label a group of bars 0..1 with their values. bars: colour -> one value a label."""
    with drawing(name):
        figure = Figure((WIDTH, 0.7 + 0.75 * len(labels)), layout="constrained")
        axes = figure.subplots()
        height = 0.62 / len(bars)
        for place, label in enumerate(labels):
            axes.text(0.0, place - 0.38, shorten(label, 40), va="center", fontsize=9)
            for number, (colour, values) in enumerate(bars.items()):
                at = place - 0.18 + number * height
                axes.barh(at, values[place], height * 0.9, align="edge", color=COLOURS[colour])
                axes.text(values[place] + 0.01, at + height / 2, f"{values[place]:.3f}", va="center", fontsize=8)
        axes.set(xlim=(0, 1.15), ylim=(len(labels) - 0.4, -0.6), yticks=[], xlabel="accuracy")
        axes.spines["left"].set_visible(False)
        figure.legend(*legend_of(list(bars)), loc="outside upper center", ncols=3, fontsize=9)
        return render(figure, name, title, text)
