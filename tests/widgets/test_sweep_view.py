"""SweepView over the folder of a sweep that is pretended."""

import time

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.control import take_request
from locref_widgets.widgets import SweepView
from tests.widgets.fake_sweep import FakeSweep


@pytest.fixture
def fake(tmp_path):
    sweep = FakeSweep(tmp_path / "sweep")
    yield sweep
    sweep.release()


def test_progress_and_buttons_follow_the_sweep(wire, fake):
    view = SweepView(fake.folder)
    fake.try_setting(1)
    view.update()
    assert "1 of 4 settings tried" in view._status.value
    assert not view.buttons["pause"].disabled
    assert view.buttons["resume"].disabled
    view.buttons["pause"].click()
    assert take_request(fake.folder) == "pause"
    fake.fail_setting(2, "the fulcrum is outside the box")
    view.update()
    assert "cannot be refined: the fulcrum is outside" in view._error.value
    view.close()


def test_the_verdict_comes_as_sentence_map_table_and_code(wire, fake):
    view = SweepView(fake.folder)
    for number in range(1, 5):
        fake.try_setting(number)
    fake.finish()
    view.update()
    assert "rotation_extent 0.2, shift_extent 8 is the best" in view._verdict.value
    assert view.map.mark.color.shape == (2, 2)
    best = np.unravel_index(np.argmax(view.map.mark.color), (2, 2))
    assert (view.map.mark.row[best[0]], view.map.mark.column[best[1]]) == ("0.2", "8")
    view.map._layer.value = "Best in (%)"
    assert view.map.mark.color.max() == pytest.approx(97.0)
    view.map._up.value = None
    assert view.map.figure.layout.display == "none"
    assert "<svg" in view.map._behind.value
    assert "Worth in particles" in view._table.value
    assert "lw.start_refinement(" in view._code.value
    assert "rotation_extent=0.2" in view._code.value
    assert all(button.disabled for button in view.buttons.values())
    bundle = view._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBOR")
    assert "| rotation_extent |" in bundle["text/markdown"]
    view.close()


def test_the_thread_shows_what_comes_and_ends_with_the_view(wire, fake):
    view = SweepView(fake.folder)
    fake.try_setting(1)
    end = time.monotonic() + 20
    while "1 of 4" not in view._status.value:
        assert time.monotonic() < end
        time.sleep(0.05)
    view.close()
    view._thread.join(20)
    assert not view._thread.is_alive()


def test_a_folder_without_a_sweep_is_refused(wire, tmp_path):
    with pytest.raises(InputError, match="is not the folder of a sweep"):
        SweepView(tmp_path)


def test_a_sweep_whose_process_is_gone_can_be_resumed(wire, fake):
    fake.release()
    view = SweepView(fake.folder)
    assert "Lost" in view._status.value
    assert not view.buttons["resume"].disabled
    view.close()


def test_what_failed_to_be_drawn_is_drawn_again(wire, fake, monkeypatch):
    view = SweepView(fake.folder)
    for number in range(1, 5):
        fake.try_setting(number)
    fake.finish()
    with monkeypatch.context() as broken:
        broken.setattr(view.map, "show", lambda verdict: 1 / 0)
        view._try_update()
        assert "division by zero" in view._error.value
    view._try_update()
    assert view.map.mark.color.shape == (2, 2)
    assert "division" not in view._error.value
    view.close()


def test_a_refused_request_stays_in_words_while_the_sweep_goes_on(wire, fake, monkeypatch):
    def refuse():
        raise InputError("nobody listens")

    view = SweepView(fake.folder)
    monkeypatch.setattr(view.sweep, "pause", refuse)
    view._ask("pause")
    fake.try_setting(1)
    view.update()
    assert "nobody listens" in view._error.value
    view.close()


def test_the_tooltip_is_told_another_number_of_digits(wire, fake):
    view = SweepView(fake.folder)
    for number in range(1, 5):
        fake.try_setting(number)
    fake.finish()
    view.update()
    wire.clear()
    view.map._layer.value = "Best in (%)"
    told = [data["state"] for kind, data, _ in wire if kind == "comm_msg"]
    assert ["", "", ".0f"] in [state.get("formats") for state in told]
    view.close()
