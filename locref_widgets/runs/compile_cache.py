"""JAX keeps compiled programs between processes: the second run starts in seconds."""

import os
from pathlib import Path


def compile_cache_folder() -> Path:
    """Where compiled programs are kept: ``LOCREF_COMPILE_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("LOCREF_COMPILE_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "locref_widgets" / "jax"


def use_compile_cache() -> None:
    """Switch the cache on for this process; for the processes that refine, never on import."""
    # XLA remarks on the machine's features for each cached program it loads, kilobytes at a time.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax

    folder = compile_cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # Without a cache everything works, only slower.
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.3)
