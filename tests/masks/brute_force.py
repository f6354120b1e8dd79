"""Small masks, and distances from them found by looking at all pairs of voxels."""

import numpy as np
from hypothesis import strategies as st


def distances(inside: np.ndarray) -> np.ndarray:
    """Distance of every voxel to the nearest True one, float64, infinite if there is none."""
    places = np.stack(np.indices(inside.shape), -1).reshape(-1, 3)
    nearest = np.full(len(places), np.inf)
    for point in places[inside.ravel()]:
        np.minimum(nearest, ((places - point) ** 2).sum(1), out=nearest)
    return np.sqrt(nearest).reshape(inside.shape)


@st.composite
def small_masks(draw, most_px: int = 11) -> np.ndarray:
    """Boxes of any shape; empty, of single voxels, with holes of single voxels, full."""
    shape = draw(st.tuples(*[st.integers(1, most_px)] * 3))
    share = draw(st.sampled_from([0.0, 0.01, 0.1, 0.5, 0.95, 1.0]))
    return np.random.default_rng(draw(st.integers(0, 2**16))).random(shape) < share
