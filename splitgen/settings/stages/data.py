"""What is opened: the dataset, its rows and pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from splitgen.settings.faults import choice_faults, colour_faults, fault, least_faults
from splitgen.settings.fields import ARGUMENT, described, setting
from splitgen.settings.presets import MAX_IMAGE_SIZE

# Settings of the data that decide its rows and pixels; the others say where it lies, or what is allowed.
OPENING = (
    *("part", "image_column", "label_column", "target_column"),
    *("image_size", "resize", "background", "skip_unreadable", "duplicates"),
)


@described
@dataclass(frozen=True)
class DataConfig:
    """Which dataset, and how it is opened."""

    dataset: str = setting(
        "digits",
        "`digits`, `folder:PATH`, `parquet:PATH`, `hf:PATH_OR_NAME`, `csv:FILE`, `jsonl:FILE`, `webdataset:SHARDS`,"
        " `torchvision:NAME`, `idx:FOLDER`, `npz:FILE`, `features:FILE`, `tinyimagenet:PATH` or"
        " `package.module:callable`",
        option=ARGUMENT,
    )
    root: str = setting("data", "folder of torchvision datasets", option="--root")
    download: bool = setting(
        False, "fetch a dataset of torchvision or of the hub that is not there", option="--download"
    )
    part: str | None = setting(
        None,
        "of a source that has several (train, val, test, ...), the one to open",
        "train, where there are several",
        option="--part",
    )
    image_column: str | None = setting(
        None,
        "of a table, the column of the images: bytes or paths; of features, that of the vectors",
        "found",
        option="--image-column",
    )
    label_column: str | None = setting(None, "of a table, the column of the classes", "found", option="--label-column")
    target_column: str | None = setting(
        None,
        "of a torchvision dataset, the attribute (`Blond_Hair`) or kind of target (`genus`) that is the class",
        "the dataset's own",
        option="--target-column",
    )
    image_size: int | None = setting(
        None,
        "pixels a side that images are resized to",
        "32, of smaller images their own, as of those that come as arrays",
        option="--image-size",
    )
    resize: str = setting(
        "crop",
        "`crop` keeps the middle of an image, `pad` fills it up to a square, `squash` changes its aspect ratio",
        option="--resize",
    )
    background: str = setting(
        "white", "colour that shines through where an image is transparent", option="--background"
    )
    skip_unreadable: bool = setting(False, "leave out images that cannot be read", option="--skip-unreadable")
    duplicates: str = setting(
        "group",
        "`group` keeps byte-identical images of files and tables in one part of a split, `ignore` does not look for"
        " them; images that come as arrays (digits, IDX, npz, tensors) are not looked at",
        option="--duplicates",
    )
    cache: str | None = setting(
        None, "folder that decoded images are kept in", "the user's cache folder", option="--cache"
    )
    follow_links: bool = setting(
        False, "read what a folder's links point to outside of it, too", option="--follow-links"
    )
    metadata: str | None = setting(
        None, "Parquet or CSV table about the datapoints, joined by its column `id`", "none", option="--metadata"
    )
    group_column: str | None = setting(
        None, "of the metadata; rows of one group never straddle train and test", "none", option="--group-column"
    )

    def describe_opening(self) -> dict[str, Any]:
        """How the rows and pixels of a dataset come about, wherever it lies: what a file tells of it for others."""
        return {name: getattr(self, name) for name in OPENING}

    def faults(self) -> Iterator[str]:
        yield from least_faults(self, 1, "image_size")
        if self.image_size is not None and self.image_size > MAX_IMAGE_SIZE:
            yield fault("image_size", self.image_size, f"at most {MAX_IMAGE_SIZE}")
        yield from choice_faults(self, "resize", ("crop", "pad", "squash"))
        yield from colour_faults(self, "background")
        yield from choice_faults(self, "duplicates", ("group", "ignore"))
        if self.group_column is not None and self.metadata is None:
            yield fault("group_column", self.group_column, "given together with metadata, the table that has it")
