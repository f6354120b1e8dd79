"""The report's figures of the map: what became of the region, and how far it can be trusted."""

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.guinier import GuinierPlot
from locref_widgets.figures.fsc import plot_fsc
from locref_widgets.figures.guinier import plot_guinier
from locref_widgets.figures.headline import fixed
from locref_widgets.figures.local_resolution import plot_local_resolution
from locref_widgets.figures.mask_strip import MaskedSlice, plot_masks
from locref_widgets.figures.page import figure_card
from locref_widgets.figures.resolution import plot_resolution
from locref_widgets.figures.run_data import (
    RunData,
    RunMaps,
    as_array,
    corrected_curve,
    curves_of,
    masked_slices,
    number,
)
from locref_widgets.figures.slices import lowpass, plot_slices
from locref_widgets.figures.theme import to_svg


def map_cards(run: RunData) -> str:
    """Build the cards of slices, FSC curves, resolution by iteration, cut-offs and B-factor."""
    maps = run.maps()
    cards = [] if maps is None else [_slices_card(run, maps)]
    last = run.last["iteration"]
    before = None if run.first is run.last else corrected_curve(run.first)
    curves = curves_of(run.last)
    resolution = number(run.last.get("resolution_angstrom"))
    if curves:
        alt = (
            f"Fourier shell correlation of {', '.join(curves)} at iteration {last}; "
            f"the corrected curve falls below 0.143 at {fixed(resolution)} Å."
        )
        cards.append(
            figure_card(
                f"Fourier shell correlation, iteration {last}",
                "Agreement of the two half-maps at each resolution. The quoted resolution is where "
                "the corrected curve first falls below 0.143. The randomised curve should stay "
                "near zero: what is left of it is the mask's doing.",
                to_svg(plot_fsc(curves, before), "fsc", alt),
                7,
            )
        )
    told = [
        (entry["iteration"], value)
        for entry in run.iterations
        if (value := number(entry.get("resolution_angstrom"))) is not None
    ]
    if told:
        numbers, values = [n for n, _ in told], [v for _, v in told]
        alt = f"Resolution by iteration: {', '.join(f'{fixed(v)} Å' for v in values)}."
        cards.append(
            figure_card(
                "Resolution at each iteration",
                "Read from the corrected curve. Iteration 0 is the map of the poses given to the "
                "job, before any search.",
                to_svg(plot_resolution(numbers, values), "resolution", alt),
                5,
            )
        )
    masked = masked_slices(run)
    if len(masked) > 1:
        cards.append(_masks_card(masked, str(run.settings.get("masking", "dynamic"))))
    if maps is not None and maps.cutoff_resolution_angstrom is not None:
        cards.append(_cutoff_card(run, maps, maps.cutoff_resolution_angstrom))
    if run.guinier is not None:
        cards.append(_guinier_card(run.guinier))
    return "".join(cards)


_MASKS_OF = {
    "dynamic": "Iteration 0 has the mask that was given; the dynamic mask follows the density once "
    "a search was made.",
    "static": "It is the mask that was given.",
    "none": "It is the ball about the region: the search was to go without a mask.",
}


def _masks_card(masked: list[MaskedSlice], masking: str) -> str:
    return figure_card(
        "The mask of each iteration",
        "One plane through the region, each map low-passed to its own resolution. Inside the "
        f"outline lies what the next search compared the images with. {_MASKS_OF[masking]}",
        to_svg(plot_masks(masked), "masks", f"Masks of {len(masked)} iterations over map slices."),
        12,
    )


def _cutoff_card(run: RunData, maps: RunMaps, cutoff: Float[np.ndarray, "z y x"]) -> str:
    shown = lowpass(maps.after, maps.voxel_size_angstrom, number(run.last["resolution_angstrom"]))
    figure = plot_local_resolution(
        cutoff, shown, maps.mask, maps.voxel_size_angstrom, "cut-off resolution"
    )
    inside = cutoff[maps.mask >= 0.5] if (maps.mask >= 0.5).any() else cutoff
    median = fixed(float(np.median(inside)))
    return figure_card(
        "How fine the half-maps agree, place by place",
        "Non-uniform regularisation uses the references up to this resolution: as far as each "
        "half-map predicts the other around a voxel. The finest value is just beyond the "
        "resolution of the whole region; it is no local resolution.",
        to_svg(figure, "cutoff", f"Cut-off resolution in three slices, median {median} Å."),
        12,
    )


def _guinier_card(guinier: GuinierPlot) -> str:
    bfactor = f"{guinier.bfactor_angstrom2:.0f}".replace("-", "−")
    return figure_card(
        "Guinier plot",
        f"The amplitudes' fall from 10 Å on tells the B-factor of {bfactor} Å² that map_sharpened "
        "was freed of.",
        to_svg(plot_guinier(guinier), "guinier", f"Guinier plot, B-factor {bfactor} Å²."),
        7,
    )


def _slices_card(run: RunData, maps: RunMaps) -> str:
    fulcrum = run.started.get("fulcrum_angstrom")
    first, last = run.first, run.last
    searched = last["iteration"] > 0
    figure = plot_slices(
        maps.before,
        maps.after if searched else None,
        maps.mask,
        maps.voxel_size_angstrom,
        resolutions_angstrom=(
            number(first.get("resolution_angstrom")),
            number(last.get("resolution_angstrom")),
        ),
        fulcrum_angstrom=None if fulcrum is None else as_array(fulcrum),
    )
    if searched:
        title = "The region before and after"
        explanation = (
            f"Slices through the mask's centre at the poses given (above) and after iteration "
            f"{last['iteration']} (below), each low-passed to its own resolution. Only the inside "
            "of the mask was refined: what lies outside was subtracted, or blurs as the poses "
            "follow the region."
        )
        alt = "Orthogonal slices of the map before and after, with mask outline and fulcrum."
    else:
        title = "The region before refinement"
        explanation = (
            "Slices through the mask's centre of the map at the poses given, low-passed to its "
            "resolution."
        )
        alt = "Orthogonal slices of the map at the poses given, with mask outline and fulcrum."
    return figure_card(title, explanation, to_svg(figure, "slices", alt), 12)
