"""What may be changed while a refinement runs, from one iteration to the next.

A change is taken up between two iterations. All that is then used follows from the last iteration's
result and from what is in effect from now on, never from what happens to be in memory: a run that
is killed and resumed takes the same way to the last bit.
"""

from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings, overridden

_FULCRUM = frozenset({"fulcrum", "fulcrum_angstrom"})
REDRAWN = frozenset(
    {
        "non_uniform",
        "masking",
        "dynamic_mask_start_resolution",
        "dynamic_mask_threshold",
        "dynamic_mask_absolute",
        "dynamic_mask_near",
        "dynamic_mask_far",
        "dynamic_mask_in_resolutions",
    }
)
"""Settings by which the last iteration's mask and cut-offs are made anew."""
ADDED_AGAIN = _FULCRUM | {"folds", "batch_size"}
"""Settings after which the last iteration's images are added up anew, at the same poses."""
_SEARCH = frozenset(
    {
        "rotation_extent",
        "shift_extent",
        "prior_rotation",
        "prior_shift",
        "learn_prior",
        "marginalize",
        "recenter_rotations",
        "recenter_shifts",
        "shrink_extents",
    }
)
_OF_NO_CONSEQUENCE = frozenset({"iterations", "batch_size"})
"""Settings that do not make the refinement another one: what had settled has settled."""
STEERABLE = tuple(
    name
    for name in RefinementSettings.model_fields
    if name in REDRAWN | ADDED_AGAIN | _SEARCH | {"iterations"}
)
"""Names of the settings that may be changed, in the order of the fields.

Not: ``initial_lowpass`` (it is about the start), ``symmetry`` and ``subtract`` (what the images are
compared with), ``subset`` and ``seed`` (which particles take part). A run with others is another
run.
"""


def changed_settings(
    settings: RefinementSettings, changes: dict[str, Any]
) -> tuple[RefinementSettings, dict[str, Any]]:
    """Settings with some of them changed, and the values that differ by then (as JSON has them).

    Raises
    ------
    InputError
        For a name that is not among `STEERABLE`, or a value that is not allowed.
    """
    fixed = [name for name in changes if name not in STEERABLE]
    if fixed:
        known = [name for name in fixed if name in RefinementSettings.model_fields]
        what = "cannot be changed while a run goes on" if known else "is no setting"
        raise InputError(
            f"{(known or fixed)[0]} {what}. What can: {', '.join(STEERABLE)}, and the mask."
        )
    new = RefinementSettings(**overridden(settings.model_dump(), changes))
    before, after = settings.model_dump(mode="json"), new.model_dump(mode="json")
    return new, {name: value for name, value in after.items() if value != before[name]}


def differing(before: RefinementSettings, after: RefinementSettings) -> frozenset[str]:
    """Names of the settings that differ."""
    return frozenset(
        name for name in type(before).model_fields if getattr(before, name) != getattr(after, name)
    )


def is_another_search(names: frozenset[str]) -> bool:
    """Whether the refinement has to settle again after a change of these settings."""
    return bool(names - _OF_NO_CONSEQUENCE)
