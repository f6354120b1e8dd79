"""The search against brute force over its finest cells, in float64 (see exactness.py).

Losses are rare, so a suite sees none; tests/benchmarks/exactness.py counts them over hundreds.
"""

import numpy as np
import pytest

from tests.engine.exactness import CONDITIONS, exactness_plan, measure, unlimited

BOX, EACH = 32, 4
PLAN = exactness_plan(BOX)
BY_NAME = {condition.name: condition for condition in CONDITIONS}


@pytest.mark.parametrize("name", [c.name for c in CONDITIONS if c.holds])
def test_nothing_is_lost_where_the_template_explains_the_image(name):
    losses = measure(BY_NAME[name], 11, EACH, PLAN, EACH)
    assert not losses.lost.any(), losses.missing


@pytest.mark.parametrize("name", [c.name for c in CONDITIONS if not c.holds])
def test_a_wrong_reference_costs_no_more_than_a_fraction_of_a_unit(name):
    """The over-dispersion widens the bound: what is lost, if anything, is next to nothing."""
    losses = measure(BY_NAME[name], 12, EACH, PLAN, EACH)
    assert losses.missing.max() < 0.5


@pytest.mark.parametrize(
    "name", ["SNR 0.02", "SNR 0.2", "SNR 0.02, CTF", "SNR 0.2, CTF", "SNR 0.1, CTF, long lever"]
)
def test_certified_searches_are_at_least_as_good_as_brute_force(name):
    """With lists that lose nothing only the bound leaves cells out: never that of the optimum."""
    losses = measure(BY_NAME[name], 13, 2, unlimited(PLAN), 2)
    assert np.all(losses.certified)
    assert not losses.lost.any(), losses.missing
