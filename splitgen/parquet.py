"""Parquet files with one JSON object in their metadata, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from splitgen.footers import DAMAGED, check_footprint
from splitgen.json_text import JsonError, parse_json

METADATA_KEY = b"splitgen"
MAX_LINKS = 40  # that a path is followed through, as the kernel does
NO_PATH = (OSError, RuntimeError, ValueError)  # of a loop of links, a name that is too long, or has a zero in it
LONG_NAME = 240  # bytes: a temporary name has ten more, and disks take 255
NAME_PART = 40  # characters of such a name, of at most four bytes each
TRIED_BYTES = 4096  # a block: what a disk has no room for is found by writing alone
LIBRARY_NUMBER = re.compile(r"\[errno (\d+)\]|\(os error (\d+)\)")  # how pyarrow and Rust tell what the system said


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path whose content takes the place of `path` once the block has ended well.

    A link stays a link: the file that it names is replaced. What is no regular file (a device, a FIFO, an open file
    descriptor such as /dev/stdout) is written through, and never replaced. Raises `OSError` that names `path`.
    """
    if is_passage(path):
        with passing_through(path) as temporary:
            yield temporary
        return
    with naming(path):
        real = path.resolve()
        handle, name = tempfile.mkstemp(dir=real.parent, prefix=begin_temporary(path))
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.chmod(0o666 & ~current_umask())
            temporary.replace(real)
            sync_folder(real.parent)
        finally:
            with contextlib.suppress(OSError):  # of a disk that failed, which is told already
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def passing_through(path: Path) -> Iterator[Path]:
    """A temporary path whose content is written to `path` once the block has ended well."""
    with tempfile.TemporaryDirectory() as folder:
        temporary = Path(folder) / path.name
        temporary.touch()
        yield temporary
        with naming(path), temporary.open("rb") as source, path.open("ab") as passage:
            shutil.copyfileobj(source, passage)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """A block that writes to a path, by temporary ones: where the disk does not serve, whatever a library makes of it
    becomes an `OSError` of the path. One that names another file, as one that is copied, stays."""
    try:
        yield
    except Exception as error:
        number = find_errno(error)
        named = (error.filename2 or error.filename) if isinstance(error, OSError) else None
        if number is None or (named is not None and f"{os.sep}{begin_temporary(path)}" not in str(named)):
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def begin_temporary(path: Path) -> str:
    """What the name of a temporary file for the path begins with; of a name as long as names may be, a part."""
    is_long = len(os.fsencode(path.name)) > LONG_NAME
    return f".{path.name[:NAME_PART] if is_long else path.name}."


def find_errno(error: Exception) -> int | None:
    """The number that the system gave what went wrong; None for what is no fault of the system."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    told = LIBRARY_NUMBER.search(str(error))
    return None if told is None else int(told[1] or told[2])


def sync_folder(folder: Path) -> None:
    """Make names of files in a folder last, where the system can: what was renamed is otherwise lost with the power."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def is_passage(path: Path) -> bool:
    """Whether bytes written to the path go elsewhere: it is there and no regular file, or names a file descriptor."""
    if path.exists() and not path.is_file():
        return True
    for _ in range(MAX_LINKS):
        path = path.parent.resolve() / path.name
        if path.parts[:2] == ("/", "proc"):  # where /dev/stdout and /dev/fd lead to
            return True
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
    return False


def find_output_fault(path: Path) -> str | None:
    """Why a file cannot be written to the path, in one line; None where it can. Leaves everything as it is."""
    try:
        problem = find_path_fault(path)
    except NO_PATH as error:
        problem = f"its name leads nowhere ({tell_reason(error)})"
    return f"'{path}' cannot be written: {problem}; give another path" if problem else None


def tell_reason(error: Exception) -> str:
    """What the system says of an error; what the error says, where it is not the system's."""
    return getattr(error, "strerror", None) or str(error)


