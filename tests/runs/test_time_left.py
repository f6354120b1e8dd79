"""Time left: true within a quarter whenever it is told, whatever the pass is like."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from locref_widgets.runs.time_left import Pace, left_words


def follow(durations: np.ndarray, each: int = 32) -> list[tuple[float, float | None]]:
    """What is left, and what is said to be, after each batch of a pass."""
    pace, total, ends = Pace(), each * len(durations), np.cumsum(durations)
    pace.add(0.0, 0, total)
    told = []
    for number, now in enumerate(ends, start=1):
        pace.add(float(now), each * number, total)
        told.append((float(ends[-1] - now), pace.seconds_left()))
    return told


@pytest.mark.parametrize("compiling", [0.0, 3.0, 120.0])
@pytest.mark.parametrize("seconds", [0.05, 1.0, 40.0])
def test_it_is_true_from_the_first_time_that_it_is_told(rng, compiling, seconds):
    """Batches of one size differ, as particles need more or less work."""
    durations = seconds * rng.uniform(0.7, 1.3, 300)
    durations[0] += compiling
    told = follow(durations)
    known = [(left, said) for left, said in told if said is not None]
    # It is told soon: after some batches, or some seconds where batches are short.
    assert len(told) - len(known) <= max(4, np.ceil(2.0 / seconds / 0.7) + 2)
    for left, said in known:
        assert abs(said - left) <= 0.25 * left + 4 * seconds


def test_a_machine_that_gets_slower_shows_within_the_time_that_passed_before():
    durations = np.concatenate([np.full(100, 1.0), np.full(300, 3.0)])
    told = follow(durations)
    # 100 s at the old pace; the window holds only the new one once it has lasted as long.
    left, said = told[140]
    assert said == pytest.approx(left, rel=0.05)


def test_the_end_is_the_end_whether_or_not_a_rate_is_known():
    pace = Pace()
    pace.add(0.0, 0, 10)
    pace.add(0.1, 10, 10)
    assert pace.seconds_left() == 0.0


def test_another_pass_begins_anew():
    pace = Pace()
    for second in range(20):
        pace.add(float(second), 10 * second, 1000)
    assert pace.seconds_left() is not None
    pace.add(20.0, 10, 1000)
    assert pace.seconds_left() is None
    assert left_words(None) == "measuring"
    assert left_words(90.0) == "2 min left"


@given(
    st.lists(
        st.tuples(
            st.floats(-1e6, 1e6, allow_nan=False), st.integers(-5, 2000), st.integers(0, 1000)
        ),
        max_size=60,
    )
)
def test_whatever_is_told_the_answer_is_a_time_or_nothing(reports):
    """Clocks are set back, and events are what somebody wrote into a file."""
    pace = Pace()
    for report in reports:
        pace.add(*report)
        left = pace.seconds_left()
        assert left is None or (np.isfinite(left) and left >= 0)


def test_memory_does_not_grow_with_the_pass():
    pace = Pace()
    for step in range(20_000):
        pace.add(0.25 * step, step, 20_000)
    assert len(pace.times) < 600
    assert pace.seconds_left() == pytest.approx(0.25, rel=0.1)
    assert pace.rate() == pytest.approx(4.0, rel=1e-3)
