import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map, write_map
from locref_widgets.masks.sightline import value_at
from locref_widgets.widgets import MapView
from locref_widgets.widgets.display_volume import bin_for_display, first_level, to_display


def receive(view, **content):
    """Deliver a message as the browser sends it."""
    message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    view.comm.handle_msg(message)


def sent(wire):
    """Messages to the browser, apart from changes of traits."""
    return [(m[1]["content"], m[2]) for m in wire if m[1].get("method") == "custom"]


def test_volumes_travel_as_binary_and_only_when_asked_for(wire, ball):
    view = MapView(*ball)
    opened = [data for kind, data, _ in wire if kind == "comm_open"][-1]
    assert opened["state"]["shape_xyz"] == [24, 24, 24]
    assert not any(buffers for _, _, buffers in wire)
    wire.clear()
    receive(view, kind="need_volumes", ids=["map0", "mask1"])
    (first, density), (second, mask) = sent(wire)
    assert [first["id"], second["id"]] == ["map0", "mask1"]
    assert [len(density[0]), len(mask[0])] == [24**3, 24**3]
    assert first["shape"] == [24, 24, 24]
    assert (first["scale"], first["offset"]) == (1.0, [0.0, 0.0, 0.0])
    assert (second["low"], second["high"]) == (0.0, 1.0)
    grey = np.frombuffer(density[0], np.uint8).reshape(24, 24, 24)
    assert grey[10, 12, 14] == 255
    assert grey[0, 0, 0] == 0
    wire.clear()
    receive(view, kind="need_volumes", ids=["mask1"])
    assert [content["id"] for content, _ in sent(wire)] == ["mask1"]


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
    content = sent(wire)[-1][0]
    assert content["values"]["map0"] == float(volume.data[4, 12, 14])
    assert content["values"]["mask1"] == float(mask.data[4, 12, 14])
    receive(view, kind="probe", voxel=[999, -5, 4])
    assert sent(wire)[-1][0]["voxel"] == [23, 0, 4]


@pytest.mark.parametrize(
    "content",
    [
        {"kind": "probe", "voxel": "nonsense"},
        {"kind": "measure", "id": "map9", "level": 1},
        {"kind": "level_for_mass", "id": None, "kda": 1},
        {"kind": "pick", "voxel": [1, 2]},
        {"kind": "no such kind"},
        {},
    ],
)
def test_messages_that_mean_nothing_change_nothing(wire, ball, content):
    view = MapView(*ball)
    before = view.get_state()
    receive(view, **content)
    assert view.get_state() == before


def test_the_mass_is_counted_in_the_map_itself(wire, ball):
    view = MapView(*ball)
    voxels = np.count_nonzero(ball[0].data > 0.25)
    receive(view, kind="measure", id="map0", level=0.25)
    assert sent(wire)[-1][0]["kda"] == pytest.approx(voxels * 64 * 0.81 / 1000)
    assert view.mass_above_kda(0.25) == pytest.approx(voxels * 64 * 0.81 / 1000)


def test_a_mass_finds_its_level(wire, rng):
    volume = Map(rng.normal(size=(20, 20, 20)).astype(np.float32), 3.0)
    view = MapView(volume)
    receive(view, kind="level_for_mass", id="map0", kda=10.0)
    voxel_kda = 27 * 0.81 / 1000
    assert view.mass_above_kda() == pytest.approx(10.0, abs=voxel_kda / 2)
    receive(view, kind="level_for_mass", id="map0", kda=1e9)
    assert "kDa" in sent(wire)[-1][0]["message"]


def test_a_pick_lies_on_the_surface_of_the_map_itself(wire, ball, rng):
    view = MapView(*ball, level=0.4)
    centre = np.array([14.0, 12.0, 10.0])
    for _ in range(20):
        outward = rng.normal(size=3)
        outward /= np.linalg.norm(outward)
        near = centre + (6.6 + rng.uniform(-0.3, 0.3)) * outward
        receive(view, kind="pick", id="map0", voxel=near.tolist(), direction=(-outward).tolist())
        x, y, z = view.picked["voxel"]
        found = value_at(ball[0].data, np.array([[x, y, z]]))[0]
        assert found == pytest.approx(0.4, abs=1e-6)
        assert view.picked["density"] == pytest.approx(0.4)
        assert view.picked["angstrom"] == pytest.approx(4.0 * (np.array([x, y, z]) - 12))


