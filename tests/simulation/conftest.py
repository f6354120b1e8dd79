"""A small complex of two chains, and a data set of it."""

from collections.abc import Callable
from pathlib import Path

import gemmi
import numpy as np
import pytest

from locref_widgets.simulation.dataset import simulate_hinge_dataset


def chain_of_beads(rng: np.random.Generator, n: int, centre: list[float]) -> np.ndarray:
    """Random walk of atoms 1.5 Å apart, held within 18 Å of a centre."""
    points = [np.zeros(3)]
    while len(points) < n:
        step = rng.normal(size=3)
        point = points[-1] + 1.5 * step / np.linalg.norm(step)
        if np.linalg.norm(point) < 18:
            points.append(point)
    return np.array(points) + centre


@pytest.fixture(scope="session")
def two_chains(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PDB file: chain A of 500 carbons, chain B of 250 that touches it."""
    rng = np.random.default_rng(3)
    structure, model = gemmi.Structure(), gemmi.Model(1)
    for name, n, centre in (("A", 500, [110.0, 90.0, 100.0]), ("B", 250, [80.0, 95.0, 102.0])):
        chain = gemmi.Chain(name)
        for i, point in enumerate(chain_of_beads(rng, n, centre)):
            residue = gemmi.Residue()
            residue.name, residue.seqid = "ALA", gemmi.SeqId(i + 1, " ")
            atom = gemmi.Atom()
            atom.name, atom.element = "CA", gemmi.Element("C")
            atom.pos = gemmi.Position(*point)
            residue.add_atom(atom)
            chain.add_residue(residue)
        model.add_chain(chain)
    structure.add_model(model)
    path = tmp_path_factory.mktemp("model") / "two_chains.pdb"
    structure.write_pdb(str(path))
    return path


@pytest.fixture(scope="session")
def simulate(two_chains: Path) -> Callable[..., Path]:
    """``simulate(out, name=value, ...)`` makes a data set of the two chains."""

    def run(out: Path, **changes: object) -> Path:
        arguments: dict = {
            "n": 24,
            "box_px": 32,
            "pixel_size_angstrom": 4.0,
            "snr": 0.5,
            "seed": 5,
            "model": two_chains,
            "moving": "B",
            "particles_per_micrograph": 8,
        }
        return simulate_hinge_dataset(out, **(arguments | changes))

    return run


@pytest.fixture(scope="session")
def dataset(simulate: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 particles of the two chains, 32 px at 4 Å, signal/noise 0.5."""
    return simulate(tmp_path_factory.mktemp("simulated") / "set")
