"""Which column of a table has the images, and which the classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from splitgen.errors import SourceError

USUAL_IMAGES = (
    *("image", "images", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes"),
    *("path", "file", "file_name", "filename", "filepath", "file_path", "image_path", "image_file", "img_path"),
)
USUAL_LABELS = (
    *("label", "labels", "target", "targets", "class", "classes", "category", "cls", "y"),
    *("class_name", "class_label", "label_name", "fine_label", "coarse_label"),
)
USUAL_IDS = ("__key__", "id")
USUAL_PARTS = ("split", "part")


def plain_name(column: str) -> str:
    """A column's name for comparisons: `File Name` is file_name."""
    return re.sub(r"[\s-]+", "_", column.strip().lower())


def find_usual(columns: Sequence[str], usual: Sequence[str]) -> list[str]:
    return [column for column in columns if plain_name(column) in usual]


def find_image_column(source: str, given: str | None, fitting: Sequence[str], certain: Sequence[str]) -> str:
    """`choose_column` for the images."""
    return choose_column(source, "images", "--image-column", given, fitting, certain, USUAL_IMAGES)


def find_label_column(source: str, given: str | None, fitting: Sequence[str], certain: Sequence[str]) -> str:
    """`choose_column` for the classes."""
    return choose_column(source, "labels", "--label-column", given, fitting, certain, USUAL_LABELS)


def choose_column(
    source: str,
    what: str,
    option: str,
    given: str | None,
    fitting: Sequence[str],
    certain: Sequence[str],
    usual: Sequence[str],
) -> str:
    """The column that is asked for; else the only one that is certain by its type, or the only one of a usual name.

    fitting: columns whose type would do. certain: those of them whose type tells it all. Raises `SourceError`, with
    the candidates, where none or more than one is left.
    """
    shown = ", ".join(fitting) or "none"
    if given is not None:
        if given not in fitting:
            raise SourceError(source, f"it has no column '{given}' of {what}", f"columns that would do: {shown}")
        return given
    candidates = list(certain) or find_usual(fitting, usual)
    if len(candidates) > 1:
        candidates = find_usual(certain, usual) or candidates
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        problem = f"no column has a usual name of {what} ({', '.join(usual[:3])}, ...)"
        raise SourceError(source, problem, f"give {option}; columns that would do: {shown}")
    raise SourceError(
        source, f"{len(candidates)} columns may have the {what}", f"give {option}: {', '.join(candidates)}"
    )