def test_a_pick_away_from_every_surface_is_told_with_its_density(wire, ball):
    view = MapView(*ball)
    receive(view, kind="pick", id=None, voxel=[3.2, 4.0, 5.0], direction=None)
    assert view.picked["voxel"] == [3.2, 4.0, 5.0]
    assert view.picked["density"] == float(ball[0].data[5, 4, 3])


def test_overlays_lie_where_their_headers_say(wire, ball):
    volume = ball[0]
    coarse = Map(volume.data[::2, ::2, ::2].copy(), 8.0)
    placed = Map(volume.data[4:10, 2:20, 3:9].copy(), 4.0, position=BoxPosition((3, 2, 4)))
    here = Map(volume.data, 4.0, position=BoxPosition((1, 1, 1)))
    view = MapView(volume, overlays=[coarse])
    receive(view, kind="need_volumes", ids=["map1"])
    content = sent(wire)[-1][0]
    # Nothing is said of places: voxel N // 2 of both, 12 and 6, are one point.
    assert (content["scale"], content["offset"]) == (2.0, [0.0, 0.0, 0.0])
    view = MapView(here, overlays=[placed])
    wire.clear()
    receive(view, kind="need_volumes", ids=["map1"])
    assert sent(wire)[-1][0]["offset"] == [2.0, 1.0, 3.0]
    receive(view, kind="probe", voxel=[5, 4, 6])
    assert sent(wire)[-1][0]["values"]["map1"] == float(volume.data[7, 5, 6])
    receive(view, kind="probe", voxel=[20, 4, 6])
    assert sent(wire)[-1][0]["values"]["map1"] is None


def test_layers_are_added_and_changed(wire, ball):
    view = MapView(ball[0])
    view.add_map(ball[0], name="again", level=0.5)
    mask = view.add_mask(ball[1])
    assert [item["name"] for item in view.layers] == ["map", "again", "mask"]
    assert view.layers[1]["colour"].startswith("#")
    view.set_layer("again", visible=False, opacity=0.4)
    view.set_layer(mask, colour="#123456")
    view.set_layer("map", level=0.75)
    assert (view.layers[1]["visible"], view.layers[1]["opacity"]) == (False, 0.4)
    assert view.layers[2]["colour"] == "#123456"
    assert view.level == 0.75
    with pytest.raises(InputError, match="no layer"):
        view.set_layer("third", visible=False)
    with pytest.raises(InputError, match="shininess"):
        view.set_layer("map", shininess=1)


def test_maps_that_are_no_cube_are_shown(wire, tmp_path, rng):
    path = tmp_path / "flat.mrc"
    write_map(path, rng.normal(size=(6, 9, 14)).astype(np.float32), 2.5)
    view = MapView(path)
    assert view.shape_xyz == [14, 9, 6]
    assert view.cursor == [7, 4, 3]
    assert view.name == "flat.mrc"
    with pytest.raises(InputError, match="cubic"):
        MapView(path, fulcrum=(1, 2, 3))


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
    volume = np.linspace(-1, 3, 8).reshape(2, 2, 2).astype(np.float32)
    shown = to_display(volume, low=0.0, high=2.0)
    assert list(shown.data.ravel()) == [0, 0, 18, 91, 164, 237, 255, 255]
    flat = to_display(np.zeros((2, 2, 2), np.float32))
    assert flat.high > flat.low
    assert np.all(to_display(np.full((2, 2, 2), np.nan), low=0.0, high=1.0).data == 0)
    nothing = to_display(np.full((2, 2, 2), np.nan))
    assert np.isfinite([nothing.low, nothing.high, nothing.mean]).all()


def test_levels_up_to_the_maximum_can_be_shown_but_outliers_do_not_take_all_bytes(rng):
    volume = rng.normal(size=(40, 40, 40)).astype(np.float32)
    assert to_display(volume).high == volume.max()
    volume[0, 0, 0] = 1e4
    shown = to_display(volume)
    assert shown.high < 30
    assert shown.grey[1] < 4


@pytest.mark.parametrize("fill", [0.0, 3.0, np.nan])
def test_a_flat_map_has_a_level_too(fill):
    assert np.isfinite(first_level(np.full((6, 6, 6), fill, np.float32), 1.0))


def test_non_cubic_maps_thinner_than_a_block_are_binned():
    binned, edge = bin_for_display(np.ones((1, 3, 600), np.float32), largest_box=256)
    assert edge == 3
    assert binned.shape == (1, 1, 200)
