"""MNIST-style folders of IDX files."""

from __future__ import annotations

from pathlib import Path

from splitgen.data.arrays import to_channels_first
from splitgen.data.dataset import ImageDataset, OwnTest, make_dataset
from splitgen.data.idx import find_idx, read_idx
from splitgen.data.images import MemoryImages
from splitgen.data.listings.part_names import find_part
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig

OWN_TEST = "t10k"
PARTS = {"train": "train", "test": OWN_TEST}  # and how the names of their files begin


def load_idx(argument: str, config: DataConfig) -> ImageDataset:
    """MNIST-style IDX files, gzipped or not: the train files, with the t10k files as the own test set; or, as the part
    "test", these alone."""
    folder = Path(argument)
    source = f"idx:{folder.name}"
    if not folder.is_dir():
        raise SourceError(f"idx:{argument}", "the folder does not exist", "give a folder with IDX files")
    part = PARTS[find_part(source, list(PARTS), config.part)]
    images, labels = read_idx(find_idx(folder, f"{part}-images")), read_idx(find_idx(folder, f"{part}-labels"))
    own_test = None
    if part != OWN_TEST and list(folder.glob("t10k-images*")) and list(folder.glob("t10k-labels*")):
        test_images, test_labels = read_idx(find_idx(folder, "t10k-images")), read_idx(find_idx(folder, "t10k-labels"))
        own_test = OwnTest(MemoryImages(to_channels_first(source, test_images)), test_labels)
    raw = [images.tobytes(), labels.tobytes()]
    return make_dataset(source, to_channels_first(source, images), labels, raw=raw, own_test=own_test)
