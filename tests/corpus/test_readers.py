"""Every reader is total: whatever a file holds, it gives a value or raises splitgen's own error."""

from __future__ import annotations

from pathlib import Path

import pytest
from good_files import make_good
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from readers import READERS, list_seeds, try_to_read

EXAMPLES = 60


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of good files, which is the current one while the tests of this module run."""
    folder = tmp_path_factory.mktemp("readers")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_good(folder)
        yield folder


@pytest.fixture(params=READERS)
def reader(good, request):
    """A reader, with the files of the folder good again after it."""
    chosen = READERS[request.param]
    path = good / chosen.place
    before = path.read_bytes() if path.exists() else None
    yield chosen
    if before is None:
        path.unlink()
    else:
        path.write_bytes(before)


def test_good_files_are_read(reader):
    assert any(try_to_read(reader, data) for data in list_seeds(reader))


def test_whatever_a_file_holds_is_read_or_refused(reader):
    seeds = list_seeds(reader)

    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(seeds), st.randoms(use_true_random=False))
    def check(data, chance):
        try_to_read(reader, reader.mutate(data, chance))

    check()


def test_bytes_of_anything_are_refused(reader):
    @settings(max_examples=EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=200))
    def check(data):
        try_to_read(reader, data)

    check()
