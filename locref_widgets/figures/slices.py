"""Three orthogonal slices through the region, before and after, with mask and fulcrum."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.ndimage import zoom

from locref_widgets.figures.theme import INK, MUTED, new_figure

MASK_COLOUR, FULCRUM_COLOUR = "#ffb454", "#5cd6ff"
# (axes across and up the picture as indices of (x, y, z), axis cut)
_VIEWS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))
_AXIS_NAMES = "xyz"
# Three pictures share the page's width.
_PICTURE_PX = 330
# Share of the box left around the mask, so that the rest of the particle gives the context.
_MARGIN = 0.14


def plot_slices(
    before: Float[np.ndarray, "z y x"],
    after: Float[np.ndarray, "z y x"] | None,
    mask: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    *,
    resolutions_angstrom: tuple[float | None, float | None] = (None, None),
    fulcrum_angstrom: Float[np.ndarray, "3"] | None = None,
) -> Figure:
    """Draw the slices through the mask's centre; each map low-passed to its own resolution.

    ``after`` is None before any search. ``fulcrum_angstrom`` is (x, y, z) relative to voxel N//2;
    where it lies off the plane shown, its place on that plane is marked hollow.
    """
    given = (before,) if after is None else (before, after)
    maps = [
        lowpass(volume, voxel_size_angstrom, resolution)
        for volume, resolution in zip(given, resolutions_angstrom, strict=False)
    ]
    centre = mask_centre(mask)
    low, high = mask_window(mask)
    fulcrum = None
    if fulcrum_angstrom is not None:
        fulcrum = np.asarray(fulcrum_angstrom) / voxel_size_angstrom + mask.shape[0] // 2
    figure = new_figure(1080, 400 if len(maps) == 1 else 770)
    grid = figure.subplots(len(maps), 3, squeeze=False)
    for row, volume in enumerate(maps):
        inside = volume[mask > 0.5] if (mask > 0.5).any() else volume
        grey = (float(np.quantile(inside, 0.03)), float(np.quantile(inside, 0.998)))
        for column, view in enumerate(_VIEWS):
            axes = grid[row, column]
            _draw_slice(axes, volume, mask, view, centre, (low, high), grey)
            if fulcrum is not None:
                _mark_fulcrum(axes, fulcrum, view, centre)
            if row == 0:
                names = [_AXIS_NAMES[axis] for axis in view]
                title = f"{names[0]}{names[1]} plane, {names[2]} = {centre[view[2]]} voxels"
                axes.set_title(title, color=MUTED, fontsize=13, pad=8)
    for row, name in enumerate(("before", "after")[: len(maps)]):
        resolution = resolutions_angstrom[row]
        quoted = "" if resolution is None else f", {resolution:.2f} Å"
        grid[row, 0].set_ylabel(name + quoted, color=INK, fontsize=15, labelpad=10)
    draw_scale_bar(grid[-1, 0], voxel_size_angstrom)
    _legend(figure, fulcrum is not None)
    return figure


def lowpass(
    volume: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    resolution_angstrom: float | None,
) -> Float[np.ndarray, "z y x"]:
    """Low-pass for display: a cosine edge two Fourier pixels either side of the resolution."""
    if not resolution_angstrom:
        return volume
    n = volume.shape[0]
    full, half = np.fft.fftfreq(n, 1 / n), np.fft.rfftfreq(n, 1 / n)
    radius = np.sqrt(full[:, None, None] ** 2 + full[None, :, None] ** 2 + half**2)
    edge = np.clip((radius - n * voxel_size_angstrom / resolution_angstrom + 2) / 4, 0, 1)
    kept = (0.5 * (1 + np.cos(np.pi * edge))).astype(np.float32)
    return np.fft.irfftn(np.fft.rfftn(volume) * kept, s=volume.shape, axes=(0, 1, 2)).astype(
        np.float32
    )


def _draw_slice(
    axes: Axes,
    volume: Float[np.ndarray, "z y x"],
    mask: Float[np.ndarray, "z y x"],
    view: tuple[int, int, int],
    centre: np.ndarray,
    window: tuple[np.ndarray, np.ndarray],
    grey: tuple[float, float],
) -> None:
    # Arrays are [z, y, x]: with `cut` taken away, up (the later letter) comes before across.
    across, up, cut = view
    (left, right), (bottom, top) = ((window[0][axis], window[1][axis]) for axis in (across, up))
    picture = np.take(volume, centre[cut], axis=2 - cut)[bottom:top, left:right]
    outline = np.take(mask, centre[cut], axis=2 - cut)
    extent = left - 0.5, right - 0.5, bottom - 0.5, top - 0.5
    axes.imshow(
        finer(picture),
        cmap="gray",
        origin="lower",
        vmin=grey[0],
        vmax=grey[1],
        extent=extent,
        interpolation="none",
    )
    if outline.max() > 0.5 > outline.min():
        axes.contour(outline, levels=[0.5], colors=MASK_COLOUR, linewidths=1.6, linestyles="--")
    axes.set_xlim(*extent[:2])
    axes.set_ylim(*extent[2:])
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def finer(picture: Float[np.ndarray, "up across"]) -> Float[np.ndarray, "fine_up fine_across"]:
    """A picture of few voxels by cubic splines, on pixels that each cover a part of a voxel.

    Matplotlib would make it as fine as the page could ever need, twice over: most of the time that
    a figure took, and of its size.
    """
    factor = max(1, round(_PICTURE_PX / max(picture.shape)))
    return np.asarray(zoom(picture, factor, order=3, mode="nearest", grid_mode=True))


def mask_centre(mask: Float[np.ndarray, "z y x"]) -> np.ndarray:
    """Voxel (x, y, z) nearest the mask's centre of mass; the middle for an empty mask."""
    total = float(mask.sum())
    n = mask.shape[0]
    if total <= 0:
        return np.full(3, n // 2)
    steps = np.arange(n)
    sums = [mask.sum(axis=(0, 1)), mask.sum(axis=(0, 2)), mask.sum(axis=(1, 2))]
    return np.array([round(float((line * steps).sum()) / total) for line in sums])


def mask_window(mask: Float[np.ndarray, "z y x"]) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper corner (x, y, z) of the cube shown: the mask and a margin, within the box."""
    n = mask.shape[0]
    filled = np.argwhere(mask > 0.5)[:, ::-1]
    if not len(filled):
        return np.zeros(3, int), np.full(3, n)
    middle = (filled.min(axis=0) + filled.max(axis=0) + 1) / 2
    side = min(n, int(np.ceil((np.ptp(filled, axis=0).max() + 1) + 2 * _MARGIN * n)))
    low = np.clip(np.round(middle - side / 2).astype(int), 0, n - side)
    return low, low + side


def _mark_fulcrum(
    axes: Axes, fulcrum: np.ndarray, view: tuple[int, int, int], centre: np.ndarray
) -> None:
    across, up, cut = view
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    # A fulcrum outside the window is drawn at its edge rather than lost.
    x = float(np.clip(fulcrum[across], left + 1, right - 1))
    y = float(np.clip(fulcrum[up], bottom + 1, top - 1))
    in_plane = abs(fulcrum[cut] - centre[cut]) <= 1
    face = FULCRUM_COLOUR if in_plane else "none"
    axes.plot(x, y, "o", ms=11, mfc=face, mec="black", mew=3.4, zorder=5)
    axes.plot(x, y, "o", ms=11, mfc=face, mec=FULCRUM_COLOUR, mew=1.8, zorder=6)


def draw_scale_bar(axes: Axes, voxel_size_angstrom: float) -> None:
    """Draw a bar of a round length into the lower left corner of a picture in voxels."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    width_angstrom = (right - left) * voxel_size_angstrom
    length = max(
        (bar for bar in (5, 10, 20, 50, 100, 200) if bar < 0.35 * width_angstrom), default=5
    )
    x, y = left + 0.05 * (right - left), bottom + 0.06 * (top - bottom)
    end = x + length / voxel_size_angstrom
    axes.plot([x, end], [y, y], color="white", linewidth=3, solid_capstyle="butt", zorder=6)
    axes.text(
        (x + end) / 2,
        y + 0.02 * (top - bottom),
        f"{length} Å",
        color="white",
        ha="center",
        va="bottom",
        fontsize=12,
        zorder=6,
    )


def _legend(figure: Figure, with_fulcrum: bool) -> None:
    marks = [Line2D([], [], color=MASK_COLOUR, linestyle="--", linewidth=2, label="mask (0.5)")]
    if with_fulcrum:
        disc = {"marker": "o", "markersize": 9, "linestyle": "", "mec": FULCRUM_COLOUR, "mew": 1.8}
        marks += [
            Line2D([], [], mfc=FULCRUM_COLOUR, label="fulcrum, in this plane", **disc),
            Line2D([], [], mfc="none", label="fulcrum, off this plane", **disc),
        ]
    figure.legend(
        handles=marks,
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=13,
        labelcolor=INK,
    )
