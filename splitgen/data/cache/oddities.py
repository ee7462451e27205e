"""What is odd about images, in notes for the user: read by what was kept of each when it was decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from splitgen.data.cache.chunks import READABLE

MAX_NAMED = 20  # images that cannot be read, in an error
CONSTANT_SHARE = 0.01  # of all images that are of one value, from which on they are told of
CLIPPED_VALUES, CLIPPED_SHARE = 0.98, 0.5  # share of an image's values at 0 or 255, and of all images that have so many
DISTINCT_SHARE = 0.9  # of the images that differ as files: so many must differ as pixels

Name = Callable[[int], str]


def tell_oddities(records: np.ndarray, name: Name) -> list[str]:
    """Notes on several frames, images of one value or at the ends of the range, and images that come out the same.

    records: `RECORD` [N]. name: of an image by its row.
    """
    seen = records["state"] == READABLE
    n_seen = int(seen.sum())
    notes = tell_rows("several frames, of which the first is taken", seen & (records["frames"] > 1), n_seen, name)
    constant = seen & records["is_constant"]
    if constant.sum() >= CONSTANT_SHARE * n_seen:
        notes += tell_rows("of one value throughout", constant, n_seen, name)
    clipped = seen & ~constant & (records["clipped"] >= CLIPPED_VALUES)
    if clipped.sum() >= CLIPPED_SHARE * n_seen:
        notes += tell_rows("black or white in nearly all of its pixels, as if clipped", clipped, n_seen, name)
    return notes + tell_alike(records[seen])


def tell_rows(words: str, which: np.ndarray, n_seen: int, name: Name) -> list[str]:
    """A note on some of the images, which [N], where there are any."""
    if not which.any():
        return []
    return [f"{words}: {int(which.sum())} of {n_seen} images (first: '{name(int(which.argmax()))}')"]


def tell_alike(seen: np.ndarray) -> list[str]:
    """A note where many images that differ as files are the same as pixels."""
    starts = np.ascontiguousarray(seen["digest"][:, :8]).view("<u8")  # 64 bits tell files apart, and sort fast
    files, pixels = len(np.unique(starts)), len(np.unique(seen["content"]))
    if len(seen) == 0 or pixels >= DISTINCT_SHARE * files:
        return []
    return [f"{files} different images give only {pixels} different ones in the pixels that a model sees"]


def tell_unreadable(problems: Mapping[int, str], name: Name) -> str:
    """Images that cannot be read, by name, the first `MAX_NAMED` of them."""
    told = [f"'{name(row)}' {problems[row]}" for row in sorted(problems)[:MAX_NAMED]]
    more = f" and {len(problems) - MAX_NAMED} more" if len(problems) > MAX_NAMED else ""
    return f"{', '.join(told)}{more}"
