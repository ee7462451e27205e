"""Random changes of files, of their bytes and of what is in them. Each takes a file's bytes and a source of chance."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from splitgen.footers import DAMAGED

Mutate = Callable[[bytes, Random], bytes]
NOTE = b"splitgen"
TOKENS = (
    *(b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"[" * 300, b"{", b"}", b'"', b"'", b",", b";", b"\t", b"\r", b"\n", b"\\"),
    *(b"nan", b"NaN", b"inf", b"-Infinity", b"1e999", b"1e400", b"-1", b"0", b"0.5", b"9" * 5000, b"true", b"null"),
    *(b"2020-01-01", b"\xe2\x80\xa8", b"\xed\xa0\x80", b"[bold]", b"PAR1", b"PK\x03\x04", b"\x80\x04", b"index", b"id"),
)


def change_bytes(data: bytes, chance: Random) -> bytes:
    """One to four small changes anywhere."""
    found = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        start = chance.randint(0, len(found))
        end = min(len(found), start + chance.choice((1, 1, 2, 8, 64, 1000)))
        kind = chance.randrange(5)
        if kind == 0:
            del found[start:end]
        elif kind == 1:
            found[start:end] = bytes(chance.randrange(256) for _ in range(end - start))
        elif kind == 2:
            found[start:start] = chance.choice(TOKENS)
        elif kind == 3:
            found[start:start] = found[start:end]
        else:
            del found[start:]
    return bytes(found)


def draw_json(chance: Random, depth: int = 0) -> Any:
    """Any JSON value."""
    kind = chance.randrange(12 if depth < 3 else 9)
    if kind < 9:
        plain = (None, True, -1, 2**70, 0.5, 1e308, "", "text \ud800\u2028\x1b[1m", float("nan"))
        return plain[kind]
    if kind == 9:
        deep: Any = 1
        for _ in range(chance.choice((3, 99, 200, 900))):
            deep = [deep]
        return deep
    if kind == 10:
        return [draw_json(chance, depth + 1) for _ in range(chance.randint(0, 3))]
    return {
        chance.choice(("a", "mean", "task", "test")): draw_json(chance, depth + 1) for _ in range(chance.randint(0, 3))
    }


def change_json(data: bytes, chance: Random) -> bytes:
    """Another value, one less, or one more, somewhere in a JSON value."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return change_bytes(data, chance)
    if chance.random() < 0.1:
        return change_bytes(data, chance)
    for _ in range(chance.randint(1, 2)):
        value = change_value(value, chance)
    try:
        return json.dumps(value).encode()
    except RecursionError:
        return data


def change_value(value: Any, chance: Random) -> Any:
    if not isinstance(value, (dict, list)) or not value or chance.random() < 0.15:
        return draw_json(chance)
    place = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
    kind = chance.random()
    if kind < 0.1:
        del value[place]
    elif kind < 0.2 and isinstance(value, list):
        value.append(value[place])
    else:
        value[place] = change_value(value[place], chance)
    return value


def draw_column(n_rows: int, chance: Random) -> pa.Array:
    """A column of any type."""
    columns: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array([chance.choice((0, 1, -1, 2**62, None)) for _ in range(n_rows)], pa.int64()),
        lambda: pa.array([2**64 - 1] * n_rows, pa.uint64()),
        lambda: pa.array([chance.choice((0.0, 0.5, float("nan"), float("inf"), 1e300, None)) for _ in range(n_rows)]),
        lambda: pa.array([1.0] * n_rows, pa.float16()),
        lambda: pa.array(
            [chance.choice(("0", "train", "", "a\0b", "\u2028", None)) for _ in range(n_rows)], pa.string()
        ),
        lambda: pa.array([b"\xff"] * n_rows),
        lambda: pa.array([[1]] * n_rows),
        lambda: pa.array([{"a": 1}] * n_rows),
        lambda: pa.array([[("a", 1)]] * n_rows, pa.map_(pa.string(), pa.int64())),
        lambda: pa.array([True] * n_rows),
        lambda: pa.nulls(n_rows),
        lambda: pa.array([date(2020, 1, 1)] * n_rows),
        lambda: pa.array([2**61] * n_rows, pa.timestamp("us")),
        lambda: pa.array([datetime(2020, 1, 1)] * n_rows, pa.timestamp("ns", "Europe/Berlin")),
        lambda: pa.array([timedelta(1)] * n_rows),
        lambda: pa.array([Decimal("1.5")] * n_rows),
        lambda: pa.array(["a"] * n_rows).dictionary_encode(),
        lambda: pa.array(range(n_rows), pa.int32()).dictionary_encode(),
        lambda: pa.array(list(map(str, range(n_rows))), pa.large_string()),
        lambda: pa.array(list(map(str, range(n_rows))), pa.string_view()),
        lambda: pa.array([1] * n_rows, pa.time64("us")),
    )
    return chance.choice(columns)()


def change_parquet(data: bytes, chance: Random) -> bytes:
    """Another column, other rows, or another note in a Parquet file."""
    if chance.random() < 0.1:
        return change_bytes(data, chance)
    try:
        table = pq.read_table(io.BytesIO(data))
        changed = change_table(table, chance)
        file = io.BytesIO()
        pq.write_table(changed, file)
    except (*DAMAGED, OSError, ValueError, OverflowError):
        return change_bytes(data, chance)
    return file.getvalue()


