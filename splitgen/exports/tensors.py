"""TaskDiscovery's pairs of index tensors: `torch.load(path)[task][split] -> (train_ids, test_ids)`."""

from __future__ import annotations

from splitgen.exports.export import Export
from splitgen.parquet import replacing


def write_pairs(export: Export) -> None:
    """One task and one split, both numbered 0; int64 positions in the source."""
    import torch

    split = export.split
    pair = tuple(torch.from_numpy(split.indices(part)) for part in ("train", "test"))
    with replacing(export.out) as temporary:
        torch.save({0: {0: pair}}, temporary)
