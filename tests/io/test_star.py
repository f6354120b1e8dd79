"""STAR files: every token survives, what is wrong is named by its row."""

from pathlib import Path

import numpy as np
import pytest
import starfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.star import read_star, write_star
from locref_widgets.io.star_table import TOKEN_DTYPE, StarTable

LABELS = st.from_regex(r"[A-Za-z][A-Za-z0-9]{0,12}", fullmatch=True)
VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), max_size=12
) | st.text("ab 'é1@/", max_size=8)


def is_plain(value: str) -> bool:
    # A single column whose value looks like a block's first line cannot be told from one.
    return not value.startswith(("data_", "loop_")) and not ('"' in value and "'" in value)


@st.composite
def tables(draw: st.DrawFn) -> dict[str, list[str]]:
    labels = draw(st.lists(LABELS, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(1, 5))
    cells = VALUES.filter(is_plain)
    return {label: draw(st.lists(cells, min_size=rows, max_size=rows)) for label in labels}


@given(table=tables())
@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_strings_survive_writing_and_reading(tmp_path: Path, table: dict[str, list[str]]) -> None:
    made = StarTable({})
    for label, values in table.items():
        made = made.with_column(label, values)
    write_star(tmp_path / "a.star", {"x": made})
    back = read_star(tmp_path / "a.star")["x"]
    assert list(back.columns) == list(table)
    for label, values in table.items():
        assert back.strings(label) == values


def test_tokens_are_written_back_byte_for_byte(tmp_path: Path) -> None:
    rows = ["1.0000 'a b' 1e+05 \"it's\" [0.1,-2]", "-0 noquote 007 '' o'neil"]
    text = (
        "# made by hand\n\ndata_one\n\n_a  1.50\n_b 'x y'\n\n"
        "# version 30001\n\ndata_two\n# remark\nloop_\n"
        "_p #1\n_q\n_r #3\n_s #4\n_t #5\n" + "\n".join(rows) + "\n"
    )
    (tmp_path / "in.star").write_text(text)
    blocks = read_star(tmp_path / "in.star")
    assert list(blocks) == ["one", "two"]
    assert not blocks["one"].is_loop
    assert blocks["one"].strings("b") == ["x y"]
    assert blocks["two"].strings("s") == ["it's", ""]
    write_star(tmp_path / "out.star", blocks)
    written = (tmp_path / "out.star").read_text().split("\n")
    assert [line for line in written if line in rows] == rows
    assert "# version 30001" in written
    assert "_a 1.50" in written
    again = read_star(tmp_path / "out.star")
    for name, table in blocks.items():
        assert {k: v.tolist() for k, v in again[name].columns.items()} == {
            k: v.tolist() for k, v in table.columns.items()
        }


@given(values=st.lists(st.floats(-1e8, 1e8), min_size=1, max_size=5))
@settings(deadline=None, max_examples=100)
def test_numbers_keep_their_digits(values: list[float]) -> None:
    back = StarTable({}).with_column("v", np.array(values)).floats("v")
    # Six decimals round by at most 5e-7; below 1e-3 nine digits are kept.
    np.testing.assert_allclose(back, values, atol=5.1e-7, rtol=1e-15)


def test_columns_are_replaced_in_place_and_rows_selected() -> None:
    table = StarTable({}).with_column("a", [1, 2, 3]).with_column("b", [0.5, 1.5, 2.5])
    changed = table.with_column("a", [7, 8, 9]).take(np.array([2, 0]))
    assert list(changed.columns) == ["a", "b"]
    assert changed.ints("a").tolist() == [9, 7]
    assert changed.floats("b").tolist() == [2.5, 0.5]
    assert table.ints("a").tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="2 values for 3 rows"):
        table.with_column("c", [1, 2])


def test_long_tables_are_read_as_short_ones(tmp_path: Path) -> None:
    # More rows than are turned into columns at once, so that pieces are joined.
    count = 45_001
    body = "".join(f"{i} {i}.250000 {i:06d}@stack.mrcs\n" for i in range(count))
    (tmp_path / "a.star").write_text(f"data_\nloop_\n_i\n_x\n_name\n{body}")
    table = read_star(tmp_path / "a.star")[""]
    assert len(table) == count
    np.testing.assert_array_equal(table.ints("i"), np.arange(count))
    np.testing.assert_array_equal(table.floats("x"), np.arange(count) + 0.25)
    write_star(tmp_path / "b.star", {"": table})
    assert (tmp_path / "b.star").read_text().endswith(body + "\n")


def test_a_short_row_is_not_made_up_for_by_a_long_one(tmp_path: Path) -> None:
    rows = ["1 2"] * 12_000
    rows[7000:7002] = ["1", "1 2 3"]
    (tmp_path / "a.star").write_text("data_\nloop_\n_x\n_y\n" + "\n".join(rows))
    with pytest.raises(InputError, match=r"line 7005 \(row 7001 of block data_\) has 1 values"):
        read_star(tmp_path / "a.star")


def test_windows_line_ends_and_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "a.star").write_bytes(b"\xef\xbb\xbfdata_\r\nloop_\r\n_a\r\n_b\r\n1 2\r\n3 4\r\n")
    assert read_star(tmp_path / "a.star")[""].ints("b").tolist() == [2, 4]


def test_a_row_may_begin_like_a_block(tmp_path: Path) -> None:
    (tmp_path / "a.star").write_text("data_p\nloop_\n_name\n_x\ndata_1.mrc 1\ndata_2.mrc 2\n")
    assert read_star(tmp_path / "a.star")["p"].strings("name") == ["data_1.mrc", "data_2.mrc"]


