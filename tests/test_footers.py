"""A footer that contradicts itself is refused, and does not end the process."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from splitgen.footers import DAMAGED, read_footer

TABLE = pa.table(
    {
        "image": [{"bytes": b"%d" % row, "path": f"{row}.png"} for row in range(6)],
        "image.path": pa.array([0.5] * 6, pa.float32()),  # a column named as a part of another
        "label": [0, 1] * 3,
        "name": ["a", None] * 3,
        "words": [["a", "b", "c"], [], None, ["d"], [], []],
    }
)


def write_table() -> bytes:
    file = io.BytesIO()
    pq.write_table(TABLE, file, row_group_size=3)
    return file.getvalue()


def look_through(path: Path) -> int:
    """Ask for all that a footer has: where pyarrow does not expect something, the process ends."""
    footer, n_empty = read_footer(path), 0
    for group in range(footer.num_row_groups):
        for column in range(footer.num_columns):
            chunk = footer.row_group(group).column(column)
            assert chunk.encodings
            assert isinstance(chunk.num_values, int)
            n_empty += 0 if chunk.statistics is None else chunk.statistics.null_count or 0
    return n_empty


def test_a_good_footer_is_read_and_nothing_else_of_the_file(tmp_path):
    good = write_table()
    (tmp_path / "good").write_bytes(good)
    n_footer = int.from_bytes(good[-8:-4], "little") + 8
    assert look_through(tmp_path / "good") == 3 + 4  # names, and words where there are none
    (tmp_path / "no pages").write_bytes(good[:4] + b"\xff" * (len(good) - n_footer - 4) + good[-n_footer:])
    assert read_footer(tmp_path / "no pages").equals(pq.read_metadata(io.BytesIO(good)))


def test_nothing_of_a_footer_stays_in_memory(tmp_path):
    """An error of Python's that went through pyarrow was never freed, with all that it held."""
    (tmp_path / "good").write_bytes(write_table())
    read_footer(tmp_path / "good")
    before = pa.total_allocated_bytes()
    for _ in range(20):
        read_footer(tmp_path / "good")
    assert pa.total_allocated_bytes() <= before


@pytest.mark.parametrize("bit", [0, 1, 4])
def test_no_changed_bit_of_a_footer_ends_the_process(tmp_path, bit):
    """By an exception of C++ that nobody catches; the first such file was found by a fuzz."""
    good, refused, path = write_table(), list[str](), tmp_path / "changed"
    n_footer = int.from_bytes(good[-8:-4], "little")
    for place in range(len(good) - 8 - n_footer, len(good) - 8):
        changed = bytearray(good)
        changed[place] ^= 1 << bit
        path.write_bytes(changed)
        try:
            look_through(path)
        except (OSError, *DAMAGED) as error:
            refused.append(str(error))
    assert n_footer / 8 < len(refused) < n_footer
    assert any("in its schema" in problem for problem in refused)
    assert any("in its parts" in problem for problem in refused)
    assert any("values in" in problem for problem in refused)
    assert any("histogram size mismatch" in problem for problem in refused)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"hello, this is no table"])
def test_what_is_no_parquet_file_has_no_footer(tmp_path, content):
    (tmp_path / "text").write_bytes(content)
    with pytest.raises(DAMAGED):
        read_footer(tmp_path / "text")
