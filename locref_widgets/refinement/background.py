"""Whether the images' background is zero, as the search takes it to be.

Images are usually normalised so that the background, outside the circle that fits the box, has a
mean of 0 and a standard deviation of 1. Another standard deviation does no harm, since noise is
measured. Another mean does: cut to the region's box it is a broad peak about the origin of Fourier
space, in all images, that no template explains.
"""

import numpy as np

from locref_widgets.refinement.problem import Problem

_LOOKED_AT = 100
"""Images; where their background differs from zero, it does so in all of them."""
_LARGEST = 0.2
"""Mean of the background in its standard deviations. Real stacks have up to 0.08. With 0.2, 0.4, 1
and 3 added to the packaged sample the median error after three iterations was 1.52, 1.64, 2.5 and
4.9 degrees; without 1.44, and 4.8 before them."""


def background_warnings(problem: Problem, at_once: int) -> tuple[str, ...]:
    """Say so where the background of the images is not zero; reads a hundred, some ``at_once``."""
    count = min(_LOOKED_AT, problem.rows.size)
    rows = problem.rows[np.linspace(0, problem.rows.size - 1, count).astype(int)]
    y, x = np.indices((problem.box_px,) * 2) - problem.box_px // 2
    is_outside = y**2 + x**2 > (problem.box_px / 2) ** 2
    means: list[float] = []
    for start in range(0, count, at_once):
        images = problem.particles.images(rows[start : start + at_once])
        outside = images[:, is_outside].astype(np.float64)
        spread = outside.std(axis=1)
        means += list(outside.mean(axis=1)[spread > 0] / spread[spread > 0])
    median = float(np.median(means)) if means else 0.0
    if not abs(median) > _LARGEST:
        return ()
    words = (
        f"{problem.particles.path}: the images' background lies {median:+.2g} of its standard"
        " deviations from zero, which draws the poses astray. Normalise the images to a background"
        " of mean 0 (relion_preprocess --norm, or when they are extracted) and begin again."
    )
    return (words,)
