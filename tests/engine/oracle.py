"""The log-posterior of local motions in float64, written apart from the engine.

It looks up the same grid by the same interpolant (trilinear, by SciPy) at the exact place of every
pixel, so what separates it from the engine is rounding, and, where the engine turns the image
rather than the template, the accuracy of that; that the grid holds the right transform is held
against closed forms in test_slicing.py.
"""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial.transform import Rotation

from locref_widgets.engine.slicing import Projector


def tilt_then_turn(tilts: np.ndarray, turn: float) -> Rotation:
    """``Z(turn) T(tilt)`` of many tilts (n, 2)."""
    tilted = Rotation.from_rotvec(np.pad(np.asarray(tilts, np.float64), ((0, 0), (0, 1))))
    return Rotation.from_rotvec([0.0, 0.0, turn]) * tilted


@dataclass
class Oracle:
    """One image, what is known of it, and the map it is compared with.

    ``plain`` (p, 2) are the pixels in cycles per box of ``box_px`` and ``coordinates`` the same
    with magnification applied; ``image`` (coefficients, not premultiplied) is centred
    ``offset_px`` away from where the given pose shows the region; ``used`` are the pixels that
    count; ``precisions`` are those of the priors on rotation (1/rad^2) and shift (1/px^2).
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
    plain: np.ndarray | None = None
    offset_px: np.ndarray = field(default_factory=lambda: np.zeros(2))
    precisions: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self):
        parts = np.asarray(self.projector.parts, np.float64)
        self._parts = [np.ascontiguousarray(parts[..., i]) for i in (0, 1)]
        self.plain = self.coordinates if self.plain is None else self.plain

    def points(self, turn: np.ndarray) -> np.ndarray:
        """Where the map's spectrum is looked up after a turn: ``R^T (kx, ky, 0)``, (x, y, z)."""
        return self._points(Rotation.from_rotvec(turn), slice(None))

    def _points(self, turns: Rotation, pixels) -> np.ndarray:
        seen = turns.as_matrix() @ self.rotation
        plane = np.pad(self.coordinates[pixels], ((0, 0), (0, 1)))
        return self.projector.padded_px / self.box_px * plane @ seen

    def _centred(self, turns: Rotation, pixels) -> np.ndarray:
        """Coefficients of the region after turns about the fulcrum, box centred on its old place.

        ``turns`` may be one or many.
        """
        q = self._points(turns, pixels)
        folded = np.where(q[..., :1] < 0, -q, q)  # only qx >= 0 is stored
        guard = self.projector.radius + 1
        place = np.stack([folded[..., 2] + guard, folded[..., 1] + guard, folded[..., 0]])
        real, imaginary = (map_coordinates(part, place, order=1) for part in self._parts)
        value = real + 1j * np.where(q[..., 0] < 0, -imaginary, imaginary)
        value[np.sum(q**2, axis=-1) > self.projector.radius**2] = 0
        swing = (turns.apply(self.lever_px) - self.lever_px)[..., :2]
        return value * self._wave(swing, self.coordinates[pixels])

    def template(self, turn: np.ndarray, shift: np.ndarray) -> np.ndarray:
        """Coefficients at a pose: with the origin changed by ``shift`` the region moves by -shift.

        On all pixels; the transfer function is not applied.
        """
        moved = -(np.asarray(shift, np.float64) + self.offset_px)
        centred = self._centred(Rotation.from_rotvec(turn), slice(None))
        return centred * self._wave(moved, self.plain)

    def log_prior(self, turn: np.ndarray, shift: np.ndarray) -> float:
        """Log of the Gaussian priors up to a constant."""
        a, b = self.precisions
        return -0.5 * (a * np.sum(np.square(turn)) + b * np.sum(np.square(shift)))

    def log_posterior(self, turn: np.ndarray, shift: np.ndarray) -> float:
        """``-sum |X - C T|^2 / sigma^2`` less its value for an empty template, plus log-priors."""
        rest = np.abs(self.image - self.transfer * self.template(turn, shift)) ** 2
        fit = np.sum(((np.abs(self.image) ** 2 - rest) / self.sigma2)[self.used])
        return float(fit + self.log_prior(turn, shift))

    def scores(
        self, tilts: np.ndarray, turns: np.ndarray, shifts: np.ndarray, extent_rad: float = np.inf
    ) -> np.ndarray:
        """Log-posteriors (t, n, s) of all combinations: the square multiplied out.

        ``shifts`` are those of the turned image, as the search counts them: that of the image as
        it stands is ``Z(turn)`` times it. Rotations beyond ``extent_rad`` are not scored (-inf).
        """
        used = np.flatnonzero(self.used)
        weighted = (2 * np.conj(self.transfer) * self.image / self.sigma2)[used]
        power = (np.abs(self.transfer) ** 2 / self.sigma2)[used]
        out = np.full((len(tilts), len(turns), len(shifts)), -np.inf)
        for column, turn in enumerate(turns):
            rotations = tilt_then_turn(tilts, turn)
            angles = rotations.magnitude()
            rows = np.flatnonzero(angles <= extent_rad)
            if rows.size == 0:
                continue
            templates = self._centred(rotations[rows], used)
            moved = shifts @ Rotation.from_rotvec([0, 0, turn]).as_matrix()[:2, :2].T
            data = weighted * self._wave(moved + self.offset_px, self.plain[used])
            products = templates.real @ data.real.T + templates.imag @ data.imag.T
            prior = angles[rows, None] ** 2 * self.precisions[0]
            prior = prior + np.sum(shifts**2, axis=-1) * self.precisions[1]
            size = np.abs(templates) ** 2 @ power
            out[rows, column] = products - size[:, None] - 0.5 * prior
        return out

    def sum_of_sizes(self, turn: np.ndarray) -> float:
        """Sum of the sizes of a score's terms, which rounding errors are proportional to."""
        size = np.abs(self.transfer * self.template(turn, np.zeros(2)))
        return float(np.sum(((2 * np.abs(self.image) + size) * size / self.sigma2)[self.used]))

    def _wave(self, displacement_px: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
        """What moving by displacements (..., 2) does to coefficients (..., p)."""
        return np.exp(-2j * np.pi / self.box_px * (displacement_px @ coordinates.T))
