"""Point groups as rotations of the map, in the orientations that RELION gives them.

The operators turn points of the map, ``(x, y, z)`` from voxel ``N//2``; an object has the symmetry
when it is unmoved by each of them. A particle seen at the pose ``R`` is then seen just so at every
``R S``. Orientations, with ``p = (1 + sqrt 5) / 2`` (Heymann, Chagoyen & Belnap 2005, J. Struct.
Biol. 151:196, for the icosahedral ones):

- Cn, Dn: the n-fold axis is z; a two-fold axis of Dn is x.
- T: a three-fold axis is z, a two-fold axis lies in the yz plane.
- O: the four-fold axes are x, y and z.
- I1, I2: the two-fold axes are x, y and z; five-fold axes lie in the xz plane, for I1 along
  ``(p, 0, -1)``, for I2 along ``(1, 0, p)``. I without a number is I2.
- I3, I4: a five-fold axis is z; two-fold axes lie in the xz plane, for I3 along ``(-1, 0, p)``, for
  I4 along ``(1, 0, p)``.
"""

import re

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError

Operators = Float[np.ndarray, "m 3 3"]

_GOLDEN = (1 + 5**0.5) / 2
_POLYHEDRAL: dict[str, tuple[int, tuple[tuple[int, tuple[float, float, float]], ...]]] = {
    "T": (12, ((3, (0, 0, 1)), (2, (0, 2**0.5, 1)))),
    "O": (24, ((4, (0, 0, 1)), (3, (1, 1, 1)))),
    "I1": (60, ((2, (1, 0, 0)), (5, (_GOLDEN, 0, -1)))),
    "I2": (60, ((2, (0, 0, 1)), (5, (1, 0, _GOLDEN)))),
    "I3": (60, ((5, (0, 0, 1)), (2, (-1, 0, _GOLDEN)))),
    "I4": (60, ((5, (0, 0, 1)), (2, (1, 0, _GOLDEN)))),
}
"""Order, and two generators: how many-fold about which axis."""
_MOST_FOLD = 99
_MIRRORED = re.compile(r"C[SI]|S\d+|[CD]\d+[VH]|T[DH]|OH|I\d?H")
_SAME_PLACE_PX = 1e-6


def read_point_group(text: str) -> str:
    """Give a point group its usual name: ``c4 -> C4``, ``i -> I2``.

    Raises
    ------
    InputError
        If the group holds a mirror or inversion, or there is none of that name.
    """
    name = text.strip().upper()
    if name == "I":
        return "I2"
    match = re.fullmatch(r"([CD])(\d{1,2})", name)
    if name in _POLYHEDRAL or (match and int(match[2]) >= 1):
        return name if match is None else f"{match[1]}{int(match[2])}"
    known = f"C1 to C{_MOST_FOLD}, D1 to D{_MOST_FOLD}, T, O, I1 to I4 (I is I2)"
    if _MIRRORED.fullmatch(name):
        raise InputError(
            f"the point group {text!r} holds mirrors or an inversion, which no biological molecule"
            f" has: it would turn the hand of the map over. Give one of {known}"
        )
    raise InputError(f"there is no point group {text!r}; give one of {known}")


def point_group_operators(text: str) -> Operators:
    """Rotations of a point group (float64), the identity first. Raises as `read_point_group`."""
    name = read_point_group(text)
    if name in _POLYHEDRAL:
        order, generators = _POLYHEDRAL[name]
        return _close([_turn(axis, fold) for fold, axis in generators], order)
    fold = int(name[1:])
    about_z = np.stack([_turn((0, 0, 1), fold, times) for times in range(fold)])
    if name[0] == "C":
        return about_z
    return np.concatenate([about_z, about_z @ _turn((1, 0, 0), 2)])


def operators_fixing(
    operators: Operators, centre_px: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "k 3 3"]:
    """Those of the operators that leave a point (voxels from the map's centre) where it is.

    They are all of them for a point on every axis: anywhere on z for Cn, only the map's centre for
    the other groups. Such operators act about the point as they do about the map's centre, so they
    serve, as they are, for a cube about a whole voxel that they fix.
    """
    centre = np.asarray(centre_px, np.float64)
    moved = np.linalg.norm(operators @ centre - centre, axis=-1)
    return operators[moved <= _SAME_PLACE_PX * max(1.0, float(np.linalg.norm(centre)))]


def distance_from_axes_px(operators: Operators, point_px: Float[np.ndarray, " 3"]) -> float:
    """Distance of a point from the nearest that all operators leave where it is."""
    # The mean over the group projects on what all of its members fix.
    point = np.asarray(point_px, np.float64)
    return float(np.linalg.norm(point - operators.mean(axis=0) @ point))


def _turn(axis: tuple[float, float, float], fold: int, times: int = 1) -> np.ndarray:
    """Rotation by ``times / fold`` of a full turn (Rodrigues)."""
    x, y, z = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = 2 * np.pi * times / fold
    return _clean(np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _clean(matrix: np.ndarray) -> np.ndarray:
    """Make 0, 1/2 and 1 exact: turns that map the voxels onto each other then need no rounding."""
    halves = np.round(2 * matrix) / 2
    return np.where(np.abs(matrix - halves) < 1e-12, halves, matrix) + 0.0


def _close(generators: list[np.ndarray], order: int) -> Operators:
    """All products of the generators."""
    found = [np.eye(3)]
    for member in found:  # grows as it goes
        for generator in generators:
            product = _clean(generator @ member)
            if min(np.abs(product - other).max() for other in found) > 1e-6:
                found.append(product)
    assert len(found) == order  # noqa: S101 - the table above would be wrong
    return np.stack(found)
