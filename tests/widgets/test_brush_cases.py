"""Python's brush on the cases that the browser's is tested on, too (js/test/brush.test.ts)."""

import json

import numpy as np
import pytest

from locref_widgets.io.mrc import Map
from locref_widgets.masks.volume_steps import Paint
from locref_widgets.widgets.mask_studio_state import StudioState
from tests.widgets.make_brush_cases import CASES, density, touched

KEPT = json.loads(CASES.read_text())
SHAPE = tuple(KEPT["shape"])


@pytest.mark.parametrize("case", KEPT["cases"], ids=lambda case: str(case["spheres"])[:30])
def test_a_stroke_touches_the_voxels_of_the_case(case):
    assert touched(case["spheres"], case["least"]) == case["touched"]
    nx, ny, nz = SHAPE
    z, y, x = np.mgrid[:nz, :ny, :nx]
    volume = Map(density(x, y, z).astype(np.float32), 1.0)
    state = StudioState(volume)
    spheres = [tuple(map(float, sphere)) for sphere in case["spheres"]]
    state.stroke(spheres, at_least=case["least"])
    expected = np.zeros(nx * ny * nz, np.float32)
    expected[case["touched"]] = 1
    np.testing.assert_array_equal(state.finished().data.ravel(), expected)
    whole = [(6.0, 5.0, 4.0, 99.0)]
    state.do(Paint(spheres=tuple(whole)))
    state.stroke(spheres, remove=True, at_least=case["least"])
    np.testing.assert_array_equal(state.finished().data.ravel(), 1 - expected)
