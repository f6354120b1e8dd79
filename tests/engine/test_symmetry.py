"""Point groups: closed, of the right order, and oriented as RELION prints them."""

import re
import subprocess
from collections.abc import Callable

import numpy as np
import pytest

from locref_widgets.engine.symmetry import (
    distance_from_axes_px,
    operators_fixing,
    point_group_operators,
    read_point_group,
)
from locref_widgets.errors import InputError

ORDERS = {"C1": 1, "C2": 2, "C7": 7, "D1": 2, "D2": 4, "D7": 14, "T": 12, "O": 24}
ORDERS |= dict.fromkeys(("I", "I1", "I2", "I3", "I4"), 60)


def _farthest(first, second):
    """Largest distance of a matrix of one set from the nearest of the other."""
    return np.abs(first[:, None] - second[None]).max(axis=(2, 3)).min(axis=1).max()


@pytest.mark.parametrize("name", ORDERS)
def test_a_group_is_one(name):
    operators = point_group_operators(name)
    assert operators.shape == (ORDERS[name], 3, 3)
    np.testing.assert_array_equal(operators[0], np.eye(3))
    np.testing.assert_allclose(
        operators @ operators.transpose(0, 2, 1),
        np.broadcast_to(np.eye(3), operators.shape),
        atol=1e-12,
    )
    np.testing.assert_allclose(np.linalg.det(operators), 1, atol=1e-12)
    products = (operators[:, None] @ operators[None]).reshape(-1, 3, 3)
    assert _farthest(products, operators) < 1e-12
    apart = np.abs(operators[:, None] - operators[None]).max(axis=(2, 3))
    assert np.all(apart + np.eye(len(operators)) > 1e-3)


def _printed_by_relion(program: str, name: str) -> np.ndarray:
    answer = subprocess.run(
        [program, "--print_symmetry_ops", "--sym", name],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    parts = re.split(r"R\(\d+\)=", answer.stdout)[1:]
    rows = [part.strip().splitlines()[:3] for part in parts]
    return np.array([[[float(x) for x in row.split()] for row in matrix] for matrix in rows])


@pytest.mark.parametrize(
    "name", ["C4", "C5", "D2", "D3", "D7", "T", "O", "I", "I1", "I2", "I3", "I4"]
)
def test_orientations_are_those_of_relion(name, program: Callable[[str], str]):
    theirs = _printed_by_relion(program("relion_refine"), name)
    ours = point_group_operators(name)
    assert theirs.shape == ours.shape
    # Five digits are printed.
    assert max(_farthest(theirs, ours), _farthest(ours, theirs)) < 1e-5


def test_names_are_read_in_any_case():
    assert [read_point_group(t) for t in ("c4", " D02 ", "i", "I3", "o")] == [
        "C4",
        "D2",
        "I2",
        "I3",
        "O",
    ]


@pytest.mark.parametrize("name", ["CS", "ci", "S4", "C3v", "D3H", "Td", "OH", "I2h", "IH"])
def test_mirrors_are_refused_in_words(name):
    with pytest.raises(InputError, match="mirrors"):
        point_group_operators(name)


@pytest.mark.parametrize("name", ["", "C0", "C", "C100", "X", "I5", "D2 C2", "4"])
def test_other_names_are_refused_with_those_there_are(name):
    with pytest.raises(InputError, match=r"no point group .* I1 to I4"):
        point_group_operators(name)


def test_operators_fix_the_points_on_their_axes():
    c4, d2, octahedral = (point_group_operators(name) for name in ("C4", "D2", "O"))
    assert len(operators_fixing(c4, np.array([0, 0, 11.0]))) == 4
    assert len(operators_fixing(c4, np.array([1.0, 0, 11.0]))) == 1
    assert len(operators_fixing(d2, np.array([0, -7.0, 0]))) == 2
    assert len(operators_fixing(octahedral, np.array([5.0, 5, 5]))) == 3
    assert len(operators_fixing(octahedral, np.zeros(3))) == 24


def test_distance_from_the_axes():
    point = np.array([3.0, 4, 9])
    assert distance_from_axes_px(point_group_operators("C4"), point) == pytest.approx(5)
    assert distance_from_axes_px(point_group_operators("D3"), point) == pytest.approx(
        np.linalg.norm(point)
    )
    assert distance_from_axes_px(point_group_operators("C1"), point) == 0