def find_path_fault(path: Path) -> str:
    """The same without the path; "" where there is none."""
    folder = path.resolve().parent
    if path.is_dir():
        return "it is a folder"
    if not folder.is_dir():
        return f"there is no folder '{folder}'"
    if is_passage(path):
        return "" if os.access(path, os.W_OK) else "it may not be written"
    return try_folder(folder)


def try_folder(folder: Path) -> str:
    """Why no file can be written in a folder, found by one that is gone at once; "" where it can. What the system
    tells of permissions is not all: disks are full, mounted to be read only, or take no files of anybody."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(TRIED_BYTES))
    except OSError as error:
        return f"the folder '{folder}' takes no file ({error.strerror or error})"
    return ""


def find_folder_fault(path: Path) -> str | None:
    """Why no folder can be made at the path, or written into, in one line; None where it can. Leaves everything as it
    is."""
    try:
        path.resolve()
        there = next(each for each in (path, *path.absolute().parents) if each.exists())
    except NO_PATH as error:
        return f"'{path}' cannot be made: {tell_reason(error)}; give another path"
    problem = try_folder(there) if there.is_dir() else f"'{there}' is no folder"
    return f"'{path}' cannot be made: {problem}; give another path" if problem else None


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_parquet(frame: pd.DataFrame, schema: pa.Schema, metadata: Mapping[str, Any], path: Path) -> None:
    """Write the frame's columns in the schema's types, zstd-compressed, with the metadata under `splitgen`."""
    table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    text = json.dumps(metadata, sort_keys=True, allow_nan=False)
    table = table.replace_schema_metadata({METADATA_KEY: text.encode()})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_parquet(path: Path) -> tuple[pd.DataFrame, dict[str, Any] | None]:
    """Columns and metadata; None where the file has none of ours.

    Raises `ValueError`, which says why: no file to read, no Parquet file, one that asks for too much memory, or
    metadata that is no JSON object.
    """
    table = load_table(path)
    text = (table.schema.metadata or {}).get(METADATA_KEY)
    return to_frame(table), None if text is None else parse_metadata(text)


def to_frame(table: pa.Table) -> pd.DataFrame:
    """The columns as they are stored, whatever pandas noted of them. Raises `ValueError`."""
    try:
        table.validate(full=True)  # pandas would find texts that are no UTF-8 where somebody looks at them
        frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    except (*DAMAGED, ValueError, LookupError, TypeError) as error:  # the latter of pandas: unknown time zones
        raise ValueError(f"its columns cannot be read ({' '.join(str(error).split())})") from error
    return frame


def load_table(path: Path, with_nested: bool = True) -> pa.Table:
    """The columns of a file. with_nested: those of lists and structures (images are), too.

    Raises `ValueError` as `read_parquet`, and for two columns of one name.
    """
    try:
        schema = pq.read_schema(path)
        check_names(schema.names)
        wanted = [field.name for field in schema if with_nested or not pa.types.is_nested(field.type)]
        check_footprint(path, wanted)
        return pq.read_table(path, columns=None if len(wanted) == len(schema) else wanted)
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror or str(error).splitlines()[0]})") from error
    except DAMAGED as error:
        raise ValueError("it is not a Parquet file, or it is cut short") from error


def check_names(names: Sequence[str]) -> None:
    """Raise `ValueError` for a column name that stands twice."""
    if (doubled := find_doubled(names)) is not None:
        raise ValueError(f"two columns are named '{doubled}'; rename one")


def find_doubled(names: Sequence[str]) -> str | None:
    """The first name that stands twice."""
    return next((name for name, count in Counter(names).items() if count > 1), None)


def parse_metadata(text: bytes) -> dict[str, Any]:
    """The JSON object of a file. Raises `ValueError`."""
    try:
        metadata = parse_json(text, is_ours=True)
    except JsonError as error:
        raise ValueError(f"its splitgen metadata is {error}") from error
    if not isinstance(metadata, dict):
        raise ValueError("its splitgen metadata is no JSON object")
    return metadata


def write_json(value: Mapping[str, Any], path: Path) -> None:
    """Write a JSON object, readable by people."""
    write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", path)


def write_text(text: str, path: Path) -> None:
    """Write a text file."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
