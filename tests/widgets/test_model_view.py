import gemmi
import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.widgets import FulcrumPicker, ModelView, nglview_support
from locref_widgets.widgets.display_volume import to_display
from locref_widgets.widgets.model_view import as_int8_mrc
from locref_widgets.widgets.nglview_support import FileBridge, load_nglview

pytest.importorskip("nglview")


def model_of(*places):
    structure = gemmi.Structure()
    structure.name = "ions"
    chain = gemmi.Chain("A")
    for number, place in enumerate(places, start=1):
        residue = gemmi.Residue()
        residue.name, residue.seqid, residue.het_flag = "ZN", gemmi.SeqId(number, " "), "H"
        atom = gemmi.Atom()
        atom.name, atom.element, atom.pos = "ZN", gemmi.Element("Zn"), gemmi.Position(*place)
        residue.add_atom(atom)
        chain.add_residue(residue)
    model = gemmi.Model(1)
    model.add_chain(chain)
    structure.add_model(model)
    structure.setup_entities()
    return structure


@pytest.fixture
def volume(rng):
    values = rng.normal(size=(20, 24, 28)).astype(np.float32)
    return Map(values, 2.0, position=BoxPosition((0, 0, 0), (-10.0, 5.0, 30.0)))


def sent(wire, view):
    """Calls that went to nglview's front end."""
    return [
        data["content"]
        for kind, data, _ in wire
        if kind == "comm_msg"
        and data.get("content", {}).get("type") == "call_method"
        and data["content"]["methodName"] != "setSize"  # the layout's height
    ]


def receive(widget, buffers=(), **content):
    message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": buffers}
    widget.comm.handle_msg(message)


def test_the_file_for_the_browser_is_the_map_in_its_place(volume, tmp_path):
    display = to_display(volume.data)
    path = tmp_path / "small.mrc"
    path.write_bytes(as_int8_mrc(volume, display))
    back = read_map(path, cubic=False)
    assert back.size_xyz == volume.size_xyz
    assert back.corner_angstrom == pytest.approx(volume.corner_angstrom)
    restored = (back.data + 128) / 255 * (display.high - display.low) + display.low
    clipped = np.clip(volume.data, display.low, display.high)
    assert np.abs(restored - clipped).max() <= 0.51 * (display.high - display.low) / 255


def test_a_binned_map_keeps_its_place(tmp_path):
    volume = Map(np.ones((300, 300, 300), np.float32), 1.0)
    path = tmp_path / "binned.mrc"
    path.write_bytes(as_int8_mrc(volume, to_display(volume.data)))
    back = read_map(path)
    assert (back.box_px, back.voxel_size_angstrom) == (150, 2.0)
    assert back.corner_angstrom == pytest.approx([0.5, 0.5, 0.5])


def test_files_go_by_address_and_never_into_the_archive(wire, volume):
    view = ModelView(model_of((0, 0, 0)), volume)
    receive(view.view, type="request_loaded", data=True)
    files = {
        data["content"]["id"]: bytes(buffers[0])
        for _, data, buffers in wire
        if data.get("content", {}).get("kind") == "file"
    }
    assert set(files) == {"model", "map"}
    assert b"_atom_site" in files["model"]
    assert not sent(wire, view)
    receive(view._bridge, kind="address", id="model", url="blob:a", ticket=1)
    receive(view._bridge, kind="address", id="map", url="blob:b", ticket=1)
    calls = sent(wire, view)
    assert [call["methodName"] for call in calls] == ["removeAllComponents", "loadFile"]
    assert calls[-1]["args"][0]["data"] == "blob:a"
    receive(view.view, type="async_message", data="ok")
    assert sent(wire, view)[-1]["args"][0]["data"] == "blob:b"
    receive(view.view, type="async_message", data="ok")
    names = [call["methodName"] for call in sent(wire, view)]
    assert names[-3:] == ["addRepresentation", "autoView", "setParameters"]
    assert {call["methodName"] for call in view.view._ngl_msg_archive} == {"setSize"}
    assert all(len(str(call)) < 2000 for call in sent(wire, view))
    view.close()


def test_the_paper_is_the_pages(wire, volume):
    view = ModelView(model_of((0, 0, 0)), volume)
    receive(view._bridge, kind="theme", dark=True)
    view.is_loaded = True
    assert not sent(wire, view)
    receive(view._bridge, kind="theme", dark=False)
    assert sent(wire, view)[-1]["args"] == [{"backgroundColor": "#fcfcfd"}]
    view.close()


