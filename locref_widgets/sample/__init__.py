"""The packaged sample: particles of a ribosomal subunit whose head moves, and what it needs."""

import json
from pathlib import Path
from typing import TypedDict

_FOLDER = Path(__file__).parent


class SamplePaths(TypedDict):
    """Files of the sample and where its head is hinged."""

    particles: Path
    map: Path
    mask: Path
    truth: Path
    """True poses of the head, same rows as ``particles``."""
    fulcrum_angstrom: tuple[float, float, float]
    """(x, y, z) relative to voxel N // 2."""
    centre_angstrom: tuple[float, float, float]
    """Centre of mass of the head, for `locref_widgets.simulation.score.score_poses`."""


def sample_paths() -> SamplePaths:
    """Return the files of the packaged sample (see README.md beside them)."""
    facts = json.loads((_FOLDER / "dataset.json").read_text())
    fx, fy, fz = facts["fulcrum_angstrom"]
    cx, cy, cz = facts["centre_of_B_angstrom"]
    return SamplePaths(
        particles=_FOLDER / "consensus.star",
        map=_FOLDER / "consensus.mrc",
        mask=_FOLDER / "mask.mrc",
        truth=_FOLDER / "truth_B.star",
        fulcrum_angstrom=(fx, fy, fz),
        centre_angstrom=(cx, cy, cz),
    )
