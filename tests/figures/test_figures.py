"""The single figures: what is drawn is what was given."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.image import AxesImage

from locref_widgets.figures.fsc import plot_fsc
from locref_widgets.figures.heatmaps import plot_pose_heatmap, plot_shift_heatmap
from locref_widgets.figures.histograms import plot_pose_histogram, share_at_limit
from locref_widgets.figures.resolution import plot_resolution
from locref_widgets.figures.run_data import Curve
from locref_widgets.figures.slices import finer, lowpass, plot_slices
from locref_widgets.figures.theme import to_svg


def curve(resolution: float | None = 8.0) -> Curve:
    frequency = np.linspace(0, 0.25, 33)
    return Curve(frequency, np.exp(-((frequency / 0.1) ** 2)), resolution)


def test_fsc_has_every_curve_its_resolution_and_both_thresholds() -> None:
    figure = plot_fsc({"no mask": curve(11.0), "dynamic mask corrected": curve()}, curve(14.0))
    axes = figure.axes[0]
    labels = {str(line.get_label()) for line in axes.lines}
    assert {
        "no mask  11.00 Å",
        "dynamic mask corrected  8.00 Å",
        "before refinement  14.00 Å",
    } <= labels
    levels = {float(np.asarray(line.get_ydata())[0]) for line in axes.lines[-2:]}
    assert levels == {0.5, 0.143}
    figure.draw_without_rendering()
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert ticks[0] == "∞"
    assert ticks[-1] == "4"


def test_fsc_stands_a_curve_without_values() -> None:
    nothing = Curve(np.linspace(0, 0.25, 5), np.full(5, np.nan), None)
    assert "<svg" in to_svg(plot_fsc({"no mask": nothing}), "fsc", "an empty curve")


def test_heatmap_draws_empty_bins_apart_from_zero() -> None:
    mean = np.array([[0.0, 2.0], [np.nan, 1.0]])
    azimuth, elevation = np.linspace(-np.pi, np.pi, 3), np.arcsin([-1.0, 0.0, 1.0])
    figure = plot_pose_heatmap(azimuth, elevation, mean)
    drawn = np.ma.asarray(figure.axes[0].collections[0].get_array()).reshape(2, 2)
    assert np.ma.getmaskarray(drawn).tolist() == [[False, False], [True, False]]
    assert figure.legends[0].get_texts()[0].get_text() == "no particles"
    full = plot_shift_heatmap(azimuth, elevation, np.ones((2, 2)), 1.5)
    assert not full.legends


def test_heatmap_rows_are_equally_high() -> None:
    elevation = np.arcsin(np.linspace(-1, 1, 7))
    figure = plot_pose_heatmap(np.linspace(-np.pi, np.pi, 4), elevation, np.ones((6, 3)))
    corners = figure.axes[0].collections[0].get_coordinates()
    np.testing.assert_allclose(np.diff(corners[:, 0, 1]), 1 / 3)


def test_histogram_marks_the_last_bin() -> None:
    counts = np.array([5.0, 3.0, 2.0])
    figure = plot_pose_histogram(np.linspace(0, 15, 4), counts, 15.0, 4.0)
    bars = figure.axes[0].patches
    assert [bar.get_height() for bar in bars] == [5, 3, 2]
    assert bars[-1].get_facecolor() != bars[0].get_facecolor()
    assert share_at_limit(counts) == pytest.approx(0.2)
    assert share_at_limit(np.zeros(3)) == 0


def test_resolution_axis_has_the_finest_above() -> None:
    axes = plot_resolution([0, 1, 2], [12.0, 9.0, 8.5]).axes[0]
    bottom, top = axes.get_ylim()
    assert top < 8.5 < 12.0 < bottom


def test_lowpass_keeps_what_is_coarse_and_removes_what_is_fine() -> None:
    x = np.arange(32)
    coarse = np.broadcast_to(np.cos(2 * np.pi * 2 * x / 32), (32, 32, 32))
    fine = np.broadcast_to(np.cos(2 * np.pi * 14 * x / 32), (32, 32, 32))
    # 32 voxels of 2 Å; 8 Å is Fourier pixel 8, with the edge from 6 to 10.
    filtered = lowpass((coarse + fine).astype(np.float32), 2.0, 8.0)
    np.testing.assert_allclose(filtered, coarse, atol=1e-5)


def test_slices_show_the_planes_named() -> None:
    n = 16
    volume = np.zeros((n, n, n), np.float32)
    volume[4, 9, 12] = 1.0  # z, y, x
    mask = np.zeros_like(volume)
    mask[3:6, 8:11, 11:14] = 1.0
    figure = plot_slices(volume, volume, mask, 2.0, fulcrum_angstrom=np.array([8.0, 2.0, -8.0]))
    titles = [axes.get_title() for axes in figure.axes[:3]]
    assert titles == [
        "xy plane, z = 4 voxels",
        "xz plane, y = 9 voxels",
        "yz plane, x = 12 voxels",
    ]
    for axes, peak in zip(figure.axes[:3], [(9, 12), (4, 12), (4, 9)], strict=True):
        assert brightest_place(axes.images[0]) == pytest.approx(peak, abs=0.05)
        # The fulcrum is the point of the peak: 8 + 4, 8 + 1, 8 - 4 voxels.
        mark = axes.lines[0]
        place = (float(np.asarray(mark.get_ydata())[0]), float(np.asarray(mark.get_xdata())[0]))
        assert place == peak


def brightest_place(picture: AxesImage) -> tuple[float, float]:
    """Up and across, in the axes' own units (voxels)."""
    values = np.asarray(picture.get_array())
    left, right, bottom, top = picture.get_extent()
    up, across = (np.array(np.unravel_index(values.argmax(), values.shape)) + 0.5) / values.shape
    return bottom + up * (top - bottom), left + across * (right - left)


def test_a_finer_picture_goes_through_the_voxels(rng) -> None:
    voxels = rng.normal(size=(66, 110)).astype(np.float32)
    fine = finer(voxels)
    assert fine.shape == (198, 330)
    # The middle one of the three pixels across a voxel lies at its centre.
    np.testing.assert_allclose(fine[1::3, 1::3], voxels, atol=1e-4)


def test_pictures_of_many_voxels_are_left_as_they_are(rng) -> None:
    voxels = rng.normal(size=(300, 300)).astype(np.float32)
    np.testing.assert_allclose(finer(voxels), voxels, atol=1e-4)


def test_slices_stand_an_empty_mask_and_a_fulcrum_outside() -> None:
    volume = np.random.default_rng(0).normal(size=(12, 12, 12)).astype(np.float32)
    figure = plot_slices(
        volume, volume, np.zeros_like(volume), 1.5, fulcrum_angstrom=np.array([99.0, 0.0, 0.0])
    )
    assert "<svg" in to_svg(figure, "slices", "noise")


def test_figures_leave_pyplot_alone() -> None:
    code = (
        "import sys, locref_widgets.figures.report; "
        "assert 'matplotlib.pyplot' not in sys.modules; "
        "import locref_widgets; print('fine')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "fine", done.stderr


def test_the_package_starts_without_matplotlib() -> None:
    code = "import sys, locref_widgets; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
