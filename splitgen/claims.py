"""A folder that one process at a time writes into."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from pathlib import Path

if sys.platform != "win32":
    import fcntl


class FolderClaim:
    """Holds a lock on a folder for as long as it lives, or until it is released; a process that ends, however it ends,
    does not keep it, and no file is left behind. On Windows, which has no such locks, it holds nothing.

    Raises `BlockingIOError` where another claim holds the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.release: Callable[[], object] = lambda: None
        if sys.platform == "win32":
            return
        handle = os.open(folder, os.O_RDONLY)
        self.release = weakref.finalize(self, os.close, handle)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
