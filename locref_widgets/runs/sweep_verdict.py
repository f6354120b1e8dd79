"""From the poses that each setting led to, to a verdict that fits on one page."""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.duplicates import with_copies_together
from locref_widgets.refinement.diagnostics import jsonable
from locref_widgets.runs.sweep_folder import SweepFolder, is_tried
from locref_widgets.runs.sweep_grid import value_words

if TYPE_CHECKING:
    from locref_widgets.refinement.agreement import AgreementMeter
    from locref_widgets.refinement.executor import Report
    from locref_widgets.runs.sweep_plan import SweepPlan

_MANY_AT_BOUND = 0.1


def meter_of(plan: "SweepPlan", report: "Report") -> "AgreementMeter":
    """The yardstick of a sweep: the same particles, one mask, the finest low-pass."""
    from locref_widgets.refinement.agreement import AgreementMeter

    finest = min(candidate.settings.initial_lowpass for candidate in plan.candidates)
    settings = plan.candidates[0].settings.model_copy(update={"initial_lowpass": finest})
    inputs = replace(
        plan.inputs,
        particles=with_copies_together(plan.inputs.particles),
        mask=plan.evaluation_mask,
    )
    return AgreementMeter(inputs, settings, report=report)


def judge(folder: SweepFolder, plan: "SweepPlan", meter: "AgreementMeter") -> dict[str, Any]:
    """Compare all settings whose runs came as far as they should; ready for JSON.

    Raises
    ------
    InputError
        If none did.
    """
    from locref_widgets.refinement.agreement_verdict import compare_settings

    tried, poses, summaries = [], [], []
    for candidate in plan.candidates:
        run = folder.run(candidate.number)
        if run is None or not is_tried(folder, candidate.number, plan.iterations):
            continue
        result = run.read_changes(min(run.iterations()[-1], plan.iterations))
        place = np.flatnonzero(np.isin(result.indices, meter.rows))
        if not np.array_equal(result.indices[place], meter.rows):
            raise InputError(f"{run.path}: its particles are not those of the other settings.")
        tried.append(candidate)
        poses.append((result.rotations[place], result.origins_angstrom[place]))
        summaries.append(run.summary)
    if not tried:
        raise InputError(
            f"{folder.path}: not one of the settings could be refined, so there is nothing to "
            "compare. The events say why of each."
        )
    curves = [meter.curve(rotations, origins) for rotations, origins in poses]
    band = meter.band([c.settings.initial_lowpass for c in tried], curves)
    found = [meter.measure(rotations, origins, band) for rotations, origins in poses]
    told = compare_settings(
        np.array([agreement.value for agreement in found]),
        np.stack([agreement.influence for agreement in found]),
        meter.problem.half_sets,
        meter.problem.particle,
    )
    seconds = folder.read_record().get("seconds") or {}
    rows = []
    for place, candidate in enumerate(tried):
        summary = summaries[place]
        rows.append(
            {
                "number": candidate.number,
                "values": candidate.values,
                "criterion": float(told.criterion[place]),
                "standard_error": float(told.standard_error[place]),
                "share_best": float(told.share_best[place]),
                "share_not_worse": float(told.share_not_worse[place]),
                "behind": float(told.behind[place]),
                "behind_error": float(told.behind_error[place]),
                "worth": _finite(told.worth[place]),
                "resolution_angstrom": float(curves[place].resolution_angstrom()),
                "at_bound_fraction": summary.get("at_bound_fraction"),
                "median_pose_change_deg": summary.get("median_pose_change_deg"),
                "median_shift_change_px": summary.get("median_shift_change_px"),
                **(seconds.get(str(candidate.number)) or {}),
            }
        )
    edge = meter.problem.region_box_px * meter.problem.pixel_size_angstrom
    verdict = {
        "chosen": tried[told.best].number,
        "tied": [tried[place].number for place in told.tied],
        "sureness": told.sureness,
        "n_particles": int(meter.rows.size),
        "iterations": plan.iterations,
        "band_angstrom": [edge / band[0], edge / (band[1] - 1)],
        "settings": rows,
        "failed": [c.number for c in plan.candidates if c not in tried],
    }
    verdict |= {"sentence": sentence(verdict), "notes": notes(verdict, plan.candidates)}
    return jsonable(verdict)


def row_of(verdict: dict[str, Any], number: int) -> dict[str, Any]:
    """What a verdict says of a setting."""
    return next(row for row in verdict["settings"] if row["number"] == number)


def words_of(values: dict[str, Any]) -> str:
    """``rotation_extent 0.2, shift_extent 10``."""
    return ", ".join(f"{name} {value_words(value)}" for name, value in values.items())


def sentence(verdict: dict[str, Any]) -> str:
    """Say which setting, and how sure."""
    best = row_of(verdict, verdict["chosen"])
    name, share = words_of(best["values"]), f"{100 * best['share_best']:.0f} %"
    others = [row_of(verdict, number) for number in verdict["tied"][1:]]
    if len(verdict["settings"]) == 1:
        return f"Only {name} was tried, so there is nothing to choose from."
    if verdict["sureness"] == "none":
        return (
            f"No difference was seen between the {len(verdict['settings'])} settings: these "
            f"particles cannot tell them apart. {name} agrees best, in {share} of the resamples; "
            "take the cheapest, or try more particles."
        )
    if verdict["sureness"] == "clear":
        return f"{name} is the best of those tried: it is ahead in {share} of the resamples."
    others_words = "; ".join(
        f"{words_of(row['values'])} ({100 * row['share_best']:.0f} %)" for row in others[:3]
    )
    more = f", and {len(others) - 3} more" if len(others) > 3 else ""
    how = "is probably the best" if verdict["sureness"] == "likely" else "agrees best"
    return (
        f"{name} {how}: it is ahead in {share} of the resamples. Not to be told apart from it: "
        f"{others_words or 'none'}{more}."
    )


def notes(verdict: dict[str, Any], candidates: list[Any]) -> list[str]:
    """What to think of beside the verdict."""
    best, said = row_of(verdict, verdict["chosen"]), []
    tied = [row_of(verdict, number)["values"] for number in verdict["tied"]]
    for name in best["values"]:
        tried = {c.values[name] for c in candidates if isinstance(c.values[name], int | float)}
        value = best["values"][name]
        if len(tried) < 2 or isinstance(value, bool) or value not in (min(tried), max(tried)):
            continue
        if all(values[name] == value for values in tied):
            end, way = ("smallest", "smaller") if value == min(tried) else ("largest", "larger")
            said.append(
                f"The best {name} is the {end} of those tried ({value:g}): try {way} ones as well."
            )
    at_bound = best.get("at_bound_fraction")
    if at_bound is not None and at_bound > _MANY_AT_BOUND:
        said.append(
            f"{100 * at_bound:.0f} % of the particles stop at the edge of what is searched with "
            "this setting: they may belong beyond it."
        )
    if verdict["failed"]:
        said.append(
            f"{len(verdict['failed'])} of the settings could not be refined; the events say why."
        )
    return said


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
