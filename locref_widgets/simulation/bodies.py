"""The two bodies of a complex as maps on one grid."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import ndimage

from locref_widgets.engine.filters import lowpass
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import check_same_grid, read_map
from locref_widgets.masks.edges import soft_edge
from locref_widgets.simulation.density import density_of_atoms
from locref_widgets.simulation.model import default_model, read_model

_MASK_RESOLUTION_ANGSTROM = 15.0
_MASK_THRESHOLD = 0.2
_BODY_THRESHOLD = 0.1
_MASK_NEAR_ANGSTROM = 6.0
_MASK_FAR_ANGSTROM = 20.0


@dataclass(frozen=True)
class Bodies:
    """Maps ``[z, y, x]`` of body A (stays) and body B (moves about the fulcrum)."""

    still: Float[np.ndarray, "z y x"]
    moving: Float[np.ndarray, "z y x"]
    voxel_size_angstrom: float
    fulcrum_angstrom: Float[np.ndarray, "3"]
    """(x, y, z) relative to voxel N // 2."""
    centre_of_moving_angstrom: Float[np.ndarray, "3"]
    source: str

    @property
    def box_px(self) -> int:
        """Voxels along an edge."""
        return self.still.shape[0]

    @classmethod
    def from_model(
        cls,
        path: str | os.PathLike[str] | None,
        moving: str | Sequence[str] | None,
        fulcrum_angstrom: Sequence[float] | None,
        box_px: int,
        voxel_size_angstrom: float,
        bfactor_angstrom2: float,
    ) -> "Bodies":
        """Make maps from a PDB or mmCIF file, or from the 30S subunit if ``path`` is None."""
        if box_px < 16 or box_px % 2:
            raise InputError(f"simulation: box_px = {box_px}: an even number of 16 or more.")
        if not 0.0 < voxel_size_angstrom < math.inf:
            raise InputError(f"simulation: pixel size {voxel_size_angstrom} Å: above 0.")
        if path is None:
            if moving is not None or fulcrum_angstrom is not None:
                raise InputError(
                    "simulation: the built-in 30S subunit has its own moving part and fulcrum; "
                    "give a model to choose others."
                )
            model = default_model()
        elif moving is None:
            raise InputError(
                f"{path}: say which part moves, as a selection of chains or residues, for example "
                '"B" or "A/921-1396".'
            )
        else:
            model = read_model(path, moving, fulcrum_angstrom)
        if 2 * model.radius_angstrom > box_px * voxel_size_angstrom:
            raise InputError(
                f"simulation: the model is {2 * model.radius_angstrom:.0f} Å across, the box only "
                f"{box_px * voxel_size_angstrom:.0f} Å. Take a larger box or larger pixels."
            )
        still, moves = (
            density_of_atoms(*model.body(part), box_px, voxel_size_angstrom, bfactor_angstrom2)
            for part in (False, True)
        )
        return cls(
            still=still,
            moving=moves,
            voxel_size_angstrom=voxel_size_angstrom,
            fulcrum_angstrom=np.asarray(model.fulcrum_angstrom, np.float64),
            centre_of_moving_angstrom=model.centre_of_moving_angstrom,
            source=model.source,
        )

    @classmethod
    def from_maps(
        cls,
        still_path: str | os.PathLike[str],
        moving_path: str | os.PathLike[str],
        fulcrum_angstrom: Sequence[float] | None,
    ) -> "Bodies":
        """Take maps of the two bodies, on one grid of an even size."""
        still, moving = read_map(still_path), read_map(moving_path)
        check_same_grid(still, moving, "map of the moving body")
        if still.box_px % 2:
            raise InputError(f"{still_path}: the box is {still.box_px} px, an even one is needed.")
        if fulcrum_angstrom is None:
            raise InputError(
                f"{moving_path}: give the fulcrum, x, y, z in Å relative to the centre of the box."
            )
        axis = (np.arange(still.box_px) - still.box_px // 2) * still.voxel_size_angstrom
        if moving.data.max() <= 0:
            raise InputError(f"{moving_path}: holds no positive density.")
        # Faint density is ripples and noise all over the box, which would pull the centre inwards.
        region = moving.data > _BODY_THRESHOLD * moving.data.max()
        weights = np.where(region, moving.data, 0.0).astype(np.float64)
        centre = [
            float((weights.sum(axis=others) * axis).sum() / weights.sum())
            for others in ((0, 1), (0, 2), (1, 2))
        ]
        return cls(
            still=still.data,
            moving=moving.data,
            voxel_size_angstrom=still.voxel_size_angstrom,
            fulcrum_angstrom=np.asarray(fulcrum_angstrom, np.float64),
            centre_of_moving_angstrom=np.array(centre),
            source=f"{still_path}, {moving_path}",
        )


def make_mask(
    density: Float[np.ndarray, "z y x"], voxel_size_angstrom: float
) -> Float[np.ndarray, "z y x"]:
    """Soft mask around a body: its low-passed density's largest region, grown, with a soft edge.

    The region is where the density at 15 Å exceeds a fifth of its maximum; the mask is 1 within
    6 Å of it and falls to 0 at 20 Å.
    """
    resolution = max(_MASK_RESOLUTION_ANGSTROM, 3 * voxel_size_angstrom)
    smooth = np.asarray(lowpass(jnp.asarray(density), voxel_size_angstrom, resolution))
    labels = np.zeros(smooth.shape, np.int32)
    ndimage.label(smooth > _MASK_THRESHOLD * smooth.max(), output=labels)
    sizes = np.bincount(labels.ravel())
    region = labels == 1 + np.argmax(sizes[1:])
    return soft_edge(region, _MASK_NEAR_ANGSTROM, _MASK_FAR_ANGSTROM, voxel_size_angstrom)
