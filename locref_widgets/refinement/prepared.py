"""Images once cut to the region's box are kept, for as many particles as a fixed budget holds."""

import threading

import numpy as np
from jaxtyping import Float, Int

_BUDGET_BYTES = 256 * 2**20


class PreparedImages:
    """Boxes about the region, by position in the problem's arrays; the others are cut anew.

    The budget does not grow with the number of particles; the first to come are kept. Threads may
    put and get at the same time as long as they work on different particles.
    """

    def __init__(self, n_particles: int, box_px: int, budget_bytes: int = _BUDGET_BYTES) -> None:
        capacity = min(n_particles, budget_bytes // (4 * box_px**2))
        self._boxes = np.zeros((capacity, box_px, box_px), np.float32)
        self._place = np.full(n_particles, -1)
        self._used = 0
        self._lock = threading.Lock()

    def holds(self, positions: Int[np.ndarray, " b"]) -> bool:
        """Whether all of these particles are kept."""
        return bool(np.all(self._place[positions] >= 0))

    def get(self, positions: Int[np.ndarray, " b"]) -> Float[np.ndarray, "b m m"]:
        """Boxes of particles that are kept."""
        return self._boxes[self._place[positions]]

    def put(self, positions: Int[np.ndarray, " b"], boxes: Float[np.ndarray, "b m m"]) -> None:
        """Keep boxes, those for which there is room."""
        new, first = np.unique(positions, return_index=True)
        unknown = self._place[new] < 0
        new, first = new[unknown], first[unknown]
        with self._lock:
            places = np.arange(self._used, min(self._used + new.size, len(self._boxes)))
            self._used += places.size
        self._boxes[places] = boxes[first[: places.size]]
        self._place[new[: places.size]] = places
