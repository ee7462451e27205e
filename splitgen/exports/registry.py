"""Exporters by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from splitgen.errors import ExportError
from splitgen.exports import celeba, folders, group_dro, huggingface, plain, scikit_learn, subpopbench, tensors, wilds
from splitgen.exports.export import Export
from splitgen.parquet import find_folder_fault, find_output_fault
from splitgen.splits.split import Split

EXPORTERS: dict[str, Callable[[Export], None]] = {
    "csv": plain.write_csv,
    "jsonl": plain.write_json_lines,
    "huggingface": huggingface.write_parts,
    "celeba": celeba.write_partition,
    "wilds": wilds.write_metadata,
    "subpopbench": subpopbench.write_metadata,
    "group-dro": group_dro.write_metadata,
    "sklearn": scikit_learn.write_folds,
    "imagefolder": folders.write_image_folder,
    "timm": folders.write_timm,
    "domainbed": folders.write_domain_bed,
    "tensors": tensors.write_pairs,
}
FOLDERS = ("huggingface", "imagefolder", "timm", "domainbed")  # they get one and no file
# Consumers that take a Python object and no file, and the call that makes it.
CALLS = {
    "lightning": "splitgen.exports.lightning.make_data_module(split, dataset)",
    "fiftyone": "splitgen.exports.fiftyone.tag_samples(split, dataset, images)",
}


def export_split(
    split: Split,
    consumer: str,
    out: Path | str,
    *,
    images: Path | None = None,
    attributes: np.ndarray | None = None,
    follow_links: bool = False,
    layout: str | None = None,
    partition: Path | None = None,
) -> None:
    """Write a split in the format of a consumer, a name of `EXPORTERS`; other arguments as of `Export`.

    A file is replaced in one step; a folder must not be there, or be empty. Raises `ExportError`.
    """
    if consumer in CALLS:
        raise ExportError(consumer, "it takes a Python object and no file", f"call {CALLS[consumer]}")
    if consumer not in EXPORTERS:
        raise ExportError(consumer, "unknown consumer", f"use {', '.join(EXPORTERS)}")
    if consumer != "celeba" and (layout, partition) != (None, None):
        raise ExportError(consumer, "it has one layout, and no partition file", "leave out --layout and --partition")
    if layout not in (None, *celeba.LAYOUTS):
        raise ExportError(consumer, f"unknown layout '{layout}'", f"use {' or '.join(celeba.LAYOUTS)}")
    out = Path(out)
    fault = find_folder_fault(out.parent)
    if fault is None and consumer not in FOLDERS and out.parent.is_dir():
        fault = find_output_fault(out)
    if fault is not None:
        problem, _, remedy = fault.partition("; ")
        raise ExportError(consumer, problem, remedy)
    out.parent.mkdir(parents=True, exist_ok=True)
    layout = layout or celeba.OFFICIAL
    EXPORTERS[consumer](Export(consumer, split, out, images, attributes, follow_links, layout, partition))
