import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.masks.fulcrum_choices import interface_with_rest


def by_hand(mask, volume, level, voxel_size_angstrom):
    """The same in loops over voxels, float64; (point, contacts, patches, gap)."""
    shape = np.array(volume.shape)
    voxels = list(itertools.product(*map(range, shape)))
    inside = {v for v in voxels if volume[v] > level and mask[v] >= 0.5}
    outside = {v for v in voxels if volume[v] > level and mask[v] < 0.5}
    faces = [
        (v, tuple(np.add(v, step)))
        for v in sorted(inside)
        for step in [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
        if tuple(np.add(v, step)) in outside
    ]
    if not faces:
        pairs = [(np.linalg.norm(np.subtract(a, b)), a, b) for a in inside for b in outside]
        return None, 0, 0, min(pairs)[0] * voxel_size_angstrom
    # Joints grow from one contact to its neighbours.
    left, joints = {a for a, _ in faces}, []
    while left:
        joint, edge = set(), {min(left)}
        while edge:
            joint |= edge
            left -= edge
            edge = {v for v in left if any(np.abs(np.subtract(v, e)).max() <= 1 for e in edge)}
        joints.append([pair for pair in faces if pair[0] in joint])
    sizes = [len(joint) for joint in joints]
    points = [
        (np.mean(joint, axis=(0, 1)) - shape // 2)[::-1] * voxel_size_angstrom
        for joint in joints
        if len(joint) == max(sizes)
    ]
    return points, max(sizes), len(joints), 0.0


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.9), size=st.sampled_from([4, 6, 7]))
def test_the_joint_is_the_one_that_loops_find(seed, share, size):
    rng = np.random.default_rng(seed)
    shape = (size, size - 1, size + 2)
    volume = rng.uniform(0, 1, shape).astype(np.float32)
    mask = rng.uniform(0, 1, shape).astype(np.float32) * (rng.uniform(size=shape) < 0.7)
    mask = mask.astype(np.float32)
    level = 1 - share
    dense = volume > level
    if not (dense & (mask >= 0.5)).any() or not (dense & (mask < 0.5)).any():
        with pytest.raises(InputError, match="no density"):
            interface_with_rest(mask, volume, level, 2.0)
        return
    found = interface_with_rest(mask, volume, level, 2.0)
    points, contacts, patches, gap = by_hand(mask, volume, level, 2.0)
    assert (found.contacts, found.patches) == (contacts, patches)
    assert found.gap_angstrom == pytest.approx(gap)
    if points is not None:
        # Several joints may be the largest.
        assert min(np.abs(found.point_angstrom - point).max() for point in points) < 1e-9


def test_the_middle_of_a_neck_between_two_balls():
    z, y, x = np.mgrid[:40, :40, :40].astype(np.float32)
    balls = [np.hypot(np.hypot(x - c, y - 20), z - 18) < 8 for c in (10, 30)]
    neck = (np.hypot(y - 20, z - 18) < 3) & (x > 10) & (x < 30)
    volume = (balls[0] | balls[1] | neck).astype(np.float32)
    mask = (x > 22.5).astype(np.float32)
    found = interface_with_rest(mask, volume, 0.5, 1.5)
    assert found.point_angstrom == pytest.approx(np.array([22.5, 20.0, 18.0]) * 1.5 - 30.0)
    assert found.patches == 1
    assert found.contacts == np.count_nonzero(neck[:, :, 20])


def test_parts_that_do_not_touch_meet_in_the_middle_of_the_gap():
    volume = np.zeros((12, 12, 12), np.float32)
    volume[2:5, 5, 5] = volume[9:, 5, 5] = 1
    mask = np.zeros_like(volume)
    mask[:6] = 1
    found = interface_with_rest(mask, volume, 0.5, 2.0)
    assert (found.contacts, found.patches) == (0, 0)
    assert found.gap_angstrom == 10.0
    assert found.point_angstrom == pytest.approx([-2.0, -2.0, 1.0])


def test_density_on_one_side_only_is_told_in_words():
    volume = np.ones((6, 6, 6), np.float32)
    with pytest.raises(InputError, match="outside the mask"):
        interface_with_rest(np.ones_like(volume), volume, 0.5, 1.0)
    with pytest.raises(InputError, match="inside the mask"):
        interface_with_rest(np.zeros_like(volume), volume, 0.5, 1.0)