SPOILED = {
    "ragged row": (
        "data_a\nloop_\n_x\n_y\n1 2\n3\n",
        "line 6 (row 2 of block data_a) has 1 values",
    ),
    "long row": ("data_a\nloop_\n_x\n_y\n1 2 3\n", "line 5 (row 1 of block data_a) has 3 values"),
    "label twice": ("data_a\nloop_\n_x\n_x\n1 2\n", "the label _x is there twice"),
    "pair twice": ("data_a\n_x 1\n_x 2\n", "the label _x is there twice"),
    "block twice": ("data_a\n_x 1\n\ndata_a\n_x 1\n", "block data_a is there twice"),
    "no block": ("loop_\n_x\n1\n", "data_ line is missing"),
    "values and a loop": (
        "data_a\n_role 7\n\nloop_\n_x\n_y\n1 2\n",
        "line 4: block data_a holds single values and a loop",
    ),
    "no labels": ("data_a\nloop_\n1 2\n", "has no labels"),
    "pair without value": ("data_a\n_x\n", "expected a label and its value"),
    "empty file": ("", "holds no data_ block"),
}


@pytest.mark.parametrize(("text", "message"), SPOILED.values(), ids=SPOILED.keys())
def test_spoiled_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.star"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_star(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.star").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="not text in UTF-8"):
        read_star(tmp_path / "a.star")
    with pytest.raises(InputError, match="no such file"):
        read_star(tmp_path / "b.star")


def test_numbers_are_checked_with_their_row() -> None:
    table = StarTable(
        {"x": np.array(["1", "2", "abc", "nan"], TOKEN_DTYPE)}, Path("p.star"), "particles"
    )
    with pytest.raises(
        InputError, match=r"p.star: block data_particles: row 3 has x = abc.*1 more"
    ):
        table.floats("x")
    with pytest.raises(InputError, match=r"row 2 has x = 1.5, expected a whole number"):
        StarTable({"x": np.array(["1", "1.5"], TOKEN_DTYPE)}).ints("x")
    with pytest.raises(InputError, match="no column y"):
        table.floats("y")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.star"
    path.write_text("old")
    bad = StarTable({"x": np.array(["1"], TOKEN_DTYPE), "y": np.array(["1", "2"], TOKEN_DTYPE)})
    with pytest.raises(ValueError, match=r"shorter|longer"):
        write_star(path, {"a": bad})
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputError, match=r"folder does not exist"):
        write_star(tmp_path / "absent" / "a.star", {})


@pytest.mark.parametrize(
    "name",
    [
        "scipion_relion31_nonumbers.star",
        "cryocat_relion_3.1_optics.star",
        "cryocat_relion_4.0.star",
        "cryodrgn_relion5.star",
        "cryodrgn_toy_projections.star",
        "iospi_test.star",
        "isecc_fullexpandsubparticle.star",
        "isecc_test_magmat_zernike.star",
        "relion31_emtools_refine3d/run_it016_data.star",
        "relion31_emtools_refine3d/run_it016_half1_model.star",
        "relion31_emtools_refine3d/run_it016_optimiser.star",
        "teamtomo_starfile/basic_double_quote.star",
        "teamtomo_starfile/basic_single_quote.star",
        "teamtomo_starfile/default_pipeline.star",
        "teamtomo_starfile/empty_loop.star",
        "teamtomo_starfile/loop_double_quote.star",
        "teamtomo_starfile/loop_single_quote.star",
        "teamtomo_starfile/one_loop.star",
        "teamtomo_starfile/one_loop_full_history.star",
        "teamtomo_starfile/postprocess.star",
        "teamtomo_starfile/relion_tutorial/run_it025_optimiser_3D.star",
        "teamtomo_starfile/relion_tutorial/run_it025_sampling_3D.star",
        "teamtomo_starfile/rln3.1_data_style.star",
        "teamtomo_starfile/single_line_end_of_multiblock.star",
        "teamtomo_starfile/single_line_middle_of_multiblock.star",
        "teamtomo_starfile/two_basic_blocks.star",
        "teamtomo_starfile/two_single_line_loop_blocks.star",
    ],
)
def test_real_files_read_as_starfile_reads_them(
    shared_data: Path, tmp_path: Path, name: str
) -> None:
    ours = read_star(shared_data / "star" / name)
    theirs = starfile.read(shared_data / "star" / name, always_dict=True)
    assert list(ours) == list(theirs)
    for block, table in ours.items():
        columns = theirs[block]
        assert list(table.columns) == list(columns)
        for label in table.columns:
            values = columns[label].tolist() if table.is_loop else [columns[label]]
            assert same_values(table.strings(label), values)
    write_star(tmp_path / "again.star", ours)
    for block, table in read_star(tmp_path / "again.star").items():
        assert table.is_loop == ours[block].is_loop
        assert {k: v.tolist() for k, v in table.columns.items()} == {
            k: v.tolist() for k, v in ours[block].columns.items()
        }


def same_values(ours: list[str], theirs: list) -> bool:
    """Compare text with values that starfile has turned into numbers where it could."""
    if all(isinstance(value, int | float) for value in theirs):
        return np.array_equal([float(v or "nan") for v in ours], theirs, equal_nan=True)
    return len(ours) == len(theirs) and all(
        a == str(b)
        or (not isinstance(b, str) and float(a or "nan") == pytest.approx(b, nan_ok=True))
        for a, b in zip(ours, theirs, strict=True)
    )
