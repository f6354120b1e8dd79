"""Layers over the view sphere against loops over the cells."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.refinement.diagnostics import viewing_heatmap
from locref_widgets.refinement.view_layers import in_map_frame, view_cells, view_layers


@pytest.fixture(scope="module")
def case():
    random = np.random.default_rng(4)
    rotations = Rotation.random(600, random_state=4).as_matrix()
    vectors = random.normal(size=(600, 3)) + np.array([0.0, 1.0, 0.0])
    values = np.linalg.norm(vectors, axis=1)
    values[:5] = np.nan
    at_bound = random.random(600) < 0.2
    cells = view_cells(rotations, 8, 5)
    return rotations, vectors, values, at_bound, cells


def test_cells_are_those_of_the_heatmap(case):
    rotations, _, values, _, cells = case
    heatmap = viewing_heatmap(rotations, {"value": values}, 8, 5)
    np.testing.assert_array_equal(cells.count, heatmap.count)
    layers = view_layers(cells, values, np.zeros(600, bool))
    np.testing.assert_allclose(layers["mean"], heatmap.mean["value"])


def test_every_layer_agrees_with_a_loop(case):
    _, vectors, values, at_bound, cells = case
    layers = view_layers(cells, values, at_bound, vectors)
    for row in range(5):
        for column in range(8):
            inside = cells.members({(row, column)})
            if not len(inside):
                assert np.isnan(layers["median"][row, column])
                continue
            mean = vectors[inside].mean(axis=0)
            expected = {
                "median": np.nanmedian(values[inside]),
                "count": len(inside),
                "at_bound": at_bound[inside].mean(),
                "direction": np.degrees(np.arctan2(mean[1], mean[0])),
                "direction_elevation": np.degrees(np.arcsin(mean[2] / np.linalg.norm(mean))),
                "agreement": np.linalg.norm(mean) / np.linalg.norm(vectors[inside], axis=1).mean(),
            }
            for name, value in expected.items():
                assert layers[name][row, column] == pytest.approx(value), name


def test_members_of_cells_are_disjoint_and_complete(case):
    cells = case[4]
    everywhere = {(row, column) for row in range(5) for column in range(8)}
    np.testing.assert_array_equal(cells.members(everywhere), np.arange(600))
    parts = [cells.members({cell}) for cell in everywhere]
    assert sum(map(len, parts)) == 600
    assert len(cells.members(set())) == 0


def test_a_vector_of_the_image_is_turned_back_into_the_map(case):
    rotations = case[0]
    in_map = np.array([0.3, -0.2, 0.9])
    seen = rotations @ in_map
    np.testing.assert_allclose(in_map_frame(rotations, seen), np.tile(in_map, (600, 1)), atol=1e-12)
    # Of a shift the part along the line of sight is not seen.
    flat = in_map_frame(rotations, seen[:, :2])
    along = np.einsum("ni,ni->n", flat, rotations[:, 2])
    np.testing.assert_allclose(along, 0, atol=1e-12)
