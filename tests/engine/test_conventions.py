"""RELION's angles to matrices and back, against the formula written out."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from locref_widgets.engine.conventions import euler_from_rotation, rotation_from_euler

angle = st.floats(-360.0, 360.0)


def relion_matrix(rot_deg: float, tilt_deg: float, psi_deg: float) -> np.ndarray:
    """The passive ZYZ matrix of RELION, element by element (Heymann et al. 2005)."""
    ca, cb, cg = np.cos(np.deg2rad([rot_deg, tilt_deg, psi_deg]))
    sa, sb, sg = np.sin(np.deg2rad([rot_deg, tilt_deg, psi_deg]))
    return np.array(
        [
            [cg * cb * ca - sg * sa, cg * cb * sa + sg * ca, -cg * sb],
            [-sg * cb * ca - cg * sa, -sg * cb * sa + cg * ca, sg * sb],
            [sb * ca, sb * sa, cb],
        ]
    )


def one(*angles_deg: float) -> list[np.ndarray]:
    return [np.array([a]) for a in angles_deg]


@given(angle, angle, angle)
def test_matrix_is_relions(rot, tilt, psi):
    matrix = rotation_from_euler(*one(rot, tilt, psi))[0]
    np.testing.assert_allclose(matrix, relion_matrix(rot, tilt, psi), atol=1e-12)


@given(angle, angle, angle)
@example(30.0, 0.0, 50.0)
@example(30.0, 180.0, 50.0)
@example(-170.0, 180.0, 170.0)
@example(10.0, 1e-7, 20.0)
@example(10.0, 180.0 - 1e-7, 20.0)
@example(0.0, -90.0, 0.0)
@example(90.0, 540.0, 0.0)
def test_angles_of_a_matrix_give_the_matrix_again(rot, tilt, psi):
    matrix = relion_matrix(rot, tilt, psi)
    angles = euler_from_rotation(matrix[None])
    assert 0.0 <= angles[1][0] <= 180.0
    # Within 1e-9 rad of a pole the tilt is kept but rot and psi are merged: 1e-9 at most.
    np.testing.assert_allclose(relion_matrix(*(a[0] for a in angles)), matrix, atol=3e-9)


@given(st.floats(-179.9, 179.9), st.floats(0.1, 179.9), st.floats(-179.9, 179.9))
def test_away_from_the_poles_the_angles_themselves_return(rot, tilt, psi):
    result = np.concatenate(euler_from_rotation(rotation_from_euler(*one(rot, tilt, psi))))
    np.testing.assert_allclose(result, [rot, tilt, psi], atol=1e-8)


def test_at_the_poles_psi_is_zero():
    rot, tilt, psi = euler_from_rotation(
        rotation_from_euler(np.array([20.0, 20.0]), np.array([0.0, 180.0]), np.array([30.0, 30.0]))
    )
    np.testing.assert_allclose(psi, 0.0)
    np.testing.assert_allclose(tilt, [0.0, 180.0])
    np.testing.assert_allclose(rot, [50.0, -10.0])


def test_many_are_converted_one_by_one(rng):
    angles = rng.uniform(-180, 180, (3, 50))
    matrices = rotation_from_euler(*angles)
    assert matrices.shape == (50, 3, 3)
    for i in (0, 17, 49):
        np.testing.assert_allclose(matrices[i], relion_matrix(*angles[:, i]), atol=1e-12)


def test_third_row_is_the_viewing_direction():
    # rot 90, tilt 90: RELION looks along +y of the map; psi only turns the image.
    matrix = rotation_from_euler(*one(90.0, 90.0, 33.0))[0]
    np.testing.assert_allclose(matrix[2], [0.0, 1.0, 0.0], atol=1e-12)
