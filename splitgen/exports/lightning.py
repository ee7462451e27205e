"""Lightning 2: a data module of the split's parts."""

from __future__ import annotations

from typing import Any

from splitgen.splits.split import Split


def make_data_module(split: Split, dataset: Any, batch_size: int = 128, num_workers: int = 0) -> Any:
    """A `LightningDataModule` with loaders for train, test and, where it has rows, validation.

    dataset: a torch dataset, or splitgen's own, with the rows of the split's source in its order.
    Raises `SplitFileError` as `Split.subset`.
    """
    from lightning import LightningDataModule

    validation = split.subset(dataset, "validation") if len(split.indices("validation")) else None
    return LightningDataModule.from_datasets(
        train_dataset=split.subset(dataset, "train"),
        val_dataset=validation,
        test_dataset=split.subset(dataset, "test"),
        batch_size=batch_size,
        num_workers=num_workers,
    )
