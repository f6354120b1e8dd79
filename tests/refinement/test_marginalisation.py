"""What is not known of the poses: in the maps if one so wishes, noted in any case."""

import numpy as np
import pytest

from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.state import MARGINALIZED
from tests.refinement.following import Recorder
from tests.refinement.hinged import hinged_input, hinged_settings


@pytest.fixture(scope="module")
def results(hinged_blob_set):
    """Of the same first search, with and without its posteriors in the maps."""

    def first(marginalize):
        recorder = Recorder()
        told = {"iterations": 1, "subset": 40, "folds": 1, "marginalize": marginalize}
        settings = hinged_settings(hinged_blob_set, **told)
        refine_loop(hinged_input(hinged_blob_set), settings, recorder)
        return recorder.results[-1]

    return first(True), first(False)


def test_poses_taken_as_exact_are_known_no_better(results):
    # A prior or a fulcrum that were told so would take all scatter for motion.
    spread, exact = (result.info for result in results)
    assert spread[MARGINALIZED]
    assert not exact[MARGINALIZED]
    for name in ("turn_rad", "shift_px", "pose_covariance", "rotation_error_rad"):
        np.testing.assert_array_equal(exact[name], spread[name])
    assert np.linalg.eigvalsh(exact["pose_covariance"].astype(float)).min() > 0


def test_the_best_poses_enter_the_map_as_they_are(results):
    spread, exact = results
    np.testing.assert_array_equal(exact.info["mean_turn_rad"], exact.info["turn_rad"])
    np.testing.assert_array_equal(exact.info["mean_shift_px"], exact.info["shift_px"])
    np.testing.assert_array_equal(exact.info["probability"], 1.0)
    assert not np.array_equal(exact.half_maps[0], spread.half_maps[0])
