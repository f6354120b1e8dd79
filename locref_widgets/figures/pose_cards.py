"""The report's figures of the poses: how far the particles moved, and from which views."""

import numpy as np

from locref_widgets.figures.headline import fixed
from locref_widgets.figures.heatmaps import plot_pose_heatmap, plot_shift_heatmap
from locref_widgets.figures.histograms import plot_pose_histogram, plot_shift_histogram
from locref_widgets.figures.page import figure_card, text_card
from locref_widgets.figures.run_data import RunData, as_array, number
from locref_widgets.figures.theme import to_svg
from locref_widgets.runs.fulcrum_estimate import describe_estimate


def pose_cards(run: RunData) -> str:
    """Build the cards of the heatmaps and histograms of the last iteration."""
    last, pixel = run.last, run.pixel_size_angstrom
    cards = []
    heatmap = last.get("heatmap")
    if heatmap:
        azimuth = as_array(heatmap["azimuth_edges_rad"])
        elevation = as_array(heatmap["elevation_edges_rad"])
        pose, shift = as_array(heatmap["pose_change_deg"]), as_array(heatmap["shift_change_px"])
        pose_figure = plot_pose_heatmap(azimuth, elevation, pose)
        shift_figure = plot_shift_heatmap(azimuth, elevation, shift, pixel)
        cards += [
            figure_card(
                "Pose change by viewing direction",
                "Mean turn of the particles that were seen from each direction at the start. "
                "Every bin covers the same area of the sphere.",
                to_svg(pose_figure, "pose-map", _heatmap_alt("pose change", pose, "°")),
                6,
            ),
            figure_card(
                "Shift change by viewing direction",
                "Mean shift left after turning about the fulcrum. A pattern here says that the "
                "fulcrum is off the hinge.",
                to_svg(shift_figure, "shift-map", _heatmap_alt("shift change", shift, " px")),
                6,
            ),
        ]
    pose, shift = last.get("pose_change"), last.get("shift_change")
    if pose and pose.get("limit_deg") is not None:
        figure = plot_pose_histogram(
            as_array(pose["edges_deg"]),
            as_array(pose["counts"]),
            number(pose["limit_deg"]) or 0.0,
            number(pose.get("median_deg")),
        )
        alt = f"Histogram of the pose change; median {fixed(number(pose.get('median_deg')))}°."
        text = "Angle between each particle's pose as given and as refined, up to the extent."
        cards.append(
            figure_card("How far the particles turned", text, to_svg(figure, "pose-hist", alt), 6)
        )
    if shift and shift.get("limit_px") is not None:
        figure = plot_shift_histogram(
            as_array(shift["edges_px"]),
            as_array(shift["counts"]),
            number(shift["limit_px"]) or 0.0,
            number(shift.get("median_px")),
            pixel,
        )
        alt = f"Histogram of the shift change; median {fixed(number(shift.get('median_px')))} px."
        text = "Distance moved in the image plane. The limit is half the extent, a diameter."
        cards.append(
            figure_card("How far they shifted", text, to_svg(figure, "shift-hist", alt), 6)
        )
    return "".join(cards) + _fulcrum_card(run)


def _fulcrum_card(run: RunData) -> str:
    """Tell which fulcrum the changes of pose speak for, beside the one used."""
    estimate = run.fulcrum_estimate
    if estimate is None:
        return ""
    basis = ""
    if estimate["is_offered"]:
        basis = (
            f"Least squares over {estimate['n_used']:,} of {estimate['n_particles']:,} particles "
            f"with a median turn of {fixed(number(estimate['turn_median_deg']))}°. It explains "
            f"{100 * estimate['explained_fraction']:.0f} % of the variance of the region's shifts; "
            f"{fixed(number(estimate['residual_angstrom']))} Å along each image axis are left. "
            "After ± stand standard errors."
        )
    return text_card("The fulcrum", " ".join(describe_estimate(estimate)), basis, 12)


def _heatmap_alt(what: str, mean: np.ndarray, unit: str) -> str:
    filled = np.isfinite(mean)
    if not filled.any():
        return f"Heatmap of mean {what}; no direction has particles."
    return (
        f"Heatmap of mean {what} by initial viewing direction, from {np.nanmin(mean):.2g} to "
        f"{np.nanmax(mean):.2g}{unit}; {int((~filled).sum())} of {mean.size} directions are empty."
    )
