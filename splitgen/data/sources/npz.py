"""NumPy archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from splitgen.archives import ArchiveError, Npz, open_npz
from splitgen.data.arrays import check_image_shape, to_channels_first
from splitgen.data.class_checks import check_label_shape
from splitgen.data.dataset import ImageDataset, make_dataset
from splitgen.data.listings.part_names import NO_PARTS, refuse_part
from splitgen.errors import SourceError
from splitgen.settings.stages import DataConfig


def load_npz(argument: str, config: DataConfig) -> ImageDataset:
    """A NumPy archive with x (N x height x width, or with channels last or first) and y (N)."""
    path = Path(argument)
    source = f"npz:{path.name}"
    refuse_part(source, config.part, NO_PARTS)
    try:
        with open_npz(path) as archive:
            x, y = read_pair(source, archive)
    except FileNotFoundError as error:
        raise SourceError(f"npz:{argument}", "the file does not exist", "give an .npz file with x and y") from error
    except OSError as error:
        raise SourceError(source, f"it cannot be read ({error.strerror})", "give an .npz file with x and y") from error
    except ArchiveError as error:
        raise SourceError(source, error.problem, error.remedy) from error
    return make_dataset(source, to_channels_first(source, x), y, raw=[x.tobytes()])


def read_pair(source: str, archive: Npz) -> tuple[np.ndarray, np.ndarray]:
    """The arrays x and y of an archive, read once they are known to fit together."""
    if not {"x", "y"} <= set(archive.members):
        raise SourceError(source, "it lacks the arrays x and y", "save with numpy.savez(FILE, x=images, y=labels)")
    x, y = archive.header("x"), archive.header("y")
    if x.dtype.kind not in "iuf":
        raise SourceError(source, f"x has the type {x.dtype}", "give numbers")
    check_image_shape(source, x.shape)
    check_label_shape(source, y.shape, x.shape[0])
    return archive.read("x"), archive.read("y")
