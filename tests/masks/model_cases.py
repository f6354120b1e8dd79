"""Small models to make maps of, and where the real ones lie."""

import gemmi
import numpy as np
from jaxtyping import Float

from locref_widgets.io.models import Atoms

SYMBOLS = np.array(["C", "N", "O", "S"])


def atoms_at(
    positions_angstrom: Float[np.ndarray, "n 3"], symbols: list[str] | None = None
) -> Atoms:
    """Atoms of one chain, a residue each."""
    n = len(positions_angstrom)
    elements = np.array(symbols if symbols is not None else ["C"] * n)
    return Atoms(
        np.asarray(positions_angstrom, np.float64),
        elements,
        np.array([gemmi.Element(str(symbol)).atomic_number for symbol in elements], np.int64),
        np.array(["CA"] * n),
        np.array(["A"] * n),
        np.array([str(number) for number in range(1, n + 1)]),
        np.array(["ALA"] * n),
        "the test's model",
    )


def random_atoms(rng: np.random.Generator, n: int, radius_angstrom: float) -> Atoms:
    """Atoms spread evenly in a ball about zero."""
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = direction * radius_angstrom * rng.random((n, 1)) ** (1 / 3)
    return atoms_at(points, list(rng.choice(SYMBOLS, n)))
