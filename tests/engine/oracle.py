"""The log-likelihood of local motions in float64, written apart from the engine.

It looks up the same grid by the same interpolant (trilinear, by SciPy), so what separates it from
the engine is rounding alone; that the grid holds the right transform is held against closed forms
in test_slicing.py.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from locref_widgets.engine.slicing import Projector


@dataclass
class Oracle:
    """One image, what is known of it, and the map it is compared with.

    ``coordinates`` (p, 2) are in cycles per box of ``box_px``; ``image`` is centred on the region
    at the given pose; ``used`` are the pixels that count.
    """

    projector: Projector
    box_px: int
    coordinates: np.ndarray
    rotation: np.ndarray
    lever_px: np.ndarray
    image: np.ndarray
    transfer: np.ndarray
    sigma2: np.ndarray
    used: np.ndarray

    def __post_init__(self):
        self._parts = [
            np.asarray(part, np.float64) for part in (self.projector.real, self.projector.imaginary)
        ]

    def points(self, turn: np.ndarray) -> np.ndarray:
        """Where the map's spectrum is looked up after a turn: ``R^T (kx, ky, 0)``, (x, y, z)."""
        seen = Rotation.from_rotvec(turn).as_matrix() @ self.rotation
        plane = np.pad(self.coordinates, ((0, 0), (0, 1)))
        return self.projector.padded_px / self.box_px * plane @ seen

    def unshifted_template(self, turn: np.ndarray) -> np.ndarray:
        """Coefficients of the region after a turn about the fulcrum."""
        q = self.points(turn)
        folded = np.where(q[:, :1] < 0, -q, q)  # only qx >= 0 is stored
        guard = self.projector.radius + 1
        place = (folded[:, 2] + guard, folded[:, 1] + guard, folded[:, 0])
        real, imaginary = (map_coordinates(part, place, order=1) for part in self._parts)
        value = real + 1j * np.where(q[:, 0] < 0, -imaginary, imaginary)
        value[np.sum(q**2, axis=1) > self.projector.radius**2] = 0
        moved = Rotation.from_rotvec(turn).apply(self.lever_px)
        return value * self._wave((moved - self.lever_px)[:2])

    def template(self, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """The same with the image's origin changed by ``shift``: the region moves by -shift."""
        return self.unshifted_template(turn) * self._wave(-np.asarray(shift))

    def log_likelihood(self, turn: np.ndarray, shift: np.ndarray) -> float:
        """``-sum |X - C T|^2 / sigma^2`` less its value for an empty template."""
        rest = np.abs(self.image - self.transfer * self.template(turn, shift)) ** 2
        return float(np.sum(((np.abs(self.image) ** 2 - rest) / self.sigma2)[self.used]))

    def scores(self, turns: np.ndarray, shifts: np.ndarray) -> np.ndarray:
        """Log-likelihoods of all pairs of a turn and a shift: the square multiplied out."""
        waves = np.stack([self._wave(shift) for shift in shifts])[:, self.used]
        weighted = (2 * np.conj(self.transfer) * self.image / self.sigma2)[self.used]
        power = (np.abs(self.transfer) ** 2 / self.sigma2)[self.used]
        out = np.empty((len(turns), len(shifts)))
        for row, turn in enumerate(turns):
            template = self.unshifted_template(turn)[self.used]
            products = (waves @ (weighted * np.conj(template))).real
            out[row] = products - np.abs(template) ** 2 @ power
        return out

    def sum_of_sizes(self, turn: np.ndarray) -> float:
        """Sum of the sizes of a score's terms, which rounding errors are proportional to."""
        size = np.abs(self.transfer * self.unshifted_template(turn))
        return float(np.sum(((2 * np.abs(self.image) + size) * size / self.sigma2)[self.used]))

    def _wave(self, displacement_px: np.ndarray) -> np.ndarray:
        return np.exp(-2j * np.pi * (self.coordinates @ displacement_px) / self.box_px)
