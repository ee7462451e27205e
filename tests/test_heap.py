"""What a process frees is kept for what it takes next, in the command's own process alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from splitgen.heap import keep_freed_memory

WORK = """
import resource
from splitgen.heap import keep_freed_memory
print(keep_freed_memory() if {kept} else None)
def work():
    for _ in range(20):
        blocks = [bytearray(b"x") * (4 << 20) for _ in range(20)]  # 80 MiB, all of it written
        del blocks
work()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
work()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}


def count_faults(kept, **environment):
    code = WORK.format(kept=kept)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**CLEAN, **environment}, capture_output=True, text=True, check=True
    )
    told, faults = done.stdout.split()
    return told, int(faults)


@pytest.mark.skipif(sys.platform != "linux", reason="of glibc alone")
def test_memory_is_taken_from_the_system_once():
    told, faults = count_faults(kept=True)
    if told == "False":
        pytest.skip("another allocator than glibc's is at work")
    assert faults < 0.1 * count_faults(kept=False)[1]


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_ARENA_MAX", "GLIBC_TUNABLES"])
def test_what_the_environment_says_of_the_allocator_holds(monkeypatch, name):
    monkeypatch.setenv(name, "1")
    assert keep_freed_memory() is False
