import numpy as np
import pytest

from locref_widgets.widgets.ticks import nice_maximum, round_ticks, tick_labels


def test_nice_maximum_is_above_and_close():
    for value in np.geomspace(1e-3, 50, 40):
        nice = nice_maximum(value)
        assert value <= nice * (1 + 1e-6)
        assert nice <= 1.51 * value
    assert nice_maximum(0.0) == 1.0
    assert nice_maximum(nice_maximum(0.3)) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 8, [0, 2, 4, 6, 8]),
        (0, 3, [0, 1, 2, 3]),
        (0, 0.9, [0, 0.2, 0.4, 0.6, 0.8]),
        (10.7, 18.4, [12, 14, 16, 18]),
        (0, 120, [0, 25, 50, 75, 100]),
        (5, 5, [5]),
    ],
)
def test_round_ticks(low, high, expected):
    assert round_ticks(low, high) == pytest.approx(expected)


def test_tick_labels_have_the_keys_that_javascript_looks_up():
    places = np.array([-1.0, 0.0, 0.25])
    assert tick_labels(places, ["a", "b", "c"]) == {"-1": "a", "0": "b", "0.25": "c"}
