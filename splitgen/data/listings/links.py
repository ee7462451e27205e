"""Links that leave the folder they lie in: what they point to is not what the user has named."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def find_outside(root: Path, paths: Iterable[Path]) -> list[Path]:
    """Those of the paths below `root` that lie outside of it once all links are followed, in their order.

    The root itself may be a link, and a link to the root does not leave it. Paths that are no files, and links that go
    round in circles, are never outside.
    """
    inside = os.path.join(os.path.realpath(root), "")  # with a separator at its end: /data is not within /dat
    return [path for path in paths if not f"{os.path.realpath(path)}{os.sep}".startswith(inside) and path.exists()]


def tell_outside(outside: list[Path], root: Path) -> str:
    """How many they are, and the first, for an error's line."""
    first = outside[0].relative_to(root).as_posix()
    count = "one link leaves" if len(outside) == 1 else f"{len(outside)} links leave"
    return f"{count} the folder (first: '{first}')"
