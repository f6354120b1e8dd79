import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.control import (
    STOP_AFTER,
    clear_requests,
    is_pending,
    request,
    take_request,
    take_stop_after,
)


def test_requests_are_taken_once(tmp_path):
    request(tmp_path, "pause")
    assert take_request(tmp_path) == "pause"
    assert take_request(tmp_path) is None


def test_the_latest_of_pause_and_continue_counts(tmp_path):
    request(tmp_path, "pause")
    request(tmp_path, "continue")
    assert take_request(tmp_path) == "continue"
    assert take_request(tmp_path) is None


def test_stop_comes_first(tmp_path):
    request(tmp_path, "pause")
    request(tmp_path, "stop")
    assert [take_request(tmp_path) for _ in range(3)] == ["stop", "pause", None]


def test_a_paused_run_goes_on_to_the_end_of_its_iteration(tmp_path):
    request(tmp_path, "pause")
    assert take_request(tmp_path) == "pause"
    request(tmp_path, STOP_AFTER)
    assert take_request(tmp_path) == "continue"
    assert is_pending(tmp_path, STOP_AFTER)
    assert take_stop_after(tmp_path)
    assert not is_pending(tmp_path, STOP_AFTER)


def test_a_stop_between_two_iterations_leaves_nothing(tmp_path):
    request(tmp_path, STOP_AFTER)
    assert take_stop_after(tmp_path)
    assert not list((tmp_path / "control").iterdir())


def test_a_run_asked_to_stop_after_the_iteration_may_be_paused(tmp_path):
    request(tmp_path, STOP_AFTER)
    request(tmp_path, "pause")
    assert [take_request(tmp_path) for _ in range(2)] == ["pause", None]
    request(tmp_path, "continue")
    assert not take_stop_after(tmp_path), "continue takes the stop back"


def test_clearing_leaves_none(tmp_path):
    request(tmp_path, "pause")
    request(tmp_path, "stop")
    clear_requests(tmp_path)
    assert take_request(tmp_path) is None


def test_another_request_is_refused(tmp_path):
    with pytest.raises(InputError, match="no request 'delete'"):
        request(tmp_path, "delete")
    assert not (tmp_path / "control").exists()
