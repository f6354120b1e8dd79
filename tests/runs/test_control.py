import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.control import clear_requests, request, take_request


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


def test_clearing_leaves_none(tmp_path):
    request(tmp_path, "pause")
    request(tmp_path, "stop")
    clear_requests(tmp_path)
    assert take_request(tmp_path) is None


def test_another_request_is_refused(tmp_path):
    with pytest.raises(InputError, match="no request 'delete'"):
        request(tmp_path, "delete")
    assert not (tmp_path / "control").exists()
