"""A view that is closed leaves no model behind, in the kernel or in the page."""

import ipywidgets as widgets
import pytest
from ipywidgets.widgets import widget as ipywidgets_widget

from locref_widgets.widgets import RunComparison, RunDashboard, SettingsForm, SweepView
from locref_widgets.widgets.closing import close_whole
from tests.widgets.fake_run import FakeRun
from tests.widgets.fake_sweep import FakeSweep


@pytest.fixture
def left(wire):
    """Kinds of models that live now and did not when the test began."""
    before = set(ipywidgets_widget._instances)
    return lambda: sorted(
        f"{type(model).__name__} {getattr(model, 'value', '')}"
        for name, model in ipywidgets_widget._instances.items()
        if name not in before
    )


def test_parts_of_parts_go_with_their_view(left):
    inner = widgets.Button()
    view = widgets.VBox([widgets.HBox([inner])])
    assert any(kind.startswith("ButtonStyle") for kind in left())
    close_whole(view)
    assert left() == []


def test_a_dashboard_and_a_comparison_leave_nothing(left, tmp_path):
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        FakeRun(folder, iterations=1, n_particles=300).run(seconds=0.01, batches=1)
    dashboard = RunDashboard(folders[0])
    assert dashboard._watcher.join(20), "the run is finished"
    for page in (1, 4, 0):
        dashboard._tabs.selected_index = page
    assert dashboard._pictures.wait(60)
    comparison = RunComparison(folders)
    comparison._change.value = "Shift change"
    dashboard.close()
    comparison.close()
    assert left() == []


def test_a_settings_form_leaves_nothing(left, ball):
    form = SettingsForm(volume=ball[0], mask=ball[1])
    form._fields["rotation_extent"].control.value = "x"
    form.close()
    assert left() == []


def test_a_sweep_leaves_nothing(left, tmp_path):
    fake = FakeSweep(tmp_path / "sweep")
    view = SweepView(fake.folder)
    for number in range(1, 5):
        fake.try_setting(number)
    fake.finish()
    view.update()
    view.close()
    fake.release()
    assert left() == []
