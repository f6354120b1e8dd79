"""The particle table, the stack view, and the view that a document tab shows."""

import base64
import bz2
import gzip
import re
import zlib

import ipywidgets
import numpy as np
import pytest

from locref_widgets import MapView, ParticleTable
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import write_map
from locref_widgets.sample import sample_paths
from locref_widgets.widgets import file_viewer
from locref_widgets.widgets.image_stack_view import ImageStackView, grey_png
from locref_widgets.widgets.inline_svg import histogram_svg, view_map_svg

SAMPLE = sample_paths()


def text_of(widget):
    values = [getattr(widget, "value", "")] if isinstance(widget, ipywidgets.HTML) else []
    return " ".join(values + [text_of(child) for child in getattr(widget, "children", ())])


def first_row(table):
    return int(re.search(r'<th scope="row">([\d,]+)', table._table.value)[1].replace(",", ""))


def test_it_tells_what_the_table_holds():
    text = text_of(ParticleTable(SAMPLE["particles"]))
    for words in ("800 particles", "400, 400", "RELION 3.1", "Viewing directions", "Defocus"):
        assert words in text


def test_only_one_page_of_rows_goes_to_the_browser(wire):
    table = ParticleTable(SAMPLE["particles"])
    sent = sum(len(str(data)) for _, data, _ in wire)
    assert table._table.value.count("<tr>") == 26
    assert "000026@" not in table._table.value
    assert sent < 80_000, "the file has 119 kB"


def test_pages_turn_and_stop_at_the_ends():
    table = ParticleTable(SAMPLE["particles"])
    assert table._buttons["previous"].disabled
    table._buttons["next"].click()
    assert first_row(table) == 26
    table._buttons["last"].click()
    assert first_row(table) == 776
    assert table._buttons["next"].disabled
    assert "rows 776 to 800 of 800" in table._words.value
    table._buttons["first"].click()
    table._go_to.value = 123
    assert first_row(table) == 123
    table._rows.value = 10
    assert table._table.value.count("<tr>") == 11
    table._blocks.value = "optics"
    assert first_row(table) == 1
    assert table._buttons["next"].disabled


def test_cells_are_text_and_never_markup(tmp_path):
    path = tmp_path / "evil.star"
    path.write_text("data_<b>\nloop_\n_rln<i>\n<script>alert(1)</script>\n")
    table = ParticleTable(path)
    assert "<script>" not in text_of(table)
    assert "&lt;script&gt;" in table._table.value


def test_faults_stand_above_the_rows(tmp_path):
    path = tmp_path / "particles.star"
    path.write_text(SAMPLE["particles"].read_text())
    text = text_of(ParticleTable(path))
    assert "locref-warning" in text
    assert "which is not there" in text


def test_files_that_are_no_tables_are_refused(tmp_path):
    with pytest.raises(InputError):
        ParticleTable(tmp_path / "absent.star")


def test_a_histogram_counts_every_value():
    values = np.random.default_rng(2).normal(1.5, 0.4, 1000)
    svg = histogram_svg(values, "µm", "Defocus")
    counts = [int(n.replace(",", "")) for n in re.findall(r"<title>[^<]*: ([\d,]+)</title>", svg)]
    assert sum(counts) == 1000
    assert f"median {np.median(values):.4g}" in svg
    assert ">0</text>" in svg


def test_equal_values_are_one_bar():
    svg = histogram_svg(np.full(7, 3.0), "Å", "Shift")
    assert svg.count("<title>") == 1
    assert "7</title>" in svg
    assert histogram_svg(np.zeros(3), "Å", "Shift").count("<title>") == 1


def test_a_view_map_has_a_cell_for_each_direction_and_its_own_colour_for_none():
    counts = np.array([[0, 5], [10, 1]])
    svg = view_map_svg(counts)
    assert svg.count("<title>") == 4
    assert svg.count("#9aa0a6") == 1
    assert "1 of 4 cells are empty" in svg


def test_a_png_holds_the_picture():
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20
    data = grey_png(picture)
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    at = data.index(b"IDAT")
    length = int.from_bytes(data[at - 4 : at], "big")
    rows = np.frombuffer(zlib.decompress(data[at + 4 : at + 4 + length]), np.uint8)
    np.testing.assert_array_equal(rows.reshape(3, 5)[:, 1:], picture)
    crc = int.from_bytes(data[at + 4 + length : at + 8 + length], "big")
    assert crc == zlib.crc32(data[at : at + 4 + length])


def test_a_stack_is_shown_page_by_page():
    view = ImageStackView(SAMPLE["particles"].parent / "particles.mrcs")
    assert view._page.max == -(-800 // 24)
    assert view._images.value.count("<img") == 24
    view._page.value = view._page.max
    assert view._images.value.count("<img") == 800 - 33 * 24
    assert ">800<" in view._images.value
    png = base64.b64decode(re.search(r"base64,([^\"]+)", view._images.value)[1])
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "name", ["ball.mrc", "ball.map", "ball.ccp4", "ball.map.gz", "ball.mrc.bz2"]
)
def test_maps_get_a_map_view(tmp_path, ball, name):
    path = tmp_path / name
    plain = tmp_path / "plain.mrc"
    write_map(plain, ball[0].data, 4.0)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(plain.read_bytes()))
    view = file_viewer.make_view(path)
    assert any(isinstance(child, MapView) for child in view.children)


def test_what_cannot_be_viewed_is_told_in_words(tmp_path):
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"not a map")
    assert "locref-warning" in text_of(file_viewer.make_view(broken))
    assert "no such file" in text_of(file_viewer.make_view(tmp_path / "absent.star"))
    empty = tmp_path / "empty.star"
    empty.write_text("")
    assert "locref-warning" in text_of(file_viewer.make_view(empty))


def test_views_are_let_go(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", shown.append)
    path = str(SAMPLE["particles"])
    file_viewer.show(path)
    file_viewer.check_shown([path])
    file_viewer.show(path)
    assert shown[0].comm is None, "the earlier view of the file is closed"
    file_viewer.close(path)
    assert shown[1].comm is None
    with pytest.raises(KeyError):
        file_viewer.check_shown([path])
