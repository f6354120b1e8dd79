import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.widgets import MapView
from locref_widgets.widgets.display_volume import bin_for_display, to_display


def receive(view, **content):
    """Deliver a message as the browser sends it."""
    message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    view.comm.handle_msg(message)


def test_volumes_travel_as_binary_and_only_when_asked_for(wire, ball):
    view = MapView(*ball)
    opened = [data for kind, data, _ in wire if kind == "comm_open"][-1]
    assert opened["state"]["box_px"] == 24
    assert not any(buffers for _, _, buffers in wire)
    wire.clear()
    receive(view, kind="need_volumes")
    (_, data, buffers), *rest = [m for m in wire if m[1].get("method") == "custom"]
    assert not rest
    assert [len(b) for b in buffers] == [24**3, 24**3]
    assert data["content"]["shape"] == [24, 24, 24]
    grey = np.frombuffer(buffers[0], np.uint8).reshape(24, 24, 24)
    assert grey[10, 12, 14] == 255
    assert grey[0, 0, 0] == 0


def test_the_state_that_a_notebook_saves_is_small(wire, ball):
    state = MapView(*ball).get_state()
    state.pop("_esm")
    assert len(str(state)) < 4000
    assert len(repr(MapView(*ball))) < 100


def test_exact_values_come_from_the_map(wire, ball):
    volume, mask = ball
    view = MapView(volume, mask)
    wire.clear()
    receive(view, kind="probe", voxel=[14, 12, 4])
    content = wire[-1][1]["content"]
    assert content["density"] == float(volume.data[4, 12, 14])
    assert content["mask"] == float(mask.data[4, 12, 14])
    receive(view, kind="probe", voxel=[999, -5, 4])
    assert wire[-1][1]["content"]["voxel"] == [23, 0, 4]
    receive(view, kind="probe", voxel="nonsense")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"fulcrum": (3, 4.5, 5)}, [3, 4.5, 5]),
        ({"fulcrum": np.array([3, 4, 5])}, [3, 4, 5]),
        ({"fulcrum": "box"}, [12, 12, 12]),
        ({"fulcrum_angstrom": (4.0, 0.0, -8.0)}, [13, 12, 10]),
        ({}, []),
    ],
)
def test_fulcrum_forms(wire, ball, given, expected):
    assert MapView(*ball, **given).fulcrum == pytest.approx(expected)


def test_fulcrum_at_the_mask_centre(wire, ball):
    x, y, z = MapView(*ball, fulcrum="mask").fulcrum
    assert (x, y) == pytest.approx((14, 12), abs=1e-5)  # the mask is symmetric about them
    assert 10 < z < 14


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fulcrum": (30, 4, 5)}, "outside"),
        ({"fulcrum": "hinge"}, "mask"),
        ({"fulcrum": (1, 2, 3), "fulcrum_angstrom": (0, 0, 0)}, "not both"),
        ({"fulcrum": (1, 2)}, "three"),
    ],
)
def test_wrong_fulcrums(ball, given, words):
    with pytest.raises(InputError, match=words):
        MapView(*ball, **given)


def test_mask_on_another_grid(ball):
    with pytest.raises(InputError):
        MapView(ball[0], Map(ball[1].data, 5.0))
    with pytest.raises(InputError, match="mask"):
        MapView(ball[0], fulcrum="mask")


def test_large_boxes_are_averaged_for_display():
    volume = np.arange(10**3, dtype=np.float32).reshape(10, 10, 10)
    binned, edge = bin_for_display(volume, largest_box=4)
    assert (binned.shape, edge) == ((3, 3, 3), 3)
    assert binned[0, 0, 0] == volume[:3, :3, :3].mean()
    same, edge = bin_for_display(volume, largest_box=10)
    assert same is volume
    assert edge == 1


def test_quantisation_keeps_the_order_and_the_limits():
    volume = np.linspace(-1, 3, 8).reshape(2, 2, 2)
    shown = to_display(volume, low=0.0, high=2.0)
    assert list(shown.data.ravel()) == [0, 0, 18, 91, 164, 237, 255, 255]
    flat = to_display(np.zeros((2, 2, 2)))
    assert flat.high > flat.low
    assert np.all(to_display(np.full((2, 2, 2), np.nan), low=0.0, high=1.0).data == 0)
