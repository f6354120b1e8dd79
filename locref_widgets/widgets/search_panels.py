"""Parts of the search explorer: the images compared, and the likelihood about the optimum."""

import base64

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.tilts_turns import tilt_and_turn
from locref_widgets.refinement.one_particle import ParticleSearch
from locref_widgets.widgets.image_stack_view import grey_png
from locref_widgets.widgets.search_plots import surface_svg
from locref_widgets.widgets.search_style import BANDS


def in_cells(
    turn_rad: Float[np.ndarray, " 3"], shift_px: Float[np.ndarray, " 2"]
) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]]:
    """Tilt and shift of a pose as the cells count them: shifts are those of the turned image."""
    tilt, turn = tilt_and_turn(np.asarray(turn_rad, float))
    cosine, sine = np.cos(turn), np.sin(turn)
    return tilt, np.array([[cosine, sine], [-sine, cosine]]) @ np.asarray(shift_px, float)


def pictures_html(
    search: ParticleSearch, pose: Float[np.ndarray, " 5"], shell: int, *, at_end: bool
) -> str:
    """The particle, its projection at a pose, and what is left, up to a shell."""
    shown = search.images_at(pose, shell)
    spread = 3 * float(np.std(shown.image)) or 1.0
    own = 3 * float(np.std(shown.projection)) or 1.0
    place = "at the optimum" if at_end else "at the level's best cell"
    figures = (
        (shown.image, spread, "the particle × CTF"),
        (shown.projection, own, f"its projection × CTF², grey scale × {spread / own:.1f}"),
        (shown.difference, spread, "what is left"),
    )
    parts = "".join(
        f'<figure><img alt="{words}" src="data:image/png;base64,{_grey(np.asarray(values), wide)}">'
        f"<figcaption>{words}</figcaption></figure>"
        for values, wide, words in figures
    )
    return (
        f"<h4>The image beside its projection</h4><p>What the score compares, {place}, with shells"
        f" up to {shell}: the box about the region, cut out after multiplication by the CTF.</p>"
        f'<div class="locref-triple">{parts}</div>'
    )


def _grey(values: Float[np.ndarray, "m m"], spread: float) -> str:
    grey = np.clip(values / (2 * spread) + 0.5, 0, 1) * 255
    return base64.b64encode(grey_png(grey.astype(np.uint8)[::-1])).decode("ascii")


def optimum_html(search: ParticleSearch) -> str:
    """The likelihood about the optimum over two rotations and over the shifts."""
    covariance = np.asarray(search.trace.outcome.covariance)
    surfaces = "".join(
        f"<figure>{surface_svg(search.surface(axes), covariance)}</figure>"
        for axes in ((0, 1), (3, 4))
    )
    names = ("1 σ", "2 σ", "3 σ", "4 σ", "beyond")
    legend = "".join(
        f'<span><span class="locref-swatch" style="background:{colour}"></span>within {name}</span>'
        if name != "beyond"
        else f'<span><span class="locref-swatch" style="background:{colour}"></span>beyond</span>'
        for name, (_, colour) in zip(names, BANDS, strict=True)
    )
    return (
        "<h4>The likelihood about the optimum</h4><p>Log-likelihood with all shells over two"
        " coordinates, the others as found, in bands of ½, 2, 4½ and 8 below the optimum. The"
        " dashed ellipse is 2 σ of the standard errors that the search reports.</p>"
        f'<div class="locref-legend">{legend}</div><div class="locref-pair">{surfaces}</div>'
    )
