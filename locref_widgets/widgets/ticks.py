"""Round numbers for axes: bqplot's own ticks are evenly cut but seldom round."""

import math

import numpy as np
from jaxtyping import Float

_NICE_ENDS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
_NICE_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def nice_maximum(value: float) -> float:
    """Round up to a number that reads well at the end of an axis."""
    if not math.isfinite(value) or value <= 0:
        return 1.0
    decade = 10.0 ** math.floor(math.log10(value))
    # A hair of slack: a value that is nice already stays as it is despite rounding.
    return next(end * decade for end in _NICE_ENDS if end * decade >= value * (1 - 1e-9))


def round_ticks(low: float, high: float, about: int = 5) -> Float[np.ndarray, " n"]:
    """Multiples of a round step within [low, high], at most `about` + 1 of them."""
    if not high > low:
        return np.array([float(low)])
    rough = (high - low) / about
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(one * decade for one in _NICE_STEPS if one * decade >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return np.array([round(index * step, 10) for index in range(first, last + 1)])


def tick_labels(places: Float[np.ndarray, " n"], names: list[str]) -> dict[str, str]:
    """Name the ticks; the browser looks a name up by the number as JavaScript writes it."""
    return {
        str(int(place)) if place == int(place) else repr(float(place)): name
        for place, name in zip(places, names, strict=True)
    }
