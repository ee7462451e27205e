"""MNIST-style IDX files, gzipped or not."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from splitgen.archives import ArchiveError, Header, check_memory, check_packing
from splitgen.errors import SourceError

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def find_idx(folder: Path, stem: str) -> Path:
    """The one file of a folder that starts with the stem."""
    found = sorted(folder.glob(f"{stem}*"))
    if not found:
        raise SourceError(f"idx:{folder}", f"no file {stem}*", "the folder needs train-images* and train-labels*")
    return found[0]


def read_idx(path: Path) -> np.ndarray:
    """The array of one IDX file; no byte is unpacked beyond those that its header tells of. Raises `SourceError`."""
    source = f"idx:{path.parent}"
    try:
        with cast(BinaryIO, gzip.open(path)) if path.suffix == ".gz" else path.open("rb") as file:
            header = read_idx_header(file)
            n_bytes = math.prod(header.shape) * header.dtype.itemsize
            check_packing(f"'{path.name}'", path.stat().st_size, n_bytes)
            check_memory(f"'{path.name}'", header.shape, header.dtype.itemsize)
            content = file.read(n_bytes)
            is_longer = file.read(1) != b""  # looks at the checksum, too
    except ArchiveError as error:
        raise SourceError(source, error.problem, error.remedy) from error
    except (OSError, EOFError, zlib.error, KeyError, IndexError, ValueError) as error:
        raise SourceError(source, f"'{path.name}' is not an IDX file, or damaged", "give MNIST-style files") from error
    if is_longer or len(content) < n_bytes:
        found = "more" if is_longer else f"{len(content)}"
        problem = f"'{path.name}' is not an IDX file: its header tells of {n_bytes} bytes, it has {found}"
        raise SourceError(source, problem, "fetch it again")
    return np.frombuffer(content, header.dtype).reshape(header.shape)


def read_idx_header(file: BinaryIO) -> Header:
    """Type and shape. Raises `KeyError`, `IndexError` or `ValueError` for a file that is none."""
    magic = file.read(4)
    kind, n_dims = IDX_TYPES[magic[2]], magic[3]
    shape = np.frombuffer(file.read(4 * n_dims), ">u4", n_dims)
    return Header(tuple(map(int, shape)), np.dtype(kind))
