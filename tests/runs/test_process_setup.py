"""What a process does before long computations."""

import ctypes
import gc
import os
import subprocess
import sys

import pytest

from locref_widgets.runs import process_setup
from locref_widgets.runs.process_setup import collect_garbage_less_often, keep_xla_quiet

# Threads that hold what they allocated; then the C library's own count of its pools.
COUNT_POOLS = """
import ctypes, sys, threading
from locref_widgets.runs.process_setup import use_one_arena

if sys.argv[1] == "one":
    use_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
allocated, done = threading.Barrier(5), threading.Barrier(5)

def hold():
    libc.malloc(1000)
    allocated.wait()
    done.wait()

for _ in range(4):
    threading.Thread(target=hold, daemon=True).start()
allocated.wait()
libc.fopen.restype, libc.fopen.argtypes = ctypes.c_void_p, [ctypes.c_char_p] * 2
libc.fclose.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
file = libc.fopen(sys.argv[2].encode(), b"w")
libc.malloc_info(0, file)
libc.fclose(file)
done.wait()
"""


# An array of 100 MB made and dropped again and again; pages that the system had to provide.
COUNT_PAGES = """
import resource, sys
import numpy as np
from locref_widgets.runs.process_setup import keep_freed_memory

if sys.argv[1] == "kept":
    keep_freed_memory()
np.full(25_000_000, 1.0, np.float32)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    np.full(25_000_000, 1.0, np.float32)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

on_glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "malloc_info"),
    reason="needs the GNU C library",
)


@on_glibc
def test_threads_allocate_from_one_pool(tmp_path, monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    pools = {}
    for setting in ("one", "default"):
        report = tmp_path / setting
        subprocess.run([sys.executable, "-c", COUNT_POOLS, setting, str(report)], check=True)
        pools[setting] = report.read_text().count("<heap nr=")
    assert pools["one"] == 1
    assert pools["default"] > 1


@on_glibc
def test_the_memory_of_an_array_serves_the_next(monkeypatch):
    for variable in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(variable, raising=False)
    pages = {}
    for setting in ("kept", "default"):
        command = [sys.executable, "-c", COUNT_PAGES, setting]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        pages[setting] = int(done.stdout)
    # Nothing of it is new; by default all of it is, every time, in pages of 4 kB up to 2 MB.
    assert pages["kept"] < 20 <= pages["default"]


def test_garbage_is_looked_for_less_often_but_still_is():
    before = gc.get_threshold()
    try:
        gc.set_threshold(700, 10, 10)  # Python's own
        collect_garbage_less_often()
        assert all(
            now > usual for now, usual in zip(gc.get_threshold(), (700, 10, 10), strict=True)
        )
        assert gc.isenabled()
    finally:
        gc.set_threshold(*before)


@pytest.mark.parametrize(
    ("found", "left"), [(None, "3"), ("1", "3"), ("0", "0"), ("2", "2"), ("3", "3")]
)
def test_xla_is_quiet_unless_the_user_says_otherwise(found, left, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "")
    if found is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    else:
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", found)
    keep_xla_quiet()
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == left


def test_what_jax_sets_is_not_taken_for_the_users_wish():
    ask = "import os, jax; print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-c", ask], check=True, capture_output=True, text=True, env=environment
    )
    assert done.stdout.strip() == process_setup._OF_JAX