def change_table(table: pa.Table, chance: Random) -> pa.Table:
    kind, notes = chance.randrange(10), table.schema.metadata or {}
    if kind < 4 and NOTE in notes:
        return table.replace_schema_metadata({NOTE: change_json(notes[NOTE], chance)})
    if not table.num_columns:
        return pa.table({"index": [0]})
    place = chance.randrange(table.num_columns)
    name = table.schema.names[place]
    if kind < 7:
        return table.set_column(place, name, draw_column(table.num_rows, chance))
    if kind == 7:
        return table.remove_column(place)
    if kind == 8:
        return table.append_column(chance.choice((name, "id", "index", "extra")), draw_column(table.num_rows, chance))
    rows = (
        [chance.randrange(table.num_rows) for _ in range(chance.choice((0, 1, table.num_rows)))]
        if table.num_rows
        else []
    )
    return table.take(pa.array(rows, pa.int64()))


def change_cells(data: bytes, chance: Random) -> bytes:
    """Another cell, separator or line in a text of lines."""
    if chance.random() < 0.3:
        return change_bytes(data, chance)
    lines = data.split(b"\n")
    for _ in range(chance.randint(1, 3)):
        row = chance.randrange(len(lines))
        cells = lines[row].split(b",")
        cells[chance.randrange(len(cells))] = chance.choice(TOKENS)
        lines[row] = chance.choice((b",", b",", b";", b"\t", b"|")).join(cells)
    return b"\n".join(lines)


def change_lines(data: bytes, chance: Random) -> bytes:
    """Another record, or another value in one, in a text of JSON lines."""
    lines = data.split(b"\n")
    row = chance.randrange(len(lines))
    lines[row] = change_json(lines[row] or b"{}", chance)
    return b"\n".join(lines)


def change_toml(data: bytes, chance: Random) -> bytes:
    """Another value of a setting, or another name."""
    if chance.random() < 0.2:
        return change_bytes(data, chance)
    values = (
        b"nan",
        b"inf",
        b"-1",
        b"0",
        b"1e400",
        b"'a'",
        b"[]",
        b"[inf]",
        b"[[1]]",
        b"{a=1}",
        b"true",
        b"2020-01-01",
    )
    lines = data.split(b"\n")
    row = chance.randrange(len(lines))
    name, _, _ = lines[row].partition(b"=")
    lines[row] = (
        chance.choice((name, b"seed", b"training.epochs", b"x.y")) + b"= " + chance.choice((*values, b"9" * 30))
    )
    return b"\n".join(lines)


def draw_array(chance: Random) -> bytes:
    """An array of any type, or what is none, as a member of an archive has it."""
    arrays: tuple[Any, ...] = (
        *(np.arange(5), np.arange(240), np.zeros((240, 8, 8)), np.float64(3), np.array(["a"]), np.array([b"a"])),
        *(np.full(5, np.nan), np.ones(240, bool), np.array([2**63], np.uint64), np.arange(3).astype("M8[D]")),
        *(np.zeros(3, [("a", "i4")]), np.zeros(2, "V8"), np.array([1j]), np.zeros((0, 3)), np.float16([1, 2])),
    )
    file = io.BytesIO()
    np.save(file, chance.choice(arrays))
    return change_bytes(file.getvalue(), chance) if chance.random() < 0.3 else file.getvalue()


def change_archive(data: bytes, chance: Random) -> bytes:
    """Another member of an archive, or other names."""
    if chance.random() < 0.2:
        return change_bytes(data, chance)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
    except Exception:  # noqa: BLE001  it was spoilt before
        return change_bytes(data, chance)
    names = ("x.npy", "y.npy", "train.npy", "test.npy", "index.npy", "test_fold.npy", "val.npy", "a/b.npy", "x")
    members[chance.choice((*members, *names))] = draw_array(chance)
    if chance.random() < 0.2:
        members.pop(chance.choice(list(members)))
    file = io.BytesIO()
    with zipfile.ZipFile(
        file, "w", chance.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    ) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def draw_saved(chance: Random, depth: int = 0) -> Any:
    """What torch saves."""
    kind = chance.randrange(14 if depth < 3 else 10)
    plain = (
        *(torch.arange(5), torch.arange(5, 9), torch.tensor(3), torch.tensor([0.5]), torch.tensor([True])),
        *(torch.zeros(1, dtype=torch.int64).expand(10**9), torch.arange(3).to_sparse(), "train", None, 2**70),
    )
    if kind < len(plain):
        return plain[kind]
    if kind < 12:
        return [draw_saved(chance, depth + 1) for _ in range(chance.choice((0, 1, 2, 2, 2, 3)))]
    if kind == 12:
        return {chance.choice(("a", 1, None)): draw_saved(chance, depth + 1)}
    return tuple(draw_saved(chance, depth + 1) for _ in range(2))


def change_saved(data: bytes, chance: Random) -> bytes:
    """Another value, or other bytes of it, in what torch saved."""
    if chance.random() < 0.5:
        return change_bytes(data, chance)
    file = io.BytesIO()
    torch.save(draw_saved(chance), file, _use_new_zipfile_serialization=chance.random() < 0.7)
    return file.getvalue()


def change_weights(data: bytes, chance: Random) -> bytes:
    """Another header of safetensors, or other bytes."""
    if chance.random() < 0.4 or len(data) < 8:
        return change_bytes(data, chance)
    size = min(struct.unpack("<Q", data[:8])[0], len(data))
    header = change_json(data[8 : 8 + size], chance)
    return struct.pack("<Q", len(header)) + header + data[8 + size :]
