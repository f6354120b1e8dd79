"""Images once cut to the region's box are kept, for as many particles as a fixed budget holds."""

import numpy as np
from jaxtyping import Float, Int

_BUDGET_BYTES = 256 * 2**20


class PreparedImages:
    """Boxes about the region, by position in the problem's arrays; the others are cut anew.

    The budget does not grow with the number of particles. Threads may put and get at the same time
    as long as they work on different particles.
    """

    def __init__(self, n_particles: int, box_px: int, budget_bytes: int = _BUDGET_BYTES) -> None:
        capacity = min(n_particles, budget_bytes // (4 * box_px**2))
        self._boxes = np.zeros((capacity, box_px, box_px), np.float32)
        self._known = np.zeros(n_particles, bool)

    def holds(self, positions: Int[np.ndarray, " b"]) -> bool:
        """Whether all of these particles are kept."""
        return bool(self._known[positions].all())

    def get(self, positions: Int[np.ndarray, " b"]) -> Float[np.ndarray, "b m m"]:
        """Boxes of particles that are kept."""
        return self._boxes[positions]

    def put(self, positions: Int[np.ndarray, " b"], boxes: Float[np.ndarray, "b m m"]) -> None:
        """Keep boxes, those for which there is room."""
        fits = positions < len(self._boxes)
        self._boxes[positions[fits]] = boxes[fits]
        self._known[positions[fits]] = True
