"""Arrays of the host as arrays of JAX, without compiling anything.

`jax.numpy` compiles a program to copy an array, one to change its type and one to fill it with a
number, each anew for every shape: some thirty of them in a first run, before the work begins.
"""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array


def on_device(values: Any, dtype: Any = None) -> Array:
    """A copy of the host's array on the device; one that is there already is not copied.

    float64 becomes float32 unless JAX's x64 mode is on. ``dtype`` is for what comes from the host.
    """
    if isinstance(values, jax.Array):
        return values
    # Copied here: on CPUs JAX takes arrays that are aligned as its own are for its own, and the
    # caller may write to his afterwards.
    return jax.device_put(np.array(values, dtype))
