"""Names for what the engine's functions take: arrays of JAX or NumPy, and scalars of either."""

from typing import TypeAlias

import jax
import numpy as np
from jaxtyping import Real

AnyArray: TypeAlias = jax.Array | np.ndarray
Scalar: TypeAlias = float | int | Real[AnyArray, ""]
