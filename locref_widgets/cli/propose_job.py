"""``locref propose-mask``: a mask from the data, without any clicking."""

from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError


def propose_file(
    out: Path, half_maps: tuple[Path, Path] | None, run: Path | None, blur: Path | None
) -> dict[str, Any]:
    """Propose a mask and write it, unless the answer is no; tell how sure it is.

    Raises
    ------
    InputError
        for files that cannot be read, or where neither or both of half-maps and run are given.
    """
    from locref_widgets.io.half_maps import read_half_maps
    from locref_widgets.io.mask_file import write_mask
    from locref_widgets.io.mrc import write_map
    from locref_widgets.masks.proposal import describe_proposal
    from locref_widgets.masks.propose import propose_from_half_maps
    from locref_widgets.runs.propose import propose_from_run

    if (half_maps is None) == (run is None):
        raise InputError("give --half-maps A B, or --run DIR of a run with a finished iteration.")
    if half_maps is not None:
        halves = read_half_maps(*half_maps)
        proposal = propose_from_half_maps(halves[0], halves[1])
    else:
        proposal = propose_from_run(run or Path())
    shown = proposal.blur_angstrom
    if blur is not None and shown is not None:
        write_map(blur, shown.data, shown.voxel_size_angstrom, shown.position)
    written = proposal.mask is not None and proposal.verdict != "no"
    if proposal.mask is not None and written:
        write_mask(out, proposal.mask, proposal.mask)
    return {
        "verdict": proposal.verdict,
        "sure": proposal.sure,
        "reason": proposal.reason,
        "caveats": list(proposal.caveats),
        "mask": str(out) if written else None,
        "lines": describe_proposal(proposal),
    }


def describe_proposed(values: dict[str, Any]) -> str:
    """Put a proposal into lines."""
    where = f"{values['mask']}: the mask proposed" if values["mask"] else "no mask was written"
    return "\n".join([*values["lines"], where])
