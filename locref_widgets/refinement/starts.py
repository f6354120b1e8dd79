"""From where each iteration searches: the poses given, or those of the iteration before."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult

Turns = Float[np.ndarray, "n 3"]
Shifts = Float[np.ndarray, "n 2"]


@dataclass(frozen=True)
class Start:
    """Local motions, relative to the poses given, about which a search looks.

    Extents and priors count from there. ``recentred`` says whether any motion is not zero.
    """

    turns_rad: Turns
    shifts_px: Shifts

    @property
    def recentred(self) -> bool:
        """Whether any particle is searched about another pose than the one given."""
        return bool(np.any(self.turns_rad) or np.any(self.shifts_px))


def first_start(n: int) -> Start:
    """Of the first search: the poses given."""
    return Start(np.zeros((n, 3)), np.zeros((n, 2)))


def next_start(
    turns_rad: Turns, shifts_px: Shifts, recenter_rotations: bool, recenter_shifts: bool
) -> Start:
    """Of a search after one that found these motions."""
    return Start(
        turns_rad if recenter_rotations else np.zeros_like(turns_rad),
        shifts_px if recenter_shifts else np.zeros_like(shifts_px),
    )


def start_after(last: IterationResult, settings: RefinementSettings) -> Start:
    """Of the search that follows a result."""
    if not last.iteration:
        return first_start(len(last.indices))
    found = last.info["turn_rad"], last.info["shift_px"]
    return next_start(*found, settings.recenter_rotations, settings.recenter_shifts)


def compose(start: Start, turns_rad: Turns, shifts_px: Shifts) -> tuple[Turns, Shifts]:
    """Motions relative to the poses given, of motions found relative to a start.

    Rotations about the same fulcrum follow each other, and the swings they add to the origins add
    up; so do the further shifts.
    """
    if np.any(start.turns_rad):
        found = Rotation.from_rotvec(turns_rad) * Rotation.from_rotvec(start.turns_rad)
        turns_rad = found.as_rotvec()
    return turns_rad, shifts_px + start.shifts_px
