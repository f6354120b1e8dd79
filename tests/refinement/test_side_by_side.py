"""Work on several volumes at the same time."""

import threading

import pytest

from locref_widgets.refinement.side_by_side import side_by_side


def test_all_are_under_way_together_and_come_back_in_order():
    together = threading.Barrier(3)

    def work(number: int) -> int:
        together.wait(20)
        return 10 * number

    assert side_by_side(work, iter([3, 1, 2])) == [30, 10, 20]


def test_nothing_is_nothing():
    assert side_by_side(lambda item: item, []) == []


def test_what_goes_wrong_is_told():
    def work(number: int) -> float:
        return 1 / number

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, (1, 0))
