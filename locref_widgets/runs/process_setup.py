"""What a process that refines or simulates does before anything else; never done on import.

JAX keeps compiled programs between processes, so that the second run starts in seconds, the C
library keeps memory in one place and at hand, and Python looks for garbage less often.
"""

import contextlib
import ctypes
import gc
import os
import sys
from pathlib import Path

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""glibc's ``mallopt`` parameters (malloc.h)."""
_LARGEST_KEPT = 2**30, 2**25
"""Bytes of the largest arrays whose memory is kept; the second is all that an older glibc takes."""
_MOST_KEPT = 2**29
"""Bytes at the end of the pool beyond which they go back to the system."""
_LOG_LEVEL, _OF_JAX = "TF_CPP_MIN_LOG_LEVEL", "1"
"""The variable that XLA heeds, and what JAX sets it to when it is imported."""
_GARBAGE_THRESHOLDS = 50_000, 20, 100
"""As `gc.set_threshold` takes them."""


def prepare_process() -> None:
    """Set this process up for long computations; to be called before anything imports JAX."""
    use_one_arena()
    keep_freed_memory()
    collect_garbage_less_often()
    keep_xla_quiet()
    use_compile_cache()


def use_one_arena() -> None:
    """Let all threads allocate from one pool, where the C library is glibc.

    It would give each thread its own, and the arrays of several threads' work leave holes in all of
    them (measured: 2.9 GB instead of 2.1 for 2,000 particles in boxes of 128).
    """
    _mallopt("MALLOC_ARENA_MAX", _M_ARENA_MAX, 1)


def keep_freed_memory() -> None:
    """Let the memory of an array that is gone serve the next one, where the C library is glibc.

    It would give the memory of each large array back to the system, which clears every page of the
    next one anew (measured: 19 GB of them in a refinement of 2,000 particles, 9 of 105 CPU-seconds;
    not to do so takes the peak from 1.75 to 2.0 GB).
    """
    accepted = any(
        _mallopt("MALLOC_MMAP_THRESHOLD_", _M_MMAP_THRESHOLD, size) for size in _LARGEST_KEPT
    )
    # Alone it would do the opposite: either setting ends the C library's own choice of the other.
    if accepted:
        _mallopt("MALLOC_TRIM_THRESHOLD_", _M_TRIM_THRESHOLD, _MOST_KEPT)


def _mallopt(variable: str, parameter: int, value: int) -> bool:
    """Set one of glibc's parameters, unless the user has; whether it was set."""
    if sys.platform != "linux" or variable in os.environ:
        return False
    with contextlib.suppress(OSError, AttributeError):
        return bool(ctypes.CDLL(None).mallopt(parameter, value))
    return False


def collect_garbage_less_often() -> None:
    """Let more objects come to be before Python looks which of them are held by each other only.

    It then looks through all those of the modules, too, a fifth of a second each time; what JAX
    traces makes it do so again and again before the first map (measured: 1.0 s in 25).
    """
    gc.set_threshold(*_GARBAGE_THRESHOLDS)


def keep_xla_quiet() -> None:
    """Drop what XLA remarks on the machine's features for each cached program that it loads.

    That is kilobytes at a time, in a tone of alarm, and means nothing. Other levels than JAX's own
    are the user's; JAX hands its own on to each process that a notebook starts.
    """
    if os.environ.get(_LOG_LEVEL, _OF_JAX) == _OF_JAX:
        os.environ[_LOG_LEVEL] = "3"


def compile_cache_folder() -> Path:
    """Where compiled programs are kept: ``LOCREF_COMPILE_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("LOCREF_COMPILE_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "locref_widgets" / "jax"


def use_compile_cache() -> None:
    """Switch the cache of compiled programs on for this process."""
    import jax

    folder = compile_cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # Without a cache everything works, only slower.
    jax.config.update("jax_compilation_cache_dir", str(folder))
    # All of them: the hundred small ones that a run needs take four seconds together.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
