"""What a source holds of images, before they are decoded."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from PIL import Image

Encoded = bytes | Image.Image | np.ndarray  # the bytes of a file, or an image that a library has decoded already


class Pictures(Protocol):
    """N encoded images. Picklable: worker processes read by themselves."""

    def __len__(self) -> int: ...

    def read(self, row: int) -> Encoded:
        """What the source holds of an image: the bytes of its file, or an image that a library has decoded."""

    def name(self, row: int) -> str:
        """The image's name in messages: its path below the source, or "row 7"."""

    def stamp(self) -> str:
        """Changes whenever what lies there changes, and costs little: sizes and times of files, not their bytes.
        "" where the source cannot tell, and so nothing of it is kept."""