def test_a_page_that_comes_up_later_asks_again(wire, volume):
    view = ModelView(model_of((0, 0, 0)))
    receive(view.view, type="request_loaded", data=True)
    wire.clear()
    receive(view._bridge, kind="here")
    assert [data["content"]["id"] for _, data, _ in wire if "content" in data] == ["model"]
    view.close()


def test_an_atom_is_told_in_both_frames(wire, volume):
    view = ModelView(model_of((0, 0, 0)), volume)
    view.view.picked = {"atom1": {"name": "[ZN]1:A.ZN", "x": -6.0, "y": 8.0, "z": 45.0}}
    assert view.picked_atom["angstrom"] == [-6, 8, 45]
    assert view.picked_atom["voxel"] == pytest.approx([2.0, 1.5, 7.5])
    assert view.from_voxel(view.picked_atom["voxel"]) == pytest.approx([-6, 8, 45])
    view.view.picked = {}
    assert view.picked_atom["name"] == "[ZN]1:A.ZN"
    view.close()


def test_the_level_is_sent_on_the_files_own_scale(wire, volume):
    view = ModelView(model_of((0, 0, 0)), volume, level=0.5)
    display = to_display(volume.data)
    view.is_loaded = True
    view.level = 1.0
    call = sent(wire, view)[-1]
    assert call["methodName"] == "setParameters"
    expected = (1.0 - display.low) / (display.high - display.low) * 255 - 128
    assert call["args"][0]["isolevel"] == pytest.approx(expected)
    view.close()


def test_an_atom_sets_the_fulcrum_and_the_fulcrum_is_marked(wire):
    volume = Map(np.random.default_rng(1).normal(size=(20, 20, 20)).astype(np.float32), 2.0)
    picker = FulcrumPicker(volume, model=model_of((10, 20, 30)))
    view = picker.model_view
    view.is_loaded = True
    view.view.picked = {"atom1": {"name": "[ZN]1:A.ZN", "x": 10.0, "y": 20.0, "z": 30.0}}
    assert picker.fulcrum == (5, 10, 15)
    assert "[ZN]1:A.ZN" in picker.front.found
    marks = [call for call in sent(wire, view) if call["methodName"] == "addShape"]
    assert marks[-1]["args"][1][0][1] == [10, 20, 30]
    view.view.picked = {"atom1": {"name": "far", "x": 1000.0, "y": 0.0, "z": 0.0}}
    assert picker.fulcrum == (5, 10, 15)
    assert "outside" in picker.front.advice
    picker.close()


def test_wrong_versions_are_told_in_words(monkeypatch, wire):
    monkeypatch.setattr(nglview_support, "version", lambda _name: "4.0.1")
    with pytest.raises(InputError, match=r"4\.0\.1 cannot be loaded"):
        load_nglview()
    monkeypatch.setattr(nglview_support, "version", lambda _name: "4.2")
    monkeypatch.setattr(nglview_support, "_versions", lambda: ("4.2", "3.1.5"))
    with pytest.raises(InputError, match=r"asks for 4\.2, 3\.1\.5"):
        load_nglview()


def test_without_nglview_the_picker_still_works(monkeypatch, wire):
    def absent(_name):
        raise nglview_support.PackageNotFoundError

    monkeypatch.setattr(nglview_support, "version", absent)
    with pytest.raises(InputError, match="pip install"):
        ModelView(model_of((0, 0, 0)))
    volume = Map(np.zeros((8, 8, 8), np.float32), 2.0)
    picker = FulcrumPicker(volume, model=model_of((0, 0, 0)))
    assert picker.model_view is None
    assert "not installed" in picker.children[-1].value
    picker.fulcrum = (1, 2, 3)


def test_addresses_that_were_not_asked_for_are_left(wire):
    told = []
    bridge = FileBridge(lambda: [("a", b"x")], told.append)
    receive(bridge, kind="address", id="a", url="blob:early")
    assert told == []
    bridge.request()
    bridge.request()
    receive(bridge, kind="address", id="a", url="blob:revoked", ticket=1)
    receive(bridge, kind="address", id="b", url="blob:other", ticket=2)
    assert told == []
    receive(bridge, kind="address", id="a", url="blob:right", ticket=2)
    receive(bridge, kind="address", id="a", url="blob:second", ticket=2)
    assert told == [{"a": "blob:right"}]
