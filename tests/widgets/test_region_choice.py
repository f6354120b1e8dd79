"""Choosing regions: what is chosen stays chosen, and the step names the very same voxels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.recipe import follow
from locref_widgets.widgets.region_choice import segment_map


def lumps(seed=3, box_px=32):
    """Blobs at random places."""
    rng = np.random.default_rng(seed)
    z, y, x = np.mgrid[:box_px, :box_px, :box_px].astype(np.float32)
    density = np.zeros((box_px,) * 3, np.float32)
    for cx, cy, cz in rng.uniform(7, box_px - 7, (9, 3)):
        density += np.exp(-((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / 14)
    return Map(density, 2.0)


VOLUME = lumps()
FIRST = segment_map(VOLUME, 0.25, steps=3).group_to(0)
operations = st.lists(
    st.tuples(
        st.sampled_from(["toggle", "merge", "split", "delete", "group"]),
        st.integers(0, 20),
        st.integers(0, 20),
    ),
    max_size=10,
)


@given(operations)
@settings(max_examples=30, deadline=None)
def test_the_step_makes_the_very_mask_that_is_chosen(done):
    choice = FIRST
    for what, first, second in done:
        ids = choice.tree.ids
        if not ids:
            break
        a, b = ids[first % len(ids)], ids[second % len(ids)]
        try:
            if what == "toggle":
                choice = choice.toggle([a])
            elif what == "merge":
                choice = choice.merge([a, b])
            elif what == "split":
                choice = choice.split(a)
            elif what == "delete":
                choice = choice.delete([a])
            else:
                choice = choice.group_to(first % 4)
        except InputError:
            continue
        assert set(choice.chosen) <= set(choice.tree.ids)
    if choice.chosen:
        expected = choice.mask(VOLUME).data
        np.testing.assert_array_equal(follow(VOLUME, [choice.step()]).data, expected)
    else:
        with pytest.raises(InputError, match="no region is chosen"):
            choice.step()


def test_what_is_chosen_stays_so_when_regions_are_split():
    grouped = FIRST.group_to(3)
    number = max(grouped.tree.ids, key=lambda n: grouped.tree.leaves_of([n]).sum())
    chosen = grouped.toggle([number])
    split = chosen.split(number)
    assert len(split.chosen) > 1
    np.testing.assert_array_equal(split.mask(VOLUME).data, chosen.mask(VOLUME).data)
    assert split.toggle(split.chosen).chosen == []


def test_a_click_on_the_surface_finds_the_region_behind_it():
    x, y, z = FIRST.tree.regions()[0].point_xyz
    inside = FIRST.tree.region_at((x, y, z))
    outside = next(x - step for step in range(32) if FIRST.tree.region_at((x - step, y, z)) is None)
    place = (float(outside), float(y), float(z))
    assert FIRST.region_near(place) is None
    assert FIRST.region_near(place, (1.0, 0.0, 0.0)) is not None
    assert FIRST.region_near(place, (-1.0, 0.0, 0.0)) is None
    assert FIRST.region_near((float(x), float(y), float(z)), (1.0, 0.0, 0.0)) == inside
